/** A stamp in an event: a clock, or what was sent of one. As JSON, it is its header. */
export interface Stamp {
	/** The header. */
	format(): string;
	toString(): string;
	toJSON(): string;
}

/**
 * What a strand does: it handles a request or messages, does work inside, or
 * makes a call that has no context.
 */
export type StrandKind = "server" | "consumer" | "internal" | "client";

/** A strand started. */
export interface StrandEvent {
	/** 32 hex digits. */
	readonly traceId: string;
	/** The strand's own span: 16 hex digits. */
	readonly spanId: string;
	/** The span that called or forked it; undefined where the trace began here. */
	readonly parentId: string | undefined;
	/** Sampled 1, random 2. */
	readonly flags: number;
	readonly kind: StrandKind;
	readonly service: string;
	readonly instance: string;
	/** Its stamp at this event. */
	readonly clock: Stamp;
}

/** How a strand ended. */
export type StrandOutcome = "ok" | "error" | "cancelled";

/** A strand ended. */
export interface StrandEndEvent extends StrandEvent {
	/** `error`: the handler failed, or answered 500 or above; `cancelled`: the caller went. */
	readonly outcome: StrandOutcome;
}

/** One attempt of a call, or a message, left. */
export interface CallEvent {
	readonly traceId: string;
	/** The client span, made for this attempt. */
	readonly spanId: string;
	/** The caller's own span. */
	readonly parentId: string;
	readonly flags: number;
	/** `producer`: a message, which nobody answers. */
	readonly kind: "client" | "producer";
	/** As it was called, with the port where it has one; empty for a message. */
	readonly host: string;
	/**
	 * How many attempts went before it for the same request
	 * (`http.request.resend_count`); 0 also where the client does not know.
	 */
	readonly resendCount: number;
	/** What was sent; undefined where no clock was. After the call: the caller's. */
	readonly clock: Stamp | undefined;
}

/**
 * How a call ended: `ok`, answered with a clock; `lost`, answered without one
 * or with one that cannot be used; `error`, no answer; `cancelled`, given up.
 */
export type CallOutcome = "ok" | "lost" | "error" | "cancelled";

/** An attempt ended. */
export interface CallEndEvent extends CallEvent {
	/** The HTTP status, where an answer came. */
	readonly status: number | undefined;
	readonly outcome: CallOutcome;
}

/** What was refused, withheld or cut, and why; also the keys of the counters. */
export interface DropReasons {
	traceparent:
		| "absent"
		| "duplicate"
		| "malformed"
		| "zero_id"
		| "b3_malformed"
		| "untrusted";
	tracestate: "malformed" | "too_many_members" | "untrusted" | "too_long";
	/** A clock that came on a request. */
	clock:
		| "duplicate"
		| "too_long"
		| "version"
		| "other_trace"
		| "malformed"
		| "over_limits"
		| "no_traceparent"
		| "untrusted";
	/** Our tracestate member. */
	member: "malformed" | "over_limits";
	/** A clock that came on an answer, or did not. */
	answer:
		| "absent"
		| "duplicate"
		| "too_long"
		| "version"
		| "other_trace"
		| "malformed"
		| "over_limits"
		| "other_strand";
	send: "withheld" | "cut" | "too_long" | "over_limits";
	context: "none" | "shared_strand";
	baggage: "too_long" | "too_many_members" | "malformed" | "withheld";
	/** The time that a caller gives; `expired`: none was left for a call. */
	timeout: "malformed" | "expired";
}

/** The parts that something can be dropped from. */
export type DropWhat = keyof DropReasons;

/**
 * Is told what happens. All methods are optional; one that throws, or gives a
 * promise that fails, breaks nothing.
 *
 * They run inside the request: what takes long belongs elsewhere.
 *
 * Source: api.md, "Observers".
 *
 * @example
 * const observer: Observer = {
 *   onStrandEnd: ({ traceId, outcome, clock }) => console.log(traceId, outcome, `${clock}`),
 * };
 */
export interface Observer {
	onStrandStart?(event: StrandEvent): void;
	onStrandEnd?(event: StrandEndEvent): void;
	onCallSent?(event: CallEvent): void;
	onCallAnswered?(event: CallEndEvent): void;
	onDropped?<What extends DropWhat>(
		what: What,
		reason: DropReasons[What],
	): void;
}
