import {
	type Context as OtelContext,
	type Span,
	SpanKind,
} from "@opentelemetry/api";
import {
	forkOf,
	isLeaving,
	joinStrand,
	kindOf,
	OWN_CALL,
	setStrand,
	strandOf,
} from "./otel-strands.js";
import { type Towline, type TowlineArgument, towlineOf } from "./towline.js";

/** The attribute that says when a span was, as a clock. */
const ATTRIBUTE = "towline.clock";

/**
 * Stamps `towline.clock` on spans, when they start and when they end.
 *
 * A span without a local parent starts a strand, which its local children share;
 * a client or producer span is a fork of it. No answer is ever seen: what was
 * called is known to be unknown.
 *
 * @example
 * new NodeTracerProvider({ spanProcessors: [new TowlineSpanProcessor(), exporting] });
 *
 * Source: edge.md, "OpenTelemetry in the same process".
 */
export class TowlineSpanProcessor {
	private readonly towline: Towline;

	/** @param argument settings, or an instance; without one, that of the process. */
	constructor(argument?: TowlineArgument) {
		this.towline = towlineOf(argument);
	}

	/** Called by the SDK. */
	onStart(span: Span, parent: OtelContext): void {
		if (this.towline.config.disabled || parent.getValue(OWN_CALL)) return;
		const of = joinStrand(this.towline, span, parent);
		setStrand(span, of);
		if (isLeaving(span)) {
			const detached = kindOf(span) === SpanKind.PRODUCER;
			of.fork = forkOf(this.towline, of.strand, detached);
			if (of.fork !== undefined) of.sentTicks.push(of.fork.tick);
		} else if (of.strand.tick > 1) of.strand.advance();
		span.setAttribute(ATTRIBUTE, of.strand.clock.format());
	}

	/** Called by SDKs that have it, while attributes can still be set. */
	onEnding(span: Span): void {
		const of = this.end(span);
		if (of !== undefined)
			span.setAttribute(ATTRIBUTE, of.strand.clock.format());
	}

	/** Called by the SDK. */
	onEnd(span: object): void {
		this.end(span as Span);
	}

	/** Nothing waits here. */
	async forceFlush(): Promise<void> {}

	/** Nothing waits here. */
	async shutdown(): Promise<void> {}

	/** The end of a span, once. */
	private end(span: Span) {
		const of = strandOf(span);
		if (of === undefined || of.isDone) return undefined;
		of.isDone = true;
		const { strand } = of;
		if (strand.ended) return of;
		for (const tick of of.sentTicks) strand.lost(tick);
		if (of.isOwn) strand.finish();
		else if (!isLeaving(span)) strand.advance();
		return of;
	}
}
