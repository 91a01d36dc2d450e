import type { IncomingMessage } from "node:http";
import type { IncomingHeaders } from "./accept.js";
import type { Peer } from "./config.js";

const TRACEPARENT = "traceparent";
const TRACESTATE = "tracestate";
const CLOCK = "raceway-clock";
const NONE: readonly string[] = [];

/**
 * The fields that are read, as they came: `headers` has only the first of two
 * `traceparent` fields, or both in one.
 */
export function incomingHeaders(req: IncomingMessage): IncomingHeaders {
	const raw = req.rawHeaders;
	let traceparent = NONE;
	let tracestate = NONE;
	let clock = NONE;
	for (let i = 0; i + 1 < raw.length; i += 2) {
		const name = raw[i] as string;
		const value = raw[i + 1] as string;
		// Most names differ in length alone.
		if (name.length === TRACEPARENT.length) {
			if (name.toLowerCase() === TRACEPARENT)
				traceparent = [...traceparent, value];
		} else if (name.length === TRACESTATE.length) {
			if (name.toLowerCase() === TRACESTATE)
				tracestate = [...tracestate, value];
		} else if (name.length === CLOCK.length) {
			if (name.toLowerCase() === CLOCK) clock = [...clock, value];
		}
	}
	return { traceparent, tracestate, clock };
}

/** Who sent a request. */
export function peerOf(req: IncomingMessage): Peer {
	const { socket } = req;
	const address = socket?.remoteAddress ?? "";
	return { address, port: socket?.remotePort ?? 0, socket };
}
