import { readTraceparent, type TraceparentReason } from "./traceparent.js";
import {
	NO_TRACESTATE,
	readTracestate,
	type TracestateReason,
	withOwn,
} from "./tracestate.js";

/**
 * What `traceparent` and `tracestate` said. Immutable.
 *
 * @example
 * const read = TraceContext.read([
 *   ["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
 * ]);
 * if (typeof read !== "string") read.traceId; // "0af7651916cd43dd8448eb211c80319c"
 *
 * Source: trace-context.md; trace-context.json.
 */
export class TraceContext {
	private constructor(
		/** 32 lower-case hex digits, not all zero. */
		readonly traceId: string,
		/** The caller's span: 16 lower-case hex digits, not all zero. */
		readonly parentId: string,
		/** Sampled 1, random 2; other bits are read as zero. */
		readonly flags: number,
		/** The members of others, as they came. */
		readonly members: readonly string[],
		/** The value of our own member, which is not among `members`. */
		readonly own: string | undefined,
		/** Why the whole `tracestate` was dropped, where it was. */
		readonly tracestateDropped: TracestateReason | undefined,
	) {}

	/**
	 * Reads header fields as received, `[name, value]` in order, names in any
	 * case. Gives the reason where the trace restarts; `tracestate` and clocks
	 * are dropped with it.
	 */
	static read(
		fields: Iterable<readonly [name: string, value: string]>,
	): TraceContext | TraceparentReason {
		const parents: string[] = [];
		const states: string[] = [];
		for (const [name, value] of fields) {
			const lower = name.toLowerCase();
			if (lower === "traceparent") parents.push(value);
			else if (lower === "tracestate") states.push(value);
		}
		return TraceContext.of(parents, states);
	}

	/** @internal The same of the values of the two headers. */
	static of(
		parents: readonly string[],
		states: readonly string[],
	): TraceContext | TraceparentReason {
		const parent = readTraceparent(parents);
		if (typeof parent === "string") return parent;
		const state = readTracestate(states);
		const dropped = typeof state === "string" ? state : undefined;
		const { members, own } = typeof state === "string" ? NO_TRACESTATE : state;
		const { traceId, parentId, flags } = parent;
		return new TraceContext(traceId, parentId, flags, members, own, dropped);
	}

	/** @internal Of ids that came in another format. */
	static ofIds(traceId: string, parentId: string, flags: number): TraceContext {
		return new TraceContext(traceId, parentId, flags, [], undefined, undefined);
	}

	/**
	 * The `tracestate` to send, our member first if it fits; undefined where
	 * there is nothing to send.
	 */
	tracestate(own?: string): string | undefined {
		const list = own === undefined ? undefined : withOwn(this.members, own);
		return list ?? (this.members.join(",") || undefined);
	}
}
