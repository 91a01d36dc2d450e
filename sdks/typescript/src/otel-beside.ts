import {
	type Attributes,
	context,
	createContextKey,
	type Span,
	SpanKind,
	SpanStatusCode,
	trace,
} from "@opentelemetry/api";
import type { CallOptions } from "./begin-call.js";
import type { Beside, ClientSpan, OtherSpan } from "./beside.js";
import type { Context } from "./context.js";
import type { CallOutcome } from "./observer.js";
import {
	idsOf,
	kindOf,
	membersOf,
	OWN_CALL,
	SUPPRESSED,
	setStrand,
	spanStrand,
	strandOf,
} from "./otel-strands.js";
import { shared } from "./shared.js";
import type { SentStamp, Strand } from "./strand.js";
import type { Towline } from "./towline.js";
import { VERSION } from "./version.js";

const SAMPLED = 1;

/**
 * Tells all middleware and clients of Towline in this process that
 * OpenTelemetry makes spans there, too, so that nobody gets two of anything:
 * server middleware takes the ids of the server span that is current; a call is
 * a child of the current span, made through the OpenTelemetry API, or the
 * current client span itself.
 *
 * @example
 * besideOpenTelemetry(); // once, behind `provider.register()`
 *
 * Source: edge.md, "OpenTelemetry in the same process", "Both".
 */
export function besideOpenTelemetry(): void {
	shared.beside = new OpenTelemetry();
}

class OpenTelemetry implements Beside {
	/** Server spans and client spans that are ours, too. */
	private readonly taken = new WeakSet<object>();
	private readonly contexts = new WeakMap<object, Context>();

	serverSpan(): OtherSpan | undefined {
		const span = serverSpanNow();
		const isServer =
			span !== undefined &&
			(kindOf(span) === SpanKind.SERVER || isUnrecorded(span));
		if (!isServer || this.taken.has(span)) return undefined;
		const other = otherSpan(span);
		if (other !== undefined) this.taken.add(span);
		return other;
	}

	contextNow(towline: Towline): Context | undefined {
		const span = trace.getActiveSpan();
		const other = span && otherSpan(span);
		if (span === undefined || other === undefined) return undefined;
		const known = this.contexts.get(other.strand ?? span);
		if (known !== undefined) return known;
		const made = towline.newTrace("internal", undefined, undefined, other);
		this.contexts.set(made.strand, made);
		return made;
	}

	clientSpan(
		from: Context,
		host: string,
		options: CallOptions,
	): ClientSpan | undefined {
		const active = trace.getActiveSpan();
		const ids = idsOf(active);
		if (active === undefined || ids?.traceId !== from.traceId) return undefined;
		if (kindOf(active) === SpanKind.CLIENT && !this.taken.has(active)) {
			this.taken.add(active);
			return new CallSpan(active, parentOf(active), false);
		}
		const span = trace
			.getTracer("towline", VERSION)
			.startSpan(
				options.method ?? "HTTP",
				{ kind: SpanKind.CLIENT, attributes: attributesOf(host, options) },
				context.active().setValue(OWN_CALL, true),
			);
		const made = idsOf(span);
		// Without an SDK the parent itself comes back.
		if (made === undefined || made.spanId === ids.spanId) return undefined;
		return new CallSpan(span, ids.spanId, true);
	}
}

/** The client span of one attempt. */
class CallSpan implements ClientSpan {
	readonly spanId: string;
	readonly flags: number;

	constructor(
		private readonly span: Span,
		readonly parentId: string | undefined,
		/** It was made for the call, and ends with it. */
		private readonly isOurs: boolean,
	) {
		const { spanId, traceFlags } = span.spanContext();
		this.spanId = spanId;
		this.flags = traceFlags & SAMPLED;
	}

	takeFork(from: Context): SentStamp | undefined {
		const of = strandOf(this.span);
		if (of?.fork === undefined || of.strand !== from.strand) return undefined;
		const { fork } = of;
		of.fork = undefined;
		of.sentTicks = []; // its answer will be seen
		return fork;
	}

	run<T>(work: () => T): T {
		const active = trace.setSpan(context.active(), this.span);
		return context.with(active.setValue(SUPPRESSED, true), work);
	}

	sent(clock: string | undefined): void {
		if (clock !== undefined) this.span.setAttribute("towline.clock", clock);
	}

	ended(
		outcome: CallOutcome,
		status: number | undefined,
		strand: Strand,
	): void {
		const { span } = this;
		span.setAttribute("towline.clock", strand.clock.format());
		if (!this.isOurs) return;
		if (status !== undefined) {
			span.setAttribute("http.response.status_code", status);
		}
		const failure = failureOf(outcome, status);
		if (failure !== undefined) {
			span.setAttribute("error.type", failure);
			span.setStatus({ code: SpanStatusCode.ERROR });
		}
		span.end();
	}
}

/** What went wrong; nothing where the caller gave up. */
function failureOf(
	outcome: CallOutcome,
	status: number | undefined,
): string | undefined {
	if (status !== undefined && status >= 400) return `${status}`;
	return outcome === "error" ? "_OTHER" : undefined;
}

function attributesOf(host: string, options: CallOptions): Attributes {
	const { method, resendCount = 0 } = options;
	const [, address = host, port] = /^(.*?)(?::([0-9]+))?$/.exec(host) ?? [];
	return {
		...(method === undefined ? {} : { "http.request.method": method }),
		"server.address": address,
		...(port === undefined ? {} : { "server.port": Number(port) }),
		...(resendCount > 0 ? { "http.request.resend_count": resendCount } : {}),
	};
}

/** Where instrumentation of HTTP leaves its server span, below which frameworks make their own. */
const RPC = createContextKey("OpenTelemetry SDK Context Key RPC_METADATA");

function serverSpanNow(): Span | undefined {
	const rpc = context.active().getValue(RPC) as { span?: Span } | undefined;
	return rpc?.span ?? trace.getActiveSpan();
}

/** What is known of a span; undefined for one that is none, or is remote. */
function otherSpan(span: Span): OtherSpan | undefined {
	const ids = idsOf(span);
	if (ids === undefined || ids.isRemote) return undefined;
	return {
		traceId: ids.traceId,
		spanId: ids.spanId,
		parentId: parentOf(span),
		flags: ids.traceFlags & SAMPLED,
		members: membersOf(ids.traceState).members,
		strand: strandOf(span)?.strand,
		adopt: (strand) => {
			if (strandOf(span) === undefined)
				setStrand(span, spanStrand(strand, false));
		},
	};
}

/** One that was not sampled has no kind. */
function isUnrecorded(span: Span): boolean {
	return kindOf(span) === undefined && !span.isRecording();
}

/** The parent's id, where the SDK tells it: in versions 2 and 1. */
function parentOf(span: Span): string | undefined {
	const { parentSpanContext, parentSpanId } = span as {
		parentSpanContext?: { spanId: string };
		parentSpanId?: string;
	};
	return parentSpanContext?.spanId ?? parentSpanId;
}
