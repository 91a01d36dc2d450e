import {
	createContextKey,
	isSpanContextValid,
	type Context as OtelContext,
	type Span,
	SpanKind,
	type TraceState,
	trace,
} from "@opentelemetry/api";
import type { Clock } from "./clock.js";
import { newSpanId, nonceOf } from "./ids.js";
import type { SentStamp } from "./strand.js";
import { Strand } from "./strand.js";
import type { Towline } from "./towline.js";
import {
	NO_TRACESTATE,
	readTracestate,
	type Tracestate,
} from "./tracestate.js";

/** What a propagator found beside the remote span. */
export interface Received {
	readonly traceId: string;
	readonly sender: Clock;
	/** It came through a service that carries no clocks. */
	readonly isGap: boolean;
}

/** The strand that a span belongs to. */
export interface SpanStrand {
	strand: Strand;
	/** It was started for this span, and ends with it. */
	isOwn: boolean;
	/** Of a client or producer span: what goes out with it. */
	fork: SentStamp | undefined;
	/** Forks whose answer nobody will see. */
	sentTicks: number[];
	isDone: boolean;
}

/** That of a span that has sent nothing yet. */
export function spanStrand(strand: Strand, isOwn: boolean): SpanStrand {
	return { strand, isOwn, fork: undefined, sentTicks: [], isDone: false };
}

/** What all copies of this module in a process share. */
const KEY = Symbol.for("towline.otel.1");
const registry = globalThis as { [KEY]?: WeakMap<object, SpanStrand> };
registry[KEY] ??= new WeakMap();
const strands = registry[KEY];

/** Where a propagator leaves what it found. */
export const RECEIVED = createContextKey("towline received");
/** Marks the making of a span whose call has a fork already. */
export const OWN_CALL = createContextKey("towline call");
/** How the SDK, and all instrumentation, is told to make no spans. */
export const SUPPRESSED = createContextKey(
	"OpenTelemetry SDK Context Key SUPPRESS_TRACING",
);

/** The strand of a span; undefined where nothing is known of it. */
export function strandOf(span: Span | undefined): SpanStrand | undefined {
	return span && strands.get(span);
}

/** Remembers the strand of a span. */
export function setStrand(span: Span, of: SpanStrand): void {
	strands.set(span, of);
}

/** The kind of a span; undefined where it does not tell. */
export function kindOf(span: Span): SpanKind | undefined {
	const { kind } = span as { kind?: SpanKind };
	return kind;
}

/** Does it leave this process? */
export function isLeaving(span: Span): boolean {
	const kind = kindOf(span);
	return kind === SpanKind.CLIENT || kind === SpanKind.PRODUCER;
}

/** The strand for a span that `parent` is the context of: its local parent's, or a new one. */
export function joinStrand(
	towline: Towline,
	span: Span,
	parent: OtelContext,
): SpanStrand {
	const ids = span.spanContext();
	const { traceId } = ids;
	// Under a remote span itself, there is no span of ours.
	const spanId = ids.isRemote ? newSpanId() : ids.spanId;
	const above = trace.getSpan(parent);
	const context = above?.spanContext();
	const isLocal = context?.traceId === traceId && !context.isRemote;
	const shared = isLocal ? strandOf(above) : undefined;
	if (shared !== undefined) {
		const strand = running(towline, shared.strand, spanId);
		return spanStrand(strand, strand !== shared.strand);
	}
	const strand = newStrand(towline, traceId, spanId, parent);
	return spanStrand(strand, true);
}

/** The strand that starts with a span that has no local parent. */
function newStrand(
	towline: Towline,
	traceId: string,
	spanId: string,
	parent: OtelContext,
): Strand {
	const received = parent.getValue(RECEIVED) as Received | undefined;
	if (received?.traceId !== traceId)
		return towline.firstStrand(traceId, spanId);
	const nonce = nonceOf(spanId);
	const { sender, isGap } = received;
	return Strand.after(sender, towline.labelsOf(nonce), nonce, isGap);
}

/** `strand`; where it has ended, the work after it. */
export function running(
	towline: Towline,
	strand: Strand,
	spanId: string,
): Strand {
	if (!strand.ended) return strand;
	const nonce = nonceOf(spanId);
	return Strand.after(strand.clock, towline.labelsOf(nonce), nonce, false);
}

/** A fork to send, or why there is none; of a producer, nobody waits for it. */
export function forkOf(
	towline: Towline,
	strand: Strand,
	detached: boolean,
): SentStamp | undefined {
	const { limits } = towline.config;
	const told = (reason: string) =>
		towline.dropped("send", reason === "over_limits" ? reason : "too_long");
	if (!detached) {
		const sent = strand.sendStamp(limits);
		if (typeof sent === "string") {
			told(sent);
			return undefined;
		}
		if (sent.isCut) towline.dropped("send", "cut");
		return sent;
	}
	const opened = strand.openFork(true);
	const header = strand.header(limits);
	if (typeof header === "string") {
		told(header);
		return undefined;
	}
	if (header.isCut) towline.dropped("send", "cut");
	return { ...opened, ...header };
}

/** The ids of a span that can be continued; undefined for one that is none. */
export function idsOf(span: Span | undefined) {
	const context = span?.spanContext();
	return context && isSpanContextValid(context) ? context : undefined;
}

/** What `tracestate` says, as the other side keeps it. */
export function membersOf(state: TraceState | undefined): Tracestate {
	const text = state?.serialize();
	const read = text ? readTracestate([text]) : NO_TRACESTATE;
	return typeof read === "string" ? NO_TRACESTATE : read;
}
