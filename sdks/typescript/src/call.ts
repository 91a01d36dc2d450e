import type { ClientSpan } from "./beside.js";
import { type CallHeaders, fieldRule } from "./call-headers.js";
import type { Context } from "./context.js";
import { current } from "./current.js";
import type { CallEvent, CallOutcome, Stamp } from "./observer.js";
import { sentStamp } from "./sent-stamp.js";
import { shared } from "./shared.js";
import type { SentStamp } from "./strand.js";
import type { Towline } from "./towline.js";

const NO_CLOCKS: readonly string[] = [];

/** How far a call is. `open`: answered, and its body may still bring the callee's end. */
type CallState = "sent" | "open" | "answered" | "lost" | "failed";

/**
 * One attempt of one outgoing call: its client span, the headers to send, and
 * how it ended. Each attempt is told of once; what is told after that changes
 * nothing.
 *
 * @example
 * const call = context.call("stock.internal");
 * try {
 *   const answer = await send({ headers: call.headers });
 *   call.answered(answer.headers["raceway-clock"], answer.status);
 *   call.bodyEnded();
 * } catch (error) {
 *   call.failed();
 *   throw error;
 * }
 */
export class Call {
	private state: CallState = "sent";

	/** @internal */
	constructor(
		private readonly towline: Towline,
		private readonly context: Context,
		/** As it was called. */
		readonly host: string,
		/** The client span, made for this attempt: 16 hex digits. */
		readonly spanId: string,
		/** To be sent; any of these names that the caller set are to be left out. */
		readonly headers: Readonly<CallHeaders>,
		private readonly fork: SentStamp | undefined,
		/** The strand was begun for this call alone. */
		private readonly ownsStrand: boolean,
		/** How many attempts went before it for the same request. */
		readonly resendCount: number,
		/** The host may have our clock, and what goes with it. */
		private readonly isTrusted: boolean,
		/** @internal There are headers beside those of the trace and the clock. */
		readonly carriesMore: boolean,
		/** @internal Milliseconds until it is to be given up; undefined where there is no deadline. */
		readonly left: number | undefined,
		/** The span that another tracing system has of it. */
		private readonly span: ClientSpan | undefined,
	) {
		if (span !== undefined) span.sent(headers["raceway-clock"]);
		const header = headers["raceway-clock"];
		towline.counters.countCallSent(header !== undefined);
		if (towline.isObserved) {
			const event = this.describe(header ? sentStamp(header) : undefined);
			towline.tell((observer) => observer.onCallSent?.(event));
		}
	}

	/** How it ended: `answered` with the callee's clock, `lost` without, `failed`; undefined while it has not. */
	get outcome(): "answered" | "lost" | "failed" | undefined {
		if (this.state === "sent") return undefined;
		return this.state === "open" ? "answered" : this.state;
	}

	/**
	 * An answer came.
	 *
	 * @param clocks the values of all its `raceway-clock` fields.
	 * @param status the HTTP status.
	 * @param hops the value of its field `towline-hops`, which is there where
	 *   {@link isProbed}.
	 */
	answered(
		clocks: string | readonly string[] | null | undefined,
		status?: number,
		hops?: string | null,
	): void {
		if (this.state !== "sent") return;
		this.handBack();
		this.state = this.take(clocks ?? NO_CLOCKS);
		const isLost = this.state === "lost";
		if (isLost && this.fork) this.context.strand.lost(this.fork.tick);
		this.record(status ?? null, isLost ? "lost" : "joined", hops);
		this.tell(isLost ? "lost" : "ok", status);
		if (this.ownsStrand && this.state !== "open") this.endStrand("ok");
	}

	/**
	 * The body of the answer ended, or broke off. Where the callee's strand had
	 * not ended when it answered, what it did since cannot be told, unless the
	 * trailer brings its last clock.
	 */
	bodyEnded(trailer?: string | readonly string[] | null): void {
		if (this.state !== "open") return;
		this.state = this.take(trailer ?? NO_CLOCKS, true);
		if (this.state !== "answered" && this.fork) {
			this.state = "answered";
			this.context.strand.lost(this.fork.tick);
		}
		if (this.ownsStrand) this.endStrand("ok");
	}

