import type { ClockReason } from "./clock-error.js";
import {
	bareRun,
	type ForkRun,
	isComplete,
	type Known,
	knownRun,
	NONE,
	pushRun,
} from "./known.js";
import { type Limits, TICK_MAX } from "./limits.js";

const ZERO = 48;
const NINE = 57;
const DOT = 46;
const DASH = 45;
const TILDE = 126;
const BANG = 33;
const PLUS = 43;
const SPACE = 32;
const OPEN = 40;
const CLOSE = 41;

/** Digits of a number; more of them are no number, whatever its size. */
const DIGITS_MAX = 10;

/** What a list of forks is read into. */
interface ForkLists {
	open: readonly ForkRun[];
	seen: readonly ForkRun[];
}

/**
 * A place in the text of a clock, and the reading of numbers and fork lists
 * there.
 *
 * Nothing throws: a method that fails sets `reason` and gives -1 or false.
 * Source: strand-clocks.md, "Wire form"; `_Forks` of strand_clock.py.
 */
export class ForkScanner {
	at = 0;
	/** Why reading stopped. */
	reason: ClockReason | undefined;
	/** Forks in flight that the ranges named so far. */
	forks = 0;
	/** The text is what would be written for what it says. */
	canonical = true;

	constructor(
		readonly text: string,
		readonly limits: Limits,
	) {}

	fail(reason: ClockReason = "malformed"): false {
		this.reason ??= reason;
		return false;
	}

	take(code: number): boolean {
		if (this.text.charCodeAt(this.at) !== code) return false;
		this.at++;
		return true;
	}

	/** A number of at most ten digits without leading zeros; -1 where there is none. */
	number(): number {
		const { text } = this;
		const from = this.at;
		let value = text.charCodeAt(from) - ZERO;
		if (!(value >= 0 && value <= 9)) {
			this.fail();
			return -1;
		}
		let at = from + 1;
		if (value > 0) {
			for (; at <= from + DIGITS_MAX; at++) {
				const code = text.charCodeAt(at);
				if (!(code >= ZERO && code <= NINE)) break;
				value = value * 10 + (code - ZERO);
			}
		}
		this.at = at;
		if (value > TICK_MAX) {
			this.fail(at - from > DIGITS_MAX ? "malformed" : "over_limits");
			return -1;
		}
		return value;
	}

	/** A number from 1; -1 where there is none. */
	tick(): number {
		const value = this.number();
		if (value === 0) this.fail();
		return value || -1;
	}

	/**
	 * A list of forks of a strand that is known to `tick`. `level`: the number
	 * of the hop plus the nesting; recursion ends at `limits.levels`.
	 */
	list(tick: number, level: number): ForkLists | undefined {
		if (level > this.limits.levels) {
			this.fail("over_limits");
			return undefined;
		}
		const open: ForkRun[] = [];
		let seen: ForkRun[] | undefined;
		let last = 0;
		for (;;) {
			const detached = this.take(PLUS);
			if (detached && seen === undefined) {
				seen = [];
				last = 0;
			} else if (!detached && seen !== undefined) this.fail();
			const first = this.number();
			// Ascending, and within what is known of the strand.
			if (first <= last || first > tick) this.fail();
			if (this.reason !== undefined) return undefined;
			if (this.take(DOT)) {
				const known = this.known(level, detached);
				if (known === undefined) return undefined;
				(seen ?? open).push(knownRun(first, known));
				last = first;
			} else {
				last = detached ? -1 : this.range(first, tick, open);
				if (last < 0) {
					this.fail();
					return undefined;
				}
			}
			if (!this.take(SPACE)) return { open, seen: seen ?? NONE };
		}
	}

	/** What follows `fork "."`. */
	private known(level: number, detached: boolean): Known | undefined {
		const tick = this.number();
		const ended = this.take(BANG);
		const lossy = this.take(TILDE);
		// A tick of 0 has a shorter form, or none.
		if (tick <= 0 || (ended && lossy)) this.fail();
		if (this.reason !== undefined) return undefined;
		let known: Known = { tick, ended, lossy, open: NONE, seen: NONE };
		if (this.take(OPEN)) {
			const lists = this.list(tick, level + 1);
			if (lists === undefined) return undefined;
			known = { tick, ended, lossy, open: lists.open, seen: lists.seen };
			if (!this.take(CLOSE)) this.fail();
		}
		if (isComplete(known) && !detached) this.fail();
		return this.reason === undefined ? known : undefined;
	}

	/** A bare fork or a range of them; gives its last tick, or -1. */
	private range(first: number, tick: number, open: ForkRun[]): number {
		let last = first;
		if (this.take(DASH)) {
			last = this.number();
			if (last <= first || last > tick) return -1;
		}
		this.forks += last - first + 1;
		if (this.forks > this.limits.forks) {
			this.fail("over_limits");
			return -1;
		}
		const count = open.length;
		pushRun(open, bareRun(first, last, this.take(TILDE)));
		if (open.length === count) this.canonical = false; // one range, in two pieces
		return last;
	}
}
