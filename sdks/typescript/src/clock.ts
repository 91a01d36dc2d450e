import { ClockError, type ClockReason } from "./clock-error.js";
import type { ClockTree, Hop } from "./clock-tree.js";
import { cutTree } from "./cut.js";
import type { Known } from "./known.js";
import { LIMITS, type Limits } from "./limits.js";
import { compareTrees, type Order } from "./order.js";
import { type ReadClock, readClock } from "./scan-clock.js";
import { readShort, shortened } from "./short-clock.js";

/** Limits for text that was written here. */
const TRUSTED: Limits = {
	bytes: Number.POSITIVE_INFINITY,
	levels: Number.POSITIVE_INFINITY,
	forks: Number.POSITIVE_INFINITY,
};

/**
 * A stamp: which strand an event belongs to, and all that it knows. Immutable.
 *
 * It is read, and written, when it is first asked for; making one costs
 * little. As JSON, and as a string, it is its header.
 *
 * @example
 * const a = Clock.parse("v2;t=1c80319c, ts#1/a3f9c21b:2");
 * const b = Clock.parse("v2;t=1c80319c, ts#1/a3f9c21b:3");
 * a.compare(b); // "before"
 *
 * Source: strand-clocks.md, "Wire form"; clock-codec.json, clock-order.json.
 */
export class Clock {
	private text: string | undefined;
	private parsed: ReadClock | undefined;
	private readonly write: (() => string) | undefined;

	/** Of what this package read or wrote; for text of others, {@link Clock.parse}. */
	constructor(from: ReadClock | string | (() => string)) {
		if (typeof from === "string") this.text = from;
		else if (typeof from === "function") this.write = from;
		else {
			this.text = from.text;
			this.parsed = from;
		}
	}

	/**
	 * The clock in a `raceway-clock` header.
	 *
	 * @param trace the last 8 hex digits of the trace id of the `traceparent`
	 *   beside it; a clock of another trace is refused. Left out: any trace.
	 * @param limits only what differs from the limits of the wire format.
	 * @throws {ClockError} with the reason.
	 */
	static parse(
		header: string,
		trace?: string,
		limits?: Partial<Limits>,
	): Clock {
		return Clock.from(readClock(header, { ...LIMITS, ...limits }, trace));
	}

	/**
	 * The clock in the value of a tracestate member `towline`, at most 256
	 * characters. Its labels are unknown: every service is `_`.
	 *
	 * @param trace the last 8 hex digits of the trace id beside it.
	 * @throws {ClockError} with the reason.
	 */
	static fromTracestate(value: string, trace: string): Clock {
		return Clock.from(readShort(value, trace, LIMITS));
	}

	private static from(read: ReadClock | ClockReason): Clock {
		if (typeof read !== "string") return new Clock(read);
		throw new ClockError(read, `clock is refused: ${read}`);
	}

	/** The canonical header, of any length. */
	format(): string {
		this.text ??= this.write?.() ?? "";
		return this.text;
	}

	/** The same as {@link format}. */
	toString(): string {
		return this.format();
	}

	/** The same as {@link format}. */
	toJSON(): string {
		return this.format();
	}

	/** The last 8 hex digits of the trace id. */
	get trace(): string {
		return this.tree.trace;
	}

	/** From the trace's first strand to the one whose event this is; at least one. */
	get hops(): readonly Hop[] {
		return this.tree.hops;
	}

	/** Which event of its strand this is, from 1. */
	get tick(): number {
		return this.read.own.tick;
	}

	/** The strand's last event: nothing comes after it. */
	get ended(): boolean {
		return this.read.own.ended;
	}

	/** What is known of the first strand, and below it of all others. */
	get root(): Known {
		return this.tree.root;
	}

	/** How this event stands to another; `unknown` for those of another trace. */
	compare(other: Clock): Order {
		return compareTrees(this.tree, other.tree);
	}

	/**
	 * The header to send: at most `budget` bytes, and nothing that a receiver's
	 * limits refuse. Calls in flight are covered by ranges of which nothing can
	 * be told, the longest lists first; it never claims more than this clock.
	 *
	 * @param budget default 4,096.
	 * @throws {ClockError} `too_long` or `over_limits`: no clock can be sent.
	 */
	cut(budget: number = LIMITS.bytes, limits?: Partial<Limits>): string {
		return cutTree(this.tree, { ...LIMITS, ...limits, bytes: budget });
	}

	/** The value of the tracestate member `towline`; undefined where it is longer than 256. */
	toTracestate(): string | undefined {
		return shortened(this.format());
	}

	/** @internal What was read. */
	get read(): ReadClock {
		if (this.parsed === undefined) {
			const read = readClock(this.format(), TRUSTED);
			if (typeof read === "string") throw new ClockError(read, this.format());
			this.parsed = read;
		}
		return this.parsed;
	}

	private get tree(): ClockTree {
		return this.read.tree;
	}
}
