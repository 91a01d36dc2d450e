import { ClockError } from "./clock-error.js";
import { type ClockTree, type Hop, spineOf } from "./clock-tree.js";
import {
	bareRun,
	countForks,
	type ForkRun,
	type Known,
	knownRun,
	pushRun,
	setRun,
} from "./known.js";
import { type Limits, TICK_MAX } from "./limits.js";
import { readClock } from "./scan-clock.js";
import { writeClock, writeList } from "./write-clock.js";

/**
 * The header to send for a clock: at most `limits.bytes` long, and nothing
 * that a receiver's limits refuse. The longest lists of calls in flight (of
 * equal ones that of the deeper hop) are covered by lossy ranges, so it claims
 * nothing that the clock does not.
 *
 * Source: `cut` of strand_clock.py; clock-cut.json.
 *
 * @throws {ClockError} `over_limits` or `too_long`, where that is not enough.
 */
export function cutTree(tree: ClockTree, limits: Limits): string {
	const spine = spineOf(tree);
	if (spine.length > limits.levels || spine.some((k) => k.tick > TICK_MAX)) {
		throw new ClockError("over_limits", "clock is over the limits");
	}
	const whole = spine
		.map((k, hop) => ({
			hop,
			length: writeList(k.open, k.seen, tree.hops[hop + 1]).length,
		}))
		.sort((a, b) => a.length - b.length);
	let header = writeClock(tree);
	let forks = countForks(tree.root.open) + countForks(tree.root.seen);
	while (header.length > limits.bytes || forks > limits.forks) {
		const longest = whole.pop();
		const covered =
			longest &&
			cover(spine[longest.hop] as Known, tree.hops[longest.hop + 1], limits);
		if (longest === undefined || covered === undefined) {
			throw new ClockError("too_long", "clock is too long even when cut");
		}
		spine[longest.hop] = covered;
		const root = joinSpine(spine, tree.hops);
		header = writeClock({ ...tree, root });
		forks = countForks(root.open) + countForks(root.seen);
	}
	const refused = readClock(header, limits);
	if (typeof refused === "string") {
		throw new ClockError(refused, "clock is over the limits");
	}
	return header;
}

/** The root of a tree with these nodes as what is known of its hops. */
export function joinSpine(
	spine: readonly Known[],
	hops: readonly Hop[],
): Known {
	let below = spine[spine.length - 1] as Known;
	for (let i = spine.length - 2; i >= 0; i--) {
		const { fork, detached } = hops[i + 1] as Hop;
		const above = spine[i] as Known;
		const side = detached ? "seen" : "open";
		const runs = above[side].slice();
		setRun(runs, fork, knownRun(fork, below));
		below = { ...above, [side]: runs };
	}
	return below;
}

/**
 * `k` with its calls in flight covered by ranges of which nothing can be told;
 * undefined where a range would name more forks than a header may.
 */
export function cover(
	k: Known,
	next: Hop | undefined,
	limits: Limits,
): Known | undefined {
	const open: ForkRun[] = [];
	let covered: ForkRun | undefined;
	const flush = () => {
		if (covered !== undefined) pushRun(open, covered);
		covered = undefined;
	};
	for (const run of k.open) {
		const isNext = next?.detached === false && next.fork === run.first;
		if (isNext || sees(run)) {
			flush(); // cannot be covered, nor can a range reach over it
			open.push(run);
			continue;
		}
		if (covered !== undefined && run.first - covered.last > limits.forks) {
			return undefined;
		}
		covered = bareRun(covered?.first ?? run.first, run.last, true);
	}
	flush();
	return { ...k, open };
}

/** Does it bring word of detached forks? */
function sees(run: ForkRun): boolean {
	return (
		run.known !== undefined &&
		(run.known.seen.length > 0 || run.known.open.some(sees))
	);
}