	/**
	 * No answer came: what the callee did stays open, and a retry is a call of
	 * its own.
	 *
	 * @param outcome `cancelled` where the caller gave up.
	 */
	failed(outcome: "error" | "cancelled" = "error"): void {
		if (this.state !== "sent") {
			this.bodyEnded();
			return;
		}
		this.handBack();
		this.state = "failed";
		this.record(null, null, null);
		this.tell(outcome, undefined);
		if (this.ownsStrand) this.endStrand(outcome);
	}

	/** @internal Does the call, where nobody else makes a span of it. */
	run<T>(work: () => T): T {
		return this.span === undefined ? work() : this.span.run(work);
	}

	/** Whoever sent the request asked what was seen: the answer's `towline-hops` is wanted. */
	get isProbed(): boolean {
		return this.context.edge?.probing !== undefined;
	}

	/**
	 * @internal Does a field that the caller set go out? `name`: in lower case.
	 * What is ours is replaced, and nothing of ours reaches a host that may not
	 * have it, also where it was copied from the request.
	 */
	keeps(name: string): boolean {
		const rule = fieldRule(name);
		if (rule === undefined) return true;
		if (rule === "replaced") return false;
		if (rule === "own") return this.isTrusted || this.resendCount === 0;
		if (rule === "guarded" && !this.isTrusted) return false;
		return this.headers[name as keyof CallHeaders] === undefined;
	}

	private record(
		status: number | null,
		answer: "joined" | "lost" | null,
		hops: string | null | undefined,
	): void {
		const { host, spanId } = this;
		this.context.edge?.probing?.add({ host, spanId, status, answer, hops });
	}

	/** @internal The client below may be wrapped too: this attempt has its span. */
	handOver(): void {
		const { traceparent } = this.headers;
		if (traceparent === undefined) return;
		const owner = this.ownsStrand ? undefined : this.context;
		shared.attempts.set(traceparent, owner);
	}

	/** The attempt is over, whether or not a client below was wrapped. */
	private handBack(): void {
		const { traceparent } = this.headers;
		if (traceparent !== undefined) shared.attempts.delete(traceparent);
	}

	private take(
		clocks: string | readonly string[],
		isTrailer = false,
	): "answered" | "open" | "lost" {
		if (this.fork === undefined) return "lost"; // none was asked for
		const clock = typeof clocks === "string" ? clocks : clocks[0];
		if (clock === undefined) {
			if (!isTrailer) this.towline.dropped("answer", "absent");
			return "lost";
		}
		const { limits } = this.towline.config;
		const read =
			clock !== clocks && clocks.length > 1
				? "duplicate"
				: this.context.strand.receiveAnswer(this.fork, clock, limits);
		if (typeof read === "boolean") return read ? "answered" : "open";
		this.towline.dropped("answer", read);
		return "lost";
	}

	private tell(outcome: CallOutcome, status: number | undefined): void {
		this.towline.counters.countCallAnswered(outcome);
		this.span?.ended(outcome, status, this.context.strand);
		if (!this.towline.isObserved) return;
		const clock = this.context.strand.clock;
		const event = { ...this.describe(clock), status, outcome };
		this.towline.tell((observer) => observer.onCallAnswered?.(event));
	}

	private endStrand(outcome: "ok" | "error" | "cancelled"): void {
		this.context.end();
		this.context.tellEnd(outcome);
	}

	private describe(clock: Stamp | undefined): CallEvent {
		const { traceId, flags } = this.context;
		const { spanId, host, resendCount } = this;
		const parentId = this.span?.parentId ?? this.context.spanId;
		return {
			traceId,
			spanId,
			parentId,
			flags,
			kind: "client",
			host,
			resendCount,
			clock,
		};
	}
}

/**
 * Has a wrapper above begun the attempt that carries this `traceparent`? Then
 * it has its span. Once: what comes again is a retry below that wrapper. (A
 * server in the same process that passes the header on has a trace of its own.)
 *
 * @param find looks for it; not asked where no attempt waits.
 */
export function isHandedOver(find: () => string | undefined): boolean {
	if (shared.attempts.size === 0) return false;
	const traceparent = find();
	if (traceparent === undefined || !shared.attempts.has(traceparent)) {
		return false;
	}
	const owner = shared.attempts.get(traceparent);
	const now = current();
	const isOwn = owner === undefined ? now === owner : now?.isBeside(owner);
	return isOwn === true && shared.attempts.delete(traceparent);
}
