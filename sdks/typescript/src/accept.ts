import { Clock } from "./clock.js";
import { readV1 } from "./clock-v1.js";
import type { Peer, TrustMode } from "./config.js";
import { Context, type Trace } from "./context.js";
import { clockTrace, newSpanId, nonceOf } from "./ids.js";
import { readClock, trimBlanks } from "./scan-clock.js";
import { readShort } from "./short-clock.js";
import { Strand } from "./strand.js";
import type { Towline } from "./towline.js";
import { TraceContext } from "./trace-context.js";

/** The values of all header fields of each name that is read. */
export interface IncomingHeaders {
	readonly traceparent: readonly string[];
	readonly tracestate: readonly string[];
	readonly clock: readonly string[];
}

/** A request that is served. */
export interface Accepted {
	readonly context: Context;
	/** The caller sent a clock in v2 that was accepted, and gets one back. */
	readonly isAnswered: boolean;
}

/**
 * Makes the context of a request.
 *
 * Source: api.md, "Server side", 1 and 2.
 */
export function accept(
	towline: Towline,
	headers: IncomingHeaders,
	peer: () => Peer,
): Accepted {
	const { mode, dropTracestate } =
		towline.config.trust === undefined
			? { mode: "continue" as const, dropTracestate: false }
			: towline.trustOf(peer());
	if (mode !== "continue") return restart(towline, headers, mode);
	if (dropTracestate && headers.tracestate.length > 0) {
		towline.dropped("tracestate", "untrusted");
	}
	const states = dropTracestate ? [] : headers.tracestate;
	const came = TraceContext.of(headers.traceparent, states);
	if (typeof came === "string") {
		towline.dropped("traceparent", came);
		if (headers.clock.length > 0) towline.dropped("clock", "no_traceparent");
		return { context: towline.newTrace("server"), isAnswered: false };
	}
	if (came.tracestateDropped) {
		towline.dropped("tracestate", came.tracestateDropped);
	}
	return proceed(towline, came, headers.clock);
}

/** A new trace for a peer whose own is not continued. */
function restart(
	towline: Towline,
	headers: IncomingHeaders,
	mode: TrustMode,
): Accepted {
	for (const what of ["traceparent", "tracestate", "clock"] as const) {
		if (headers[what].length > 0) towline.dropped(what, "untrusted");
		else if (what === "traceparent") towline.dropped(what, "absent");
	}
	const came =
		mode === "restart"
			? TraceContext.of(headers.traceparent, headers.tracestate)
			: undefined;
	const link = typeof came === "string" ? undefined : came;
	return { context: towline.newTrace("server", link), isAnswered: false };
}

function proceed(
	towline: Towline,
	came: TraceContext,
	clocks: readonly string[],
): Accepted {
	const { traceId, flags, members, parentId } = came;
	const none = { link: undefined, vector: undefined };
	const trace: Trace = { traceId, flags, members, ...none };
	const spanId = newSpanId();
	const sender =
		clocks.length > 0
			? readSender(towline, trace, clocks)
			: readMember(towline, came);
	const nonce = nonceOf(spanId);
	const isGap = clocks.length === 0;
	const strand =
		sender === undefined
			? towline.firstStrand(traceId, spanId)
			: Strand.after(sender, towline.labelsOf(nonce), nonce, isGap);
	return {
		context: new Context(towline, "server", trace, spanId, parentId, strand),
		isAnswered: sender !== undefined && !isGap,
	};
}

/** The clock that came in v2; one in v1 goes into `trace`. What is refused is counted. */
function readSender(
	towline: Towline,
	trace: Trace,
	clocks: readonly string[],
): Clock | undefined {
	const [clock = "", ...more] = clocks;
	const { limits } = towline.config;
	const { traceId } = trace;
	const read =
		more.length > 0
			? "duplicate"
			: trimBlanks(clock).startsWith("v1;")
				? readV1(clock, traceId, limits.bytes)
				: readClock(clock, limits, clockTrace(traceId));
	if (typeof read === "string") towline.dropped("clock", read);
	else if ("vector" in read) trace.vector = read;
	else return new Clock(read);
	return undefined;
}

/** The clock in our tracestate member. */
function readMember(towline: Towline, came: TraceContext): Clock | undefined {
	if (came.own === undefined) return undefined;
	const { limits } = towline.config;
	const read = readShort(came.own, clockTrace(came.traceId), limits);
	if (typeof read !== "string") return new Clock(read);
	towline.dropped("member", read === "malformed" ? read : "over_limits");
	return undefined;
}
