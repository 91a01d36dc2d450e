import { readB3 } from "./b3.js";
import { readBaggage } from "./baggage.js";
import type { OtherSpan } from "./beside.js";
import { Clock } from "./clock.js";
import { readV1 } from "./clock-v1.js";
import type { Peer, TrustMode } from "./config.js";
import { Context, NO_LINKS, type Trace } from "./context.js";
import { clockTrace, newSpanId, nonceOf } from "./ids.js";
import type { DropReasons, StrandKind } from "./observer.js";
import { isProbeAllowed } from "./probe-mode.js";
import { type ClockVerdict, Probing } from "./probing.js";
import { readClock, trimBlanks } from "./scan-clock.js";
import { shared } from "./shared.js";
import { readShort } from "./short-clock.js";
import { Strand } from "./strand.js";
import { readTimeout } from "./timeout.js";
import type { Towline } from "./towline.js";
import { TraceContext } from "./trace-context.js";

const SAMPLED = 1;

/** The values of all header fields of each name that is read. */
export interface IncomingHeaders {
	readonly traceparent: readonly string[];
	readonly tracestate: readonly string[];
	readonly clock: readonly string[];
	readonly baggage: readonly string[];
	/** `towline-probe`. */
	readonly probe: readonly string[];
	/** Those of another name, in lower case. */
	fields(name: string): readonly string[];
}

/** A request that is served. */
export interface Accepted {
	readonly context: Context;
	/** The caller sent a clock in v2 that was accepted, and gets one back. */
	readonly isAnswered: boolean;
	/** Why the trace began anew. */
	readonly restarted: DropReasons["traceparent"] | undefined;
	/** What became of the clock. */
	readonly clock: ClockVerdict;
}

/**
 * Makes the context of a request, or of a message.
 *
 * Source: api.md, "Server side", 1 and 2; edge.md.
 */
export function accept(
	towline: Towline,
	headers: IncomingHeaders,
	peer: () => Peer,
	kind: "server" | "consumer" = "server",
): Accepted {
	const accepted = begin(towline, headers, peer, kind);
	towline.counters.onReceived(accepted.restarted === undefined);
	if (
		headers.baggage.length > 0 ||
		headers.probe.length > 0 ||
		towline.config.deadlines
	) {
		addEdge(towline, accepted, headers, peer);
	}
	return accepted;
}

function begin(
	towline: Towline,
	headers: IncomingHeaders,
	peer: () => Peer,
	kind: StrandKind,
): Accepted {
	const other = kind === "server" ? shared.beside?.serverSpan() : undefined;
	const { mode, dropTracestate } =
		towline.config.trust === undefined
			? { mode: "continue" as const, dropTracestate: false }
			: towline.trustOf(peer());
	if (mode !== "continue") return restart(towline, headers, mode, kind, other);
	if (dropTracestate && headers.tracestate.length > 0) {
		towline.dropped("tracestate", "untrusted");
	}
	const states = dropTracestate ? [] : headers.tracestate;
	const came = TraceContext.of(headers.traceparent, states);
	if (came === "absent" && towline.writesB3) {
		return beginByB3(towline, headers, kind, other);
	}
	if (typeof came === "string") {
		return renew(towline, came, headers.clock, kind, undefined, other);
	}
	if (came.tracestateDropped) {
		towline.dropped("tracestate", came.tracestateDropped);
	}
	return proceed(towline, came, headers.clock, kind, other);
}

/** A new trace, where there is none to continue. */
function renew(
	towline: Towline,
	restarted: DropReasons["traceparent"],
	clocks: readonly string[],
	kind: StrandKind,
	sampled?: boolean,
	other?: OtherSpan,
): Accepted {
	towline.dropped("traceparent", restarted);
	const clock = clocks.length > 0 ? "no_traceparent" : "first";
	if (clock === "no_traceparent") towline.dropped("clock", clock);
	const context = towline.newTrace(kind, NO_LINKS, sampled, other);
	return { context, isAnswered: false, restarted, clock };
}

