import type { IncomingMessage } from "node:http";
import type { IncomingHeaders } from "./accept.js";
import type { Peer } from "./config.js";

const TRACEPARENT = "traceparent";
const TRACESTATE = "tracestate";
const CLOCK = "raceway-clock";
const PROBE = "towline-probe"; // as long as the clock's name
const BAGGAGE = "baggage";
const TE = "te";
const NONE: readonly string[] = [];

/**
 * What is read of a request, beside its body: the fields as they came. `headers`
 * has only the first of two `traceparent` fields, or both in one, and making it
 * costs 0.5 µs.
 */
export class RequestHeaders implements IncomingHeaders {
	traceparent = NONE;
	tracestate = NONE;
	clock = NONE;
	baggage = NONE;
	probe = NONE;
	/** The caller reads trailers. */
	readsTrailers = false;

	constructor(private readonly raw: readonly string[]) {
		for (let i = 0; i + 1 < raw.length; i += 2) {
			const name = raw[i] as string;
			const value = raw[i + 1] as string;
			// Most names differ in length alone.
			if (name.length === TRACEPARENT.length) {
				if (name.toLowerCase() === TRACEPARENT)
					this.traceparent = added(this.traceparent, value);
			} else if (name.length === TRACESTATE.length) {
				if (name.toLowerCase() === TRACESTATE)
					this.tracestate = added(this.tracestate, value);
			} else if (name.length === CLOCK.length) {
				const lower = name.toLowerCase();
				if (lower === CLOCK) this.clock = added(this.clock, value);
				else if (lower === PROBE) this.probe = added(this.probe, value);
			} else if (name.length === BAGGAGE.length) {
				if (name.toLowerCase() === BAGGAGE)
					this.baggage = added(this.baggage, value);
			} else if (name.length === TE.length && name.toLowerCase() === TE) {
				this.readsTrailers ||= value.toLowerCase().includes("trailers");
			}
		}
	}

	fields(name: string): readonly string[] {
		let values = NONE;
		for (let i = 0; i + 1 < this.raw.length; i += 2) {
			if (this.raw[i]?.toLowerCase() !== name) continue;
			values = added(values, this.raw[i + 1] as string);
		}
		return values;
	}
}

function added(values: readonly string[], value: string): readonly string[] {
	return values === NONE ? [value] : [...values, value];
}

/** Who sent a request. */
export function peerOf(req: IncomingMessage): Peer {
	const { socket } = req;
	const address = socket?.remoteAddress ?? "";
	return { address, port: socket?.remotePort ?? 0, socket };
}
