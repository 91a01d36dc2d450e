import { baggageMembers } from "./baggage.js";
import { beginCall } from "./begin-call.js";
import type { Call } from "./call.js";
import type { MessageCarrier } from "./carrier.js";
import type { Clock } from "./clock.js";
import type { ClockV1 } from "./clock-v1.js";
import type { Edge } from "./edge.js";
import { newSpanId, nonceOf } from "./ids.js";
import { callerGone, Lifetime } from "./lifetime.js";
import type {
	StrandEndEvent,
	StrandEvent,
	StrandKind,
	StrandOutcome,
} from "./observer.js";
import { runToEnd } from "./run-to-end.js";
import { sendMessage } from "./send-message.js";
import type { OpenedFork } from "./strand.js";
import { Strand } from "./strand.js";
import type { Towline } from "./towline.js";
import type { TraceContext } from "./trace-context.js";

/** What all contexts of a request have in common. */
export interface Trace {
	readonly traceId: string;
	readonly flags: number;
	/** The tracestate members of others. */
	readonly members: readonly string[];
	/** The traces that callers came with and that were not continued. */
	readonly links: readonly TraceContext[];
	/** The per-service vector, in a request that came with v1 or goes on with it. */
	vector: ClockV1 | undefined;
	/** What few requests have. */
	edge: Edge | undefined;
}

/** No links, as most traces have them. */
export const NO_LINKS: readonly TraceContext[] = [];

/** A forked context, and the fork to join. */
export interface ForkedContext {
	readonly context: Context;
	/** Undefined where nothing can be joined: over the levels of a clock. */
	readonly fork: OpenedFork | undefined;
}

/**
 * The place of running code in its trace: its span, and the strand that orders
 * its events.
 *
 * Middleware makes it current for a handler; {@link current} gives it. It may
 * still be current in code that goes on after the answer: the first event, call
 * or fork there starts one new strand, with a span of its own, and all that
 * follows belongs to that. Nobody can tell when such work is over, so the end of
 * that strand is never told; `detach` gives work after the answer an end.
 *
 * Source: api.md, "What an application calls".
 */
export class Context {
	/** The work after the answer, once there is any. */
	private after: Context | undefined;
	/** How long it has, once that was asked for or is known. */
	private lifetime: Lifetime | undefined;

	/** @internal */
	constructor(
		/** The instance that made it. */
		readonly towline: Towline,
		readonly kind: StrandKind,
		private readonly trace: Trace,
		/** Its own span: 16 lower-case hex digits. */
		readonly spanId: string,
		/** The span that called or forked it; undefined where the trace began here. */
		readonly parentId: string | undefined,
		/** Its strand, for messages inside the trace: `context.strand.receive(clock)`. */
		readonly strand: Strand,
		/** The context that waits for it, in the same request. */
		private readonly waiting?: Context,
	) {
		towline.counters.onStrandStart();
		if (towline.isObserved) {
			const event = this.describe();
			towline.tell((observer) => observer.onStrandStart?.(event));
		}
	}

	/** 32 lower-case hex digits. */
	get traceId(): string {
		return this.trace.traceId;
	}

	/** As received: sampled 1, random 2. */
	get flags(): number {
		return this.trace.flags;
	}

	/** The list of others that goes on with every call; undefined where there is none. */
	get tracestate(): string | undefined {
		return this.trace.members.join(",") || undefined;
	}

	/** The trace that the caller came with, where it was not trusted to be continued. */
	get link(): TraceContext | undefined {
		return this.trace.links[0];
	}

	/** The traces of the messages that are handled together; see `Towline.receiveBatch`. */
	get links(): readonly TraceContext[] {
		return this.trace.links;
	}

	/** The members of `baggage` as they came; undefined where there are none. */
	get baggage(): string | undefined {
		return this.trace.edge?.baggage;
	}

	/** The value of the first member of `baggage` with this key, percent-decoded. */
	baggageValue(key: string): string | undefined {
		for (const [name, value] of baggageMembers(this.baggage ?? "")) {
			if (name === key) return value;
		}
		return undefined;
	}

	/**
	 * Aborts when the caller has gone before the answer was complete, or the
	 * deadline is over. For work that nobody waits for any longer.
	 *
	 * @example
	 * const rows = await query(sql, { signal: context.signal });
	 */
	get signal(): AbortSignal {
		return this.lifetimeNow().signal;
	}

	/**
	 * Milliseconds until whoever waits gives up, at least 0; undefined where there
	 * is no deadline, and after the answer.
	 */
	remaining(): number | undefined {
		if (this.strand.ended) return undefined;
		const deadline = this.deadline;
		if (deadline === undefined) return undefined;
		return Math.max(0, deadline - performance.now());
	}

	/** Brings the deadline forward; never puts it off. */
	withTimeout(milliseconds: number): this {
		this.lifetimeNow().lower(milliseconds);
		return this;
	}

	/** A local event: ticks, and gives its stamp. Never fails. */
	event(): Clock {
		return this.live().strand.event();
	}

	/** The strand's clock now, without a tick; after the end, that of the work after the answer. */
	stamp(): Clock {
		return (this.after ?? this).strand.clock;
	}

