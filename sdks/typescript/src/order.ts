import type { ClockTree, Hop } from "./clock-tree.js";
import { ownOf } from "./clock-tree.js";
import { findRun, type Known, knownOf, knowsFork } from "./known.js";

/**
 * How one event stands to another.
 *
 * `unknown` is the honest answer where a clock was cut for size, an answer
 * brought no clock, or an unclocked hop lies between; it is never a guess.
 */
export type Order = "before" | "after" | "equal" | "concurrent" | "unknown";

/** The five orders by name, for code that prefers `Order.before` to a string. */
export const Order = {
	before: "before",
	after: "after",
	equal: "equal",
	concurrent: "concurrent",
	unknown: "unknown",
} as const satisfies Record<Order, Order>;

/**
 * How event `a` stands to event `b`.
 *
 * Source: `compare` of strand_clock.py; clock-order.json.
 */
export function compareTrees(a: ClockTree, b: ClockTree): Order {
	if (a.trace !== b.trace || a.hops[0]?.nonce !== b.hops[0]?.nonce) {
		return "unknown"; // two first strands: an unclocked hop lies between
	}
	const shared = Math.min(a.hops.length, b.hops.length);
	let same = 0;
	for (; same < shared; same++) {
		const x = a.hops[same] as Hop;
		const y = b.hops[same] as Hop;
		if (x.fork !== y.fork || x.detached !== y.detached) break;
		if (x.nonce !== y.nonce) {
			return x.gap || y.gap ? "unknown" : "concurrent"; // one send, handled twice
		}
	}
	const aTick = ownOf(a).tick;
	const bTick = ownOf(b).tick;
	if (same === a.hops.length && same === b.hops.length && aTick === bTick) {
		return "equal";
	}
	const ab = knows(b.root, a.hops, aTick);
	if (ab) return "before";
	const ba = knows(a.root, b.hops, bTick);
	if (ba) return "after";
	return ab === undefined || ba === undefined ? "unknown" : "concurrent";
}

/** Is event `tick` of the strand at the end of `hops` in `root`? Undefined: it was cut and cannot tell. */
function knows(
	root: Known,
	hops: readonly Hop[],
	tick: number,
): boolean | undefined {
	let k = root;
	for (let i = 1; i < hops.length; i++) {
		const hop = hops[i] as Hop;
		const maybe = k.lossy ? undefined : false;
		if (!knowsFork(k, hop.fork)) return maybe;
		const run = findRun(hop.detached ? k.seen : k.open, hop.fork);
		if (run !== undefined) k = knownOf(run);
		else if (hop.detached) return maybe;
		// Known completely, its detached forks not at all.
		else return !hops.slice(i + 1).some((below) => below.detached);
	}
	if (k.ended || tick <= k.tick) return true;
	return k.lossy ? undefined : false;
}