/** There is no `traceparent` at all: what B3 says, if it says something. */
function beginByB3(
	towline: Towline,
	headers: IncomingHeaders,
	kind: StrandKind,
	other?: OtherSpan,
): Accepted {
	const read = readB3((name) => headers.fields(name));
	const { clock } = headers;
	if (read === "b3_malformed")
		return renew(towline, read, clock, kind, undefined, other);
	const ids = read?.ids;
	if (ids === undefined) {
		return renew(towline, "absent", clock, kind, read?.sampled, other);
	}
	const isSampled = read?.sampled ?? towline.config.sampled;
	const { traceId, spanId } = ids;
	const came = TraceContext.ofIds(traceId, spanId, isSampled ? SAMPLED : 0);
	// A clock belongs to a `traceparent`.
	if (clock.length > 0) towline.dropped("clock", "no_traceparent");
	const accepted = proceed(towline, came, [], kind, other);
	return clock.length > 0 ? { ...accepted, clock: "no_traceparent" } : accepted;
}

/** A new trace for a peer whose own is not continued. */
function restart(
	towline: Towline,
	headers: IncomingHeaders,
	mode: TrustMode,
	kind: StrandKind,
	other?: OtherSpan,
): Accepted {
	const came = contextOf(towline, headers);
	const restarted =
		headers.traceparent.length === 0 && came === undefined
			? "absent"
			: "untrusted";
	towline.dropped("traceparent", restarted);
	for (const what of ["tracestate", "clock"] as const) {
		if (headers[what].length > 0) towline.dropped(what, "untrusted");
	}
	const links = mode === "restart" && came !== undefined ? [came] : NO_LINKS;
	const clock = headers.clock.length > 0 ? "untrusted" : "first";
	// What the peer's clock said is not believed, whoever has read it.
	const span = other && { ...other, strand: undefined };
	const context = towline.newTrace(kind, links, undefined, span);
	return { context, isAnswered: false, restarted, clock };
}

/** What a request said of its trace, also where that is not continued. */
function contextOf(
	towline: Towline,
	headers: IncomingHeaders,
): TraceContext | undefined {
	const came = TraceContext.of(headers.traceparent, headers.tracestate);
	if (typeof came !== "string") return came;
	if (came !== "absent" || !towline.writesB3) return undefined;
	const read = readB3((name) => headers.fields(name));
	if (read === undefined || read === "b3_malformed") return undefined;
	const { ids, sampled } = read;
	return ids && TraceContext.ofIds(ids.traceId, ids.spanId, sampled ? 1 : 0);
}

function proceed(
	towline: Towline,
	came: TraceContext,
	clocks: readonly string[],
	kind: StrandKind,
	other: OtherSpan | undefined,
): Accepted {
	if (other !== undefined) return stepAside(towline, came, clocks, kind, other);
	const { traceId, flags, members, parentId } = came;
	const none = { links: NO_LINKS, vector: undefined, edge: undefined };
	const trace: Trace = { traceId, flags, members, ...none };
	const spanId = newSpanId();
	const read =
		clocks.length > 0
			? readSender(towline, trace, clocks)
			: readMember(towline, came);
	const sender = typeof read === "string" ? undefined : read;
	const nonce = nonceOf(spanId);
	const isGap = clocks.length === 0;
	const strand =
		sender === undefined
			? towline.firstStrand(traceId, spanId)
			: Strand.after(sender, towline.labelsOf(nonce), nonce, isGap);
	const used = isGap ? "member" : "continued";
	return {
		context: new Context(towline, kind, trace, spanId, parentId, strand),
		isAnswered: sender !== undefined && !isGap,
		restarted: undefined,
		clock: typeof read === "string" ? read : used,
	};
}

