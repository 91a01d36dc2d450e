import { accept, type IncomingHeaders } from "./accept.js";
import { carrierFields, type MessageCarrier } from "./carrier.js";
import type { Peer } from "./config.js";
import type { Context } from "./context.js";
import type { Towline } from "./towline.js";
import { TraceContext } from "./trace-context.js";

/** Nobody knows who sent a message. */
const NOBODY: Peer = { address: "", port: 0, socket: undefined };

/**
 * The context for the handling of a message.
 *
 * Source: edge.md, "Messages".
 */
export function receiveMessage(
	towline: Towline,
	carrier: MessageCarrier | null | undefined,
): Context {
	if (towline.config.disabled) return towline.newTrace("consumer");
	const headers = messageHeaders(carrier);
	return accept(towline, headers, () => NOBODY, "consumer").context;
}

/** One context for several messages, with a link to each. */
export function receiveBatch(
	towline: Towline,
	carriers: Iterable<MessageCarrier | null | undefined>,
): Context {
	const links: TraceContext[] = [];
	if (towline.config.disabled) return towline.newTrace("consumer");
	for (const carrier of carriers) {
		const { traceparent, tracestate } = messageHeaders(carrier);
		const came = TraceContext.of(traceparent, tracestate);
		towline.counters.onReceived(typeof came !== "string");
		if (typeof came === "string") {
			towline.dropped("traceparent", came);
			continue;
		}
		if (came.tracestateDropped) {
			towline.dropped("tracestate", came.tracestateDropped);
		}
		links.push(came);
	}
	return towline.newTrace("consumer", links);
}

function messageHeaders(
	carrier: MessageCarrier | null | undefined,
): IncomingHeaders {
	const fields = carrierFields(carrier);
	return {
		traceparent: fields("traceparent"),
		tracestate: fields("tracestate"),
		clock: fields("raceway-clock"),
		baggage: fields("baggage"),
		probe: [], // nothing is answered
		fields,
	};
}
