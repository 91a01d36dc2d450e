import { chooseTracestate, sendV1 } from "./begin-call.js";
import { type MessageCarrier, setField } from "./carrier.js";
import type { Context } from "./context.js";
import { newSpanId } from "./ids.js";
import type { CallEvent } from "./observer.js";
import { sentStamp } from "./sent-stamp.js";
import { writeTraceparent } from "./traceparent.js";

/**
 * Puts a context into a message: a detached fork, in a producer's span.
 *
 * Source: edge.md, "Messages".
 */
export function sendMessage(context: Context, carrier: MessageCarrier): string {
	const from = context.live();
	const { towline, traceId, flags } = from;
	const spanId = newSpanId();
	if (towline.config.disabled) return spanId;
	const { header, tracestate } = sentClock(from, spanId);
	setField(carrier, "traceparent", writeTraceparent(traceId, spanId, flags));
	setField(carrier, "tracestate", tracestate);
	setField(carrier, "raceway-clock", header);
	const clock = header === undefined ? undefined : sentStamp(header);
	towline.counters.countCallSent(clock !== undefined);
	if (towline.isObserved) {
		const event: CallEvent = {
			traceId,
			spanId,
			parentId: from.spanId,
			flags,
			kind: "producer",
			host: "",
			resendCount: 0,
			clock,
		};
		towline.tell((observer) => observer.onCallSent?.(event));
	}
	return spanId;
}

/** Ticks, and gives what the message carries beside its `traceparent`. */
function sentClock(
	from: Context,
	spanId: string,
): { header?: string | undefined; tracestate: string | undefined } {
	const { towline, strand } = from;
	const { limits } = towline.config;
	if (towline.config.clock === "off") {
		strand.advance();
		return { tracestate: from.tracestate };
	}
	const vector = towline.vectorFor(from.vector);
	if (vector !== undefined) {
		const { header } = sendV1(towline, from, vector, spanId, false);
		return { header, tracestate: from.tracestate };
	}
	strand.openFork(true);
	const sent = strand.header(limits);
	if (typeof sent === "string") {
		towline.dropped("send", sent === "over_limits" ? sent : "too_long");
		return { tracestate: from.tracestate };
	}
	if (sent.isCut) towline.dropped("send", "cut");
	const tracestate = chooseTracestate(towline, from, sent);
	return { header: sent.header, tracestate };
}