	/**
	 * Begins one attempt of a call: ticks, makes a client span, and gives the
	 * headers to send. For clients that have no middleware yet.
	 *
	 * @param host a name or an address, with or without a port.
	 * @param resendCount how many attempts went before it for the same request.
	 */
	call(host: string, resendCount = 0): Call {
		return beginCall(this.towline, this, host, { resendCount });
	}

	/**
	 * Puts this context into a message, in place of what was there: `traceparent`,
	 * `tracestate`, and the clock of a detached fork. Gives the id of the
	 * producer's span, which the receiver has as its parent.
	 *
	 * @param carrier a plain object, a `Map`, `Headers`, a list of pairs, or
	 *   whatever has `get` and `set`.
	 *
	 * @example
	 * const headers: Record<string, string> = {};
	 * context.sendMessage(headers);
	 * await producer.send({ topic, messages: [{ value, headers }] });
	 */
	sendMessage(carrier: MessageCarrier): string {
		return sendMessage(this, carrier);
	}

	/**
	 * Runs `work` with this context current, and ends its strand with it: for
	 * contexts that `receiveMessage` and `receiveBatch` gave.
	 */
	handle<T>(work: () => T): T {
		return runToEnd(this, work);
	}

	/** @internal The context that acts: this one, or the work after its answer. */
	live(): Context {
		if (!this.strand.ended) return this;
		this.after ??= this.afterEnd();
		return this.after.live();
	}

	/** @internal Is it a context of the same request as `other`? */
	isBeside(other: Context): boolean {
		return this.trace === other.trace;
	}

	/**
	 * @internal Takes the result of a forked strand: learns all that it knew. It
	 * need not be the strand that forked it. After the end nothing changes.
	 */
	join(fork: OpenedFork, parent: Context, child: Strand): void {
		const taker = this.after ?? this;
		if (taker.strand.ended) return;
		if (taker === parent) taker.strand.join(fork, child);
		else if (taker.isBeside(parent)) taker.receiveQuietly(child.clock);
	}

	/** @internal Ends the strand; nothing happens where it has ended. */
	end(): void {
		if (!this.strand.ended) this.strand.finish();
	}

	/** @internal Tells that the strand has ended. Once, by whoever started it. */
	tellEnd(outcome: StrandOutcome): void {
		const { kind, lifetime } = this;
		this.towline.counters.countStrandEnd(kind, outcome);
		if (outcome === "cancelled") this.lifetimeNow().abort(callerGone());
		else if (lifetime !== undefined) lifetime.close();
		if (!this.towline.isObserved) return;
		const event: StrandEndEvent = { ...this.describe(), outcome };
		this.towline.tell((observer) => observer.onStrandEnd?.(event));
	}

	/** @internal A child in a span of its own; only of a live context. */
	forkChild(detached: boolean): ForkedContext {
		const spanId = newSpanId();
		const { strand, towline } = this;
		if (strand.level >= towline.config.limits.levels) {
			// No clock can name a strand that deep. Sharing this one would claim an
			// order that is not there, so the child is a first strand: `unknown`.
			strand.advance();
			towline.dropped("send", "over_limits");
			const first = towline.firstStrand(this.traceId, spanId);
			const context = this.internal(spanId, first, detached);
			return { context, fork: undefined };
		}
		const fork = strand.openFork(detached);
		const nonce = nonceOf(spanId);
		const labels = towline.labelsOf(nonce);
		const child = strand.child(fork, labels, nonce, detached);
		return { context: this.internal(spanId, child, detached), fork };
	}

	/** @internal The per-service vector, where the request came with one or goes on with it. */
	get vector(): ClockV1 | undefined {
		return this.trace.vector;
	}

	set vector(vector: ClockV1 | undefined) {
		this.trace.vector = vector;
	}

	/** @internal The tracestate members of others. */
	get members(): readonly string[] {
		return this.trace.members;
	}

	/** @internal What few requests have. */
	get edge(): Edge | undefined {
		return this.trace.edge;
	}

	set edge(edge: Edge | undefined) {
		this.trace.edge = edge;
	}

	private receiveQuietly(clock: Clock): void {
		try {
			this.strand.receive(clock);
		} catch {
			// Another first strand of the trace: the two are linked, not merged.
		}
	}

	private afterEnd(): Context {
		const spanId = newSpanId();
		const nonce = nonceOf(spanId);
		const labels = this.towline.labelsOf(nonce);
		const { clock } = this.strand;
		const strand = Strand.after(clock, labels, nonce, false);
		return this.internal(spanId, strand, true);
	}

	private internal(spanId: string, strand: Strand, detached: boolean): Context {
		const { towline, trace, spanId: parentId } = this;
		const waiting = detached ? undefined : this;
		return new Context(
			towline,
			"internal",
			trace,
			spanId,
			parentId,
			strand,
			waiting,
		);
	}

	/** By `performance.now()`; nothing is made for it. */
	private get deadline(): number | undefined {
		return this.lifetime === undefined
			? this.waiting?.deadline
			: this.lifetime.deadline;
	}

	private lifetimeNow(): Lifetime {
		this.lifetime ??= new Lifetime(this.waiting?.lifetimeNow());
		return this.lifetime;
	}

	private describe(): StrandEvent {
		const { serviceName: service, instance } = this.towline.config;
		const { traceId, spanId, parentId, flags, kind } = this;
		const clock = this.strand.clock;
		return { traceId, spanId, parentId, flags, kind, service, instance, clock };
	}
}
