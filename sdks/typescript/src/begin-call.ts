import { Call, type CallHeaders } from "./call.js";
import { ClockError } from "./clock-error.js";
import type { ClockV1 } from "./clock-v1.js";
import type { Context } from "./context.js";
import { newSpanId } from "./ids.js";
import type { SentStamp } from "./strand.js";
import type { Towline } from "./towline.js";
import { writeTraceparent } from "./traceparent.js";
import { withOwn } from "./tracestate.js";

/** What is special about a call. */
export interface CallOptions {
	/** The context was begun for this call alone, and ends with it. */
	readonly ownsStrand?: boolean;
	/** The client may go on to hosts that nobody decides about: no clock. */
	readonly withoutClock?: boolean;
}

/** What a call carries beside its `traceparent`. */
interface ChosenClock {
	readonly header?: string | undefined;
	/** What an answer closes. */
	readonly fork?: SentStamp;
}

const NO_CLOCK: ChosenClock = {};

/**
 * Begins one attempt of a call from `context`, by the settings of `towline`.
 *
 * Source: api.md, "Client side", 2 and 3.
 */
export function beginCall(
	towline: Towline,
	context: Context,
	host: string,
	options: CallOptions = {},
): Call {
	const from = context.live();
	const spanId = newSpanId();
	const allowed = towline.decide(host);
	const isOpen = allowed.clock && !options.withoutClock;
	const { header, fork } = chooseClock(towline, from, host, spanId, isOpen);
	const headers: CallHeaders = {};
	if (allowed.traceparent) {
		headers.traceparent = writeTraceparent(from.traceId, spanId, from.flags);
		const list = chooseTracestate(towline, from, fork);
		if (list !== undefined) headers.tracestate = list;
	}
	if (header !== undefined) headers["raceway-clock"] = header;
	const owns = options.ownsStrand ?? false;
	return new Call(towline, from, host, spanId, headers, fork, owns);
}

/** Ticks the strand, and forks it where a clock that is answered goes out. */
function chooseClock(
	towline: Towline,
	from: Context,
	host: string,
	spanId: string,
	isAllowed: boolean,
): ChosenClock {
	const isOn = towline.config.clock !== "off";
	if (isOn && !isAllowed) towline.withheld(host);
	if (!isOn || !isAllowed) {
		from.strand.advance();
		return NO_CLOCK;
	}
	const vector = towline.vectorFor(from.vector);
	return vector === undefined
		? sendV2(towline, from)
		: sendV1(towline, from, vector, spanId);
}

function sendV2(towline: Towline, from: Context): ChosenClock {
	const sent = from.strand.sendStamp(towline.config.limits);
	if (typeof sent === "string") {
		const reason = sent === "over_limits" ? sent : "too_long";
		towline.dropped("send", reason);
		return NO_CLOCK;
	}
	if (sent.isCut) towline.dropped("send", "cut");
	return { header: sent.header, fork: sent };
}

function sendV1(
	towline: Towline,
	from: Context,
	vector: ClockV1,
	spanId: string,
): ChosenClock {
	from.strand.advance();
	const { serviceName: service, instance, limits } = towline.config;
	const next = raised(vector, towline.componentV1);
	if (next === undefined) {
		towline.dropped("send", "over_limits");
		return NO_CLOCK;
	}
	from.vector = next;
	const { traceId, spanId: parentSpanId } = from;
	const sender = { traceId, spanId, parentSpanId, service, instance };
	const header = next.write(sender);
	if (header.length <= limits.bytes) return { header };
	towline.dropped("send", "too_long");
	return NO_CLOCK;
}

/** Our member first, where a clock goes out and it fits; those of others always. */
function chooseTracestate(
	towline: Towline,
	from: Context,
	fork: SentStamp | undefined,
): string | undefined {
	if (fork === undefined || !towline.config.tracestate) return from.tracestate;
	const own = from.strand.short(fork);
	const list = own === undefined ? undefined : withOwn(from.members, own);
	if (list === undefined) towline.dropped("tracestate", "too_long");
	return list ?? from.tracestate;
}

function raised(vector: ClockV1, own: string): ClockV1 | undefined {
	try {
		return vector.send(own);
	} catch (error) {
		if (error instanceof ClockError) return undefined;
		throw error;
	}
}
