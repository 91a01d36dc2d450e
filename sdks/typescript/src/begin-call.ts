import type { ClientSpan } from "./beside.js";
import { Call } from "./call.js";
import type { CallHeaders } from "./call-headers.js";
import { ClockError } from "./clock-error.js";
import type { ClockV1 } from "./clock-v1.js";
import type { Context } from "./context.js";
import { hashedLabel, hashedStamp, hashedVector } from "./hash-labels.js";
import { newSpanId } from "./ids.js";
import { shared } from "./shared.js";
import type { Header, SentStamp } from "./strand.js";
import type { Towline } from "./towline.js";
import { writeTraceparent } from "./traceparent.js";
import { withOwn } from "./tracestate.js";

const SAMPLED = 1;

/** What is special about a call. */
export interface CallOptions {
	/** The context was begun for this call alone, and ends with it. */
	readonly ownsStrand?: boolean;
	/** The client may go on to hosts that nobody decides about: no clock. */
	readonly withoutClock?: boolean;
	/** How many attempts went before it for the same request. */
	readonly resendCount?: number;
	/** That of the request, where the client knows it. */
	readonly method?: string | undefined;
}

/** What a call carries beside its `traceparent`. */
interface ChosenClock {
	readonly header?: string | undefined;
	/** What an answer closes. */
	readonly fork?: SentStamp;
	/** What the tracestate member is made of. */
	readonly short?: Header;
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
	const span = shared.beside?.clientSpan(from, host, options);
	const spanId = span?.spanId ?? newSpanId();
	const flags =
		span === undefined ? from.flags : (from.flags & ~SAMPLED) | span.flags;
	const allowed = towline.decide(host);
	const isOpen = allowed.clock && !options.withoutClock;
	const hashes = towline.config.hashLabels && !allowed.isPrivate;
	const { header, fork, short } = isOpen
		? chooseClock(towline, from, spanId, hashes, span)
		: withoutClock(towline, from, host);
	const headers: CallHeaders = {};
	if (allowed.traceparent) {
		headers.traceparent = writeTraceparent(from.traceId, spanId, flags);
		const list =
			fork === undefined
				? from.tracestate
				: chooseTracestate(towline, from, short ?? fork);
		if (list !== undefined) headers.tracestate = list;
	}
	if (header !== undefined) headers["raceway-clock"] = header;
	const left = towline.config.deadlines ? timeLeft(from) : undefined;
	const carriesMore =
		from.edge !== undefined || left !== undefined || towline.writesB3;
	if (carriesMore) {
		const sampled = `${flags & SAMPLED}`;
		if (allowed.traceparent) writeB3(headers, towline, from, spanId, sampled);
		writeBeside(headers, towline, from, isOpen, left);
	}
	const { ownsStrand = false, resendCount = 0 } = options;
	return new Call(
		towline,
		from,
		host,
		spanId,
		headers,
		fork,
		ownsStrand,
		resendCount,
		isOpen,
		carriesMore,
		left,
		span,
	);
}

/** Whole milliseconds that the callee has; one that is called at all has some. */
function timeLeft(from: Context): number | undefined {
	const left = from.remaining();
	return left === undefined ? undefined : Math.max(1, Math.floor(left));
}

/** The digits that `towline-timeout` may have. */
const TIMEOUT_MAX = 99_999_999;

/** B3, where it is named. */
function writeB3(
	headers: CallHeaders,
	towline: Towline,
	{ traceId }: Context,
	spanId: string,
	sampled: string,
): void {
	const { b3, b3multi } = towline.config.propagators;
	if (b3) headers.b3 = `${traceId}-${spanId}-${sampled}`;
	if (!b3multi) return;
	headers["x-b3-traceid"] = traceId;
	headers["x-b3-spanid"] = spanId;
	headers["x-b3-sampled"] = sampled;
}

/** What few calls carry. */
function writeBeside(
	headers: CallHeaders,
	towline: Towline,
	{ edge }: Context,
	isOpen: boolean,
	left: number | undefined,
): void {
	if (edge?.baggage !== undefined) {
		if (isOpen) headers.baggage = edge.baggage;
		else towline.dropped("baggage", "withheld");
	}
	if (!isOpen) return;
	if (left !== undefined && left <= TIMEOUT_MAX) {
		headers["towline-timeout"] = `${left}`;
	}
	if (edge?.probing) headers["towline-probe"] = edge.probing.value;
}

/** A host that gets no clock: its call is a plain event. */
function withoutClock(
	towline: Towline,
	from: Context,
	host: string,
): ChosenClock {
	if (towline.config.clock !== "off") towline.withheld(host);
	from.strand.advance();
	return NO_CLOCK;
}

/** Ticks the strand, and forks it where a clock that is answered goes out. */
function chooseClock(
	towline: Towline,
	from: Context,
	spanId: string,
	hashes: boolean,
	span: ClientSpan | undefined,
): ChosenClock {
	if (towline.config.clock === "off") {
		from.strand.advance();
		return NO_CLOCK;
	}
	const vector = towline.vectorFor(from.vector);
	return vector === undefined
		? sendV2(towline, from, hashes, span)
		: sendV1(towline, from, vector, spanId, hashes);
}

function sendV2(
	towline: Towline,
	from: Context,
	hashes: boolean,
	span: ClientSpan | undefined,
): ChosenClock {
	const { limits } = towline.config;
	const stamp = span?.takeFork(from) ?? from.strand.sendStamp(limits);
	if (typeof stamp === "string") {
		const reason = stamp === "over_limits" ? stamp : "too_long";
		towline.dropped("send", reason);
		return NO_CLOCK;
	}
	const sent = hashes ? hashedStamp(stamp, limits) : stamp;
	if (typeof sent === "string") {
		from.strand.withdraw(stamp.tick);
		towline.dropped("send", sent);
		return NO_CLOCK;
	}
	if (sent.isCut) towline.dropped("send", "cut");
	// No labels are in what the tracestate says.
	return { header: sent.header, fork: sent, short: stamp };
}

/** The vector of a call or a message: a plain event, which nobody answers. */
export function sendV1(
	towline: Towline,
	from: Context,
	vector: ClockV1,
	spanId: string,
	hashes: boolean,
): ChosenClock {
	from.strand.advance();
	const { serviceName, instance: name, limits } = towline.config;
	const next = raised(vector, towline.componentV1);
	if (next === undefined) {
		towline.dropped("send", "over_limits");
		return NO_CLOCK;
	}
	from.vector = next;
	const { traceId, spanId: parentSpanId } = from;
	const service = hashes ? hashedLabel(serviceName) : serviceName;
	const instance = hashes ? hashedLabel(name) : name;
	const sender = { traceId, spanId, parentSpanId, service, instance };
	const header = (hashes ? hashedVector(next) : next).write(sender);
	if (header.length <= limits.bytes) return { header };
	towline.dropped("send", "too_long");
	return NO_CLOCK;
}

/** Our member first, where it fits; those of others always. */
export function chooseTracestate(
	towline: Towline,
	from: Context,
	sent: Header,
): string | undefined {
	if (!towline.config.tracestate) return from.tracestate;
	const own = from.strand.short(sent);
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
