import { beginCall } from "./begin-call.js";
import type { Call } from "./call.js";
import type { Clock } from "./clock.js";
import type { ClockV1 } from "./clock-v1.js";
import { newSpanId, nonceOf } from "./ids.js";
import type {
	StrandEndEvent,
	StrandEvent,
	StrandKind,
	StrandOutcome,
} from "./observer.js";
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
	/** The trace that the caller came with, where it was not continued. */
	readonly link: TraceContext | undefined;
	/** The per-service vector, in a request that came with v1 or goes on with it. */
	vector: ClockV1 | undefined;
}

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
		return this.trace.link;
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
	 */
	call(host: string): Call {
		return beginCall(this.towline, this, host);
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
		this.towline.counters.onStrandEnd();
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
			return { context: this.internal(spanId, first), fork: undefined };
		}
		const fork = strand.openFork(detached);
		const nonce = nonceOf(spanId);
		const labels = towline.labelsOf(nonce);
		const child = strand.child(fork, labels, nonce, detached);
		return { context: this.internal(spanId, child), fork };
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
		return this.internal(spanId, Strand.after(clock, labels, nonce, false));
	}

	private internal(spanId: string, strand: Strand): Context {
		const { towline, trace } = this;
		return new Context(towline, "internal", trace, spanId, this.spanId, strand);
	}

	private describe(): StrandEvent {
		const { serviceName: service, instance } = this.towline.config;
		const { traceId, spanId, parentId, flags, kind } = this;
		const clock = this.strand.clock;
		return { traceId, spanId, parentId, flags, kind, service, instance, clock };
	}
}
