import { findRun, type Known, knownOf } from "./known.js";

/** One strand on the way from the first strand of the trace to the sender. */
export interface Hop {
	/** The name of the service, decoded; `_` where it is empty or unknown. */
	readonly service: string;
	/** Which of its instances, decoded; may be empty. */
	readonly instance: string;
	/** Low 32 bits of the strand's span id: 8 lower-case hex digits. */
	readonly nonce: string;
	/** The tick at which the previous hop forked it; 0 for the first. */
	readonly fork: number;
	/** Nobody joins it. */
	readonly detached: boolean;
	/** Reached through a service that carries no clocks. */
	readonly gap: boolean;
}

/** A clock, taken apart: which strand, and what it knows. Immutable. */
export interface ClockTree {
	/** Last 8 hex digits of the trace id. */
	readonly trace: string;
	/** From the trace's first strand to this one; at least one. */
	readonly hops: readonly Hop[];
	/** What is known of the first strand, and below it of all others. */
	readonly root: Known;
}

/** What `k` says of its fork for `hop`; undefined where it does not list it. */
export function stepTo(k: Known, hop: Hop): Known | undefined {
	const run = findRun(hop.detached ? k.seen : k.open, hop.fork);
	return run && knownOf(run);
}

/** What is known of each hop, first strand first. */
export function spineOf(tree: ClockTree): Known[] {
	const spine = [tree.root];
	let k = tree.root;
	for (let i = 1; i < tree.hops.length; i++) {
		const next = stepTo(k, tree.hops[i] as Hop);
		if (next === undefined) break; // only trees that list every hop are made
		spine.push(next);
		k = next;
	}
	return spine;
}

/** What is known of the clock's own strand. */
export function ownOf(tree: ClockTree): Known {
	const spine = spineOf(tree);
	return spine[spine.length - 1] as Known;
}