/** The request has a server span already: its ids, and its strand where it has one. */
function stepAside(
	towline: Towline,
	came: TraceContext,
	clocks: readonly string[],
	kind: StrandKind,
	other: OtherSpan,
): Accepted {
	const { traceId, spanId } = other;
	const links = traceId === came.traceId ? NO_LINKS : [came];
	const trace: Trace = {
		traceId,
		flags: (came.flags & ~SAMPLED) | other.flags,
		members: came.members,
		links,
		vector: undefined,
		edge: undefined,
	};
	// Where it has a strand, what is refused was counted by who made that.
	const isTold = other.strand === undefined;
	const read =
		links !== NO_LINKS
			? "other_trace"
			: clocks.length > 0
				? readSender(towline, trace, clocks, isTold)
				: readMember(towline, came, isTold);
	const sender = typeof read === "string" ? undefined : read;
	const isGap = clocks.length === 0;
	const nonce = nonceOf(spanId);
	const strand =
		other.strand ??
		(sender === undefined
			? towline.firstStrand(traceId, spanId)
			: Strand.after(sender, towline.labelsOf(nonce), nonce, isGap));
	other.adopt(strand);
	const parentId = other.parentId ?? came.parentId;
	return {
		context: new Context(towline, kind, trace, spanId, parentId, strand),
		isAnswered: sender !== undefined && !isGap,
		restarted: undefined,
		clock: typeof read === "string" ? read : isGap ? "member" : "continued",
	};
}

/**
 * The clock that came in v2; one in v1 goes into `trace`. What is refused is
 * counted, and the reason given.
 */
export function readSender(
	towline: Towline,
	trace: Pick<Trace, "traceId" | "vector">,
	clocks: readonly string[],
	isTold = true,
): Clock | ClockVerdict {
	const [clock = "", ...more] = clocks;
	const { limits } = towline.config;
	const { traceId } = trace;
	const read =
		more.length > 0
			? "duplicate"
			: trimBlanks(clock).startsWith("v1;")
				? readV1(clock, traceId, limits.bytes)
				: readClock(clock, limits, clockTrace(traceId));
	if (typeof read === "string") {
		if (isTold) towline.dropped("clock", read);
		return read;
	}
	if (!("vector" in read)) return new Clock(read);
	trace.vector = read;
	return "continued";
}

/** The clock in our tracestate member. */
export function readMember(
	towline: Towline,
	came: Pick<TraceContext, "own" | "traceId">,
	isTold = true,
): Clock | ClockVerdict {
	if (came.own === undefined) return "first";
	const { limits } = towline.config;
	const read = readShort(came.own, clockTrace(came.traceId), limits);
	if (typeof read !== "string") return new Clock(read);
	const reason = read === "malformed" ? read : "over_limits";
	if (isTold) towline.dropped("member", reason);
	return reason;
}

/** What few requests bring. */
function addEdge(
	towline: Towline,
	accepted: Accepted,
	headers: IncomingHeaders,
	peer: () => Peer,
): void {
	const { context, restarted, clock } = accepted;
	const { config } = towline;
	if (config.deadlines) {
		const own = headers.fields("towline-timeout");
		const left = readTimeout(own, headers.fields("grpc-timeout"));
		if (left === "malformed") towline.dropped("timeout", left);
		else if (left !== undefined) context.withTimeout(left);
	}
	const baggage =
		config.propagators.baggage && restarted === undefined
			? takeBaggage(towline, headers.baggage)
			: undefined;
	const address = () => peer().address;
	const isProbed = isProbeAllowed(config.probe, headers.probe, address);
	if (!isProbed && baggage === undefined) return;
	const parentId = contextOf(towline, headers)?.parentId;
	const [value = ""] = headers.probe;
	const probing = isProbed
		? new Probing(trimBlanks(value), { restarted, clock, parentId })
		: undefined;
	context.edge = { baggage, probing };
}

function takeBaggage(
	towline: Towline,
	values: readonly string[],
): string | undefined {
	const read = readBaggage(values);
	if (typeof read !== "string") return read.text || undefined;
	towline.dropped("baggage", read);
	return undefined;
}
