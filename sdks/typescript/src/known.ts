/**
 * What an event knows of one strand. Immutable.
 *
 * Attached forks (calls that somebody waits for) are known completely unless
 * listed in `open`; detached ones are not known unless listed in `seen`.
 *
 * Source: strand-clocks.md, "The idea"; `Known` of strand_clock.py.
 */
export interface Known {
	/** Ticks 1 to `tick` are known. */
	readonly tick: number;
	/** All its ticks are known, and so are all attached forks not in `open`. */
	readonly ended: boolean;
	/** More than this may be known: cut for size. */
	readonly lossy: boolean;
	/** Attached forks that are not known completely, ascending. */
	readonly open: readonly ForkRun[];
	/** Detached forks of which something is known, ascending, one tick each. */
	readonly seen: readonly ForkRun[];
}

/**
 * Forks at adjacent ticks of which the same is known. Immutable.
 *
 * Without `known`: nothing is known of any of them (`lossy`: it cannot be
 * told), and `first` to `last` may be any range. With it: a single tick. A
 * range is never taken apart, so a short header cannot ask for much memory.
 */
export interface ForkRun {
	readonly first: number;
	readonly last: number;
	readonly lossy: boolean;
	readonly known: Known | undefined;
}

/** No forks. */
export const NONE: readonly ForkRun[] = [];

const NOTHING: Known = {
	tick: 0,
	ended: false,
	lossy: false,
	open: NONE,
	seen: NONE,
};
const UNTOLD: Known = { ...NOTHING, lossy: true };

/** What is known of each fork of a run. */
export function knownOf(run: ForkRun): Known {
	return run.known ?? (run.lossy ? UNTOLD : NOTHING);
}

/** A run of forks of which nothing is known, or cannot be told. */
export function bareRun(first: number, last: number, lossy: boolean): ForkRun {
	return { first, last, lossy, known: undefined };
}

/** One fork of which `known` is known. */
export function knownRun(tick: number, known: Known): ForkRun {
	return { first: tick, last: tick, lossy: false, known };
}

/** Nothing is left to learn of it, and nothing to say. */
export function isComplete(k: Known): boolean {
	return k.ended && !k.lossy && k.open.length === 0 && k.seen.length === 0;
}

/** Has whoever knows `k` got as far as its fork at `tick`? */
export function knowsFork(k: Known, tick: number): boolean {
	return k.ended || tick <= k.tick;
}

/** The index of the first run that ends at `tick` or later. */
export function runIndex(runs: readonly ForkRun[], tick: number): number {
	let low = 0;
	let high = runs.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((runs[middle] as ForkRun).last < tick) low = middle + 1;
		else high = middle;
	}
	return low;
}

/** The run that names `tick`. */
export function findRun(
	runs: readonly ForkRun[],
	tick: number,
): ForkRun | undefined {
	const run = runs[runIndex(runs, tick)];
	return run !== undefined && run.first <= tick ? run : undefined;
}

/** Do these two make one range? */
function adjoin(a: ForkRun | undefined, b: ForkRun | undefined): boolean {
	return (
		a !== undefined &&
		b !== undefined &&
		a.known === undefined &&
		b.known === undefined &&
		a.lossy === b.lossy &&
		a.last + 1 === b.first
	);
}

/** Appends a run behind all others, into the last range where it continues it. */
export function pushRun(runs: ForkRun[], run: ForkRun): void {
	const last = runs[runs.length - 1];
	if (last !== undefined && adjoin(last, run)) {
		runs[runs.length - 1] = bareRun(last.first, run.last, last.lossy);
	} else runs.push(run);
}

/**
 * Puts `run`, of one tick, in the place of whatever `runs` says of that tick;
 * without a run, the tick goes. Ranges are split and joined as needed.
 */
export function setRun(
	runs: ForkRun[],
	tick: number,
	run: ForkRun | undefined,
): void {
	const last = runs[runs.length - 1];
	if (last === undefined || last.last < tick) {
		// As a rule: a strand's newest fork comes behind all others.
		if (run !== undefined) pushRun(runs, run);
		return;
	}
	if (run === undefined && last.first === tick && last.last === tick) {
		runs.pop();
		return;
	}
	let from = runIndex(runs, tick);
	let to = from;
	const parts: ForkRun[] = [];
	const was = runs[from];
	if (was !== undefined && was.first <= tick) {
		to++;
		if (was.first < tick)
			pushRun(parts, bareRun(was.first, tick - 1, was.lossy));
		if (run !== undefined) pushRun(parts, run);
		if (was.last > tick) pushRun(parts, bareRun(tick + 1, was.last, was.lossy));
	} else if (run !== undefined) parts.push(run);
	const left = runs[from - 1];
	const right = runs[to];
	if (left !== undefined && adjoin(left, parts[0])) {
		from--;
		parts[0] = bareRun(left.first, (parts[0] as ForkRun).last, left.lossy);
	}
	const end = parts[parts.length - 1];
	if (right !== undefined && end !== undefined && adjoin(end, right)) {
		to++;
		parts[parts.length - 1] = bareRun(end.first, right.last, right.lossy);
	}
	runs.splice(from, to - from, ...parts);
}

/** How many forks in flight the list names, with all that is below them. */
export function countForks(runs: readonly ForkRun[]): number {
	let count = 0;
	for (const run of runs) {
		count +=
			run.known === undefined
				? run.last - run.first + 1
				: countForks(run.known.open) + countForks(run.known.seen);
	}
	return count;
}
