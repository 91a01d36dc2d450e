import {
	bareRun,
	type ForkRun,
	isComplete,
	type Known,
	knownOf,
	knownRun,
	knowsFork,
	NONE,
	pushRun,
} from "./known.js";

/**
 * The least upper bound of two knowledges of one strand.
 *
 * Source: `merge` of strand_clock.py; clock-order.json, "merge". Ranges are
 * merged as ranges. It calls itself once for each level, and a clock that was
 * read has at most 64.
 */
export function merge(a: Known, b: Known): Known {
	const ended = a.ended || b.ended;
	return {
		tick: Math.max(a.tick, b.tick),
		ended,
		lossy: !ended && (a.lossy || b.lossy),
		open: mergeOpen(a, b),
		seen: mergeSeen(a.seen, b.seen),
	};
}

/** A copy without the attached forks that are known completely: a sender's own way lists them. */
export function pruned(k: Known): Known {
	return {
		...k,
		open: keepIncomplete(k.open, pruned),
		seen: prunedSeen(k.seen),
	};
}

/** `k`, now known completely: only what it has seen of detached forks is left to say. */
export function completed(k: Known): Known {
	return {
		tick: k.tick,
		ended: true,
		lossy: false,
		open: keepIncomplete(k.open, completed),
		seen: prunedSeen(k.seen),
	};
}

function prunedSeen(seen: readonly ForkRun[]): readonly ForkRun[] {
	if (seen.length === 0) return NONE;
	return seen.map((run) => knownRun(run.first, pruned(knownOf(run))));
}

function keepIncomplete(
	open: readonly ForkRun[],
	change: (k: Known) => Known,
): readonly ForkRun[] {
	if (open.length === 0) return NONE;
	const out: ForkRun[] = [];
	for (const run of open) {
		if (run.known !== undefined) pushKnown(out, run.first, change(run.known));
		else if (change === pruned) pushRun(out, run); // completed, a bare one is gone
	}
	return out;
}

function pushKnown(out: ForkRun[], tick: number, k: Known): void {
	if (!isComplete(k)) out.push(knownRun(tick, k));
}

/** Walks two lists in pieces that lie in one of them, or in both. */
function mergeOpen(a: Known, b: Known): readonly ForkRun[] {
	if (a.open.length === 0 && b.open.length === 0) return NONE;
	const out: ForkRun[] = [];
	let i = 0;
	let j = 0;
	let x = a.open[0];
	let y = b.open[0];
	let xFrom = x?.first ?? 0;
	let yFrom = y?.first ?? 0;
	while (x !== undefined || y !== undefined) {
		if (x !== undefined && (y === undefined || xFrom < yFrom)) {
			const to = y === undefined ? x.last : Math.min(x.last, yFrom - 1);
			pushOneSided(out, x, xFrom, to, b);
			xFrom = to + 1;
		} else if (y !== undefined && (x === undefined || yFrom < xFrom)) {
			const to = x === undefined ? y.last : Math.min(y.last, xFrom - 1);
			pushOneSided(out, y, yFrom, to, a);
			yFrom = to + 1;
		} else if (x !== undefined && y !== undefined) {
			const to = Math.min(x.last, y.last);
			if (x.known === undefined && y.known === undefined) {
				pushRun(out, bareRun(xFrom, to, x.lossy || y.lossy));
			} else pushKnown(out, xFrom, merge(knownOf(x), knownOf(y)));
			xFrom = yFrom = to + 1;
		}
		if (x !== undefined && xFrom > x.last) {
			x = a.open[++i];
			xFrom = x?.first ?? 0;
		}
		if (y !== undefined && yFrom > y.last) {
			y = b.open[++j];
			yFrom = y?.first ?? 0;
		}
	}
	return out;
}

/** Forks `from` to `to` of a run that only one side lists. */
function pushOneSided(
	out: ForkRun[],
	run: ForkRun,
	from: number,
	to: number,
	other: Known,
): void {
	if (run.known !== undefined) {
		const change = knowsFork(other, from) ? completed : pruned;
		pushKnown(out, from, change(run.known));
		return;
	}
	if (other.ended) return; // it knows all of them completely
	const unknownFrom = Math.max(from, other.tick + 1);
	if (unknownFrom <= to) pushRun(out, bareRun(unknownFrom, to, run.lossy));
}

function mergeSeen(
	a: readonly ForkRun[],
	b: readonly ForkRun[],
): readonly ForkRun[] {
	if (a.length === 0) return prunedSeen(b);
	if (b.length === 0) return prunedSeen(a);
	const out: ForkRun[] = [];
	let i = 0;
	let j = 0;
	while (i < a.length || j < b.length) {
		const x = a[i];
		const y = b[j];
		if (x !== undefined && y !== undefined && x.first === y.first) {
			out.push(knownRun(x.first, merge(knownOf(x), knownOf(y))));
			i++;
			j++;
		} else if (x !== undefined && (y === undefined || x.first < y.first)) {
			out.push(knownRun(x.first, pruned(knownOf(x))));
			i++;
		} else if (y !== undefined) {
			out.push(knownRun(y.first, pruned(knownOf(y))));
			j++;
		}
	}
	return out;
}
