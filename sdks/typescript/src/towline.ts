import { beginCall, type CallOptions } from "./begin-call.js";
import type { OtherSpan } from "./beside.js";
import type { Call } from "./call.js";
import type { MessageCarrier } from "./carrier.js";
import { ClockV1, componentV1 } from "./clock-v1.js";
import {
	type Config,
	decideConfig,
	type Peer,
	type TowlineOptions,
	type Trust,
} from "./config.js";
import { Context, NO_LINKS, type Trace } from "./context.js";
import { Counters } from "./counters.js";
import { current } from "./current.js";
import { type HostDecision, HostPolicy } from "./host-policy.js";
import { clockTrace, newSpanId, newTraceId, nonceOf } from "./ids.js";
import type {
	DropReasons,
	DropWhat,
	Observer,
	StrandKind,
} from "./observer.js";
import { receiveBatch, receiveMessage } from "./receive-message.js";
import { shared } from "./shared.js";
import { Strand } from "./strand.js";
import { writeLabels } from "./write-clock.js";

const RANDOM = 2;
const SAMPLED = 1;

/**
 * One configured instance: settings, observers, counters. It makes contexts.
 *
 * Nothing has to be set globally: pass it to the middleware and the clients.
 * Without one they share {@link Towline.default}.
 *
 * @example
 * const instance = new Towline({ serviceName: "shop", instance: "shop-1" });
 * app.use(towline(instance));
 * const call = wrapFetch(fetch, instance);
 * instance.counters.get("strand_start");
 */
export class Towline {
	/** The settings, decided. */
	readonly config: Config;
	/** What happened so far. */
	readonly counters = new Counters();
	private readonly hosts: HostPolicy;
	private readonly madeAt = performance.now();
	private readonly labels: string;

	/** Logs one line: what it reads and sends, and as whom. */
	constructor(options: TowlineOptions = {}) {
		this.config = decideConfig(options, process.env);
		this.hosts = new HostPolicy(this.config);
		const { serviceName, instance } = this.config;
		this.labels = `, ${writeLabels(serviceName, instance, "")}`.slice(0, -1);
		this.config.log(this.describe());
	}

	/** The instance of this process, made of the environment when it is first needed. */
	static default(): Towline {
		shared.towline ??= new Towline();
		return shared.towline;
	}

	/**
	 * Reads what a message came with, by all rules of a request, and gives a
	 * context for its handling. Nothing is answered.
	 *
	 * @example
	 * await towline.receiveMessage(message.headers).handle(() => ship(message.value));
	 */
	receiveMessage(carrier: MessageCarrier | null | undefined): Context {
		return receiveMessage(this, carrier);
	}

	/**
	 * One context for the handling of several messages at once: it begins a new
	 * trace, and has a link to each. One without a valid `traceparent` is counted,
	 * and not linked.
	 */
	receiveBatch(carriers: Iterable<MessageCarrier | null | undefined>): Context {
		return receiveBatch(this, carriers);
	}

	/** @internal Whole milliseconds since it was made. */
	get uptimeMs(): number {
		return Math.floor(performance.now() - this.madeAt);
	}

	/**
	 * Begins one attempt of a call to `host` from the current context; where
	 * there is none, a new trace begins with the call, and `context/none` is
	 * counted.
	 */
	call(host: string): Call {
		return this.begin(host, {});
	}

	/**
	 * @internal Is there time for a call? Counted where there is none: the client
	 * then fails as it does after a timeout.
	 */
	hasTime(): boolean {
		if (!this.config.deadlines) return true;
		const left = current()?.remaining();
		if (left === undefined || left >= 1) return true;
		this.dropped("timeout", "expired");
		return false;
	}

	/** @internal The same, with what is special about the call. */
	begin(host: string, options: CallOptions): Call {
		const context = current() ?? shared.beside?.contextNow(this);
		if (context !== undefined) return beginCall(this, context, host, options);
		this.dropped("context", "none");
		const alone = { ...options, ownsStrand: true };
		return beginCall(this, this.newTrace("client"), host, alone);
	}

	/** @internal A context of a new trace, with a first strand. */
	newTrace(
		kind: StrandKind,
		links = NO_LINKS,
		sampled = this.config.sampled,
		other?: OtherSpan,
	): Context {
		const traceId = other?.traceId ?? newTraceId();
		const spanId = other?.spanId ?? newSpanId();
		const flags = other?.flags ?? RANDOM | (sampled ? SAMPLED : 0);
		const none = { vector: undefined, edge: undefined };
		const members = other?.members ?? [];
		const trace: Trace = { traceId, flags, members, links, ...none };
		const strand = other?.strand ?? this.firstStrand(traceId, spanId);
		other?.adopt(strand);
		return new Context(this, kind, trace, spanId, other?.parentId, strand);
	}

	/** @internal The first strand of a trace, for span `spanId`. */
	firstStrand(traceId: string, spanId: string): Strand {
		const nonce = nonceOf(spanId);
		return Strand.first(this.labelsOf(nonce), nonce, clockTrace(traceId));
	}

	/** @internal How a hop of this instance is written, from the comma to the colon. */
	labelsOf(nonce: string): string {
		return `${this.labels}${nonce}:`;
	}

	/** @internal What is believed of a peer. */
	trustOf(peer: Peer): Trust {
		const { trust } = this.config;
		if (trust === undefined) return { mode: "continue" };
		try {
			const answer = trust(peer);
			if (typeof answer === "string") return { mode: answer };
			return { mode: answer.mode, dropTracestate: answer.dropTracestate };
		} catch {
			return { mode: "ignore" }; // who cannot be judged is not trusted
		}
	}

	/** @internal Is this request traced? */
	isTraced(method: string, path: string): boolean {
		try {
			return this.config.filter?.(method, path) ?? true;
		} catch {
			return true;
		}
	}

	/** @internal What may be sent to a host. */
	decide(host: string): HostDecision {
		return this.hosts.decide(host);
	}

	/** @internal A clock is not sent, since its host is not listed. */
	withheld(host: string): void {
		this.dropped("send", "withheld");
		this.hosts.tellWithheld(host);
	}

	/** @internal The per-service vector that a call goes on with, where it goes in v1. */
	vectorFor(came: ClockV1 | undefined): ClockV1 | undefined {
		const { clock } = this.config;
		if (clock === "v1") return came ?? new ClockV1();
		return clock === "auto" ? came : undefined;
	}

	/** @internal Is B3 read, and written? */
	get writesB3(): boolean {
		const { b3, b3multi } = this.config.propagators;
		return b3 || b3multi;
	}

	/** @internal */
	get componentV1(): string {
		return componentV1(this.config.serviceName, this.config.instance);
	}

	/** @internal Counts, and tells the observers. */
	dropped<What extends DropWhat>(what: What, reason: DropReasons[What]): void {
		this.counters.onDropped(what, reason);
		if (!this.isObserved) return;
		this.tell((observer) => observer.onDropped?.(what, reason));
	}

	/** @internal Are there observers beside the counters? */
	get isObserved(): boolean {
		return this.config.observers.length > 0;
	}

	/** @internal Tells each observer; what it throws is its own affair. */
	tell(about: (observer: Observer) => unknown): void {
		for (const observer of this.config.observers) {
			try {
				const told = about(observer);
				if (told instanceof Promise) told.catch(() => {});
			} catch {
				// An observer never breaks a request.
			}
		}
	}

	/** The formats that are read and sent beside Trace Context. */
	private beside(): string {
		const { baggage, b3, b3multi } = this.config.propagators;
		let names = "";
		if (baggage) names += ", baggage";
		if (b3) names += ", b3";
		if (b3multi) names += ", b3multi";
		if (this.config.deadlines) names += ", towline-timeout";
		return names;
	}

	private describe(): string {
		const { disabled, clock, tracestate, serviceName, instance } = this.config;
		if (disabled) return "towline: disabled, nothing is read or sent";
		const sent = clock === "off" ? "" : ", raceway-clock";
		const beside = this.beside();
		return (
			`towline: reads traceparent, tracestate, raceway-clock${beside}; sends traceparent, tracestate${sent}${beside}; ` +
			`clock ${clock}, tracestate member ${tracestate ? "on" : "off"}, ` +
			`service ${serviceName}, instance ${instance}`
		);
	}
}

/** What middleware takes: settings, an instance, or nothing for the default one. */
export type TowlineArgument = TowlineOptions | Towline | undefined;

/** The instance that an argument stands for. */
export function towlineOf(argument: TowlineArgument): Towline {
	if (argument === undefined) return Towline.default();
	// Not `instanceof`: the other module format has a class of its own.
	return "counters" in argument ? argument : new Towline(argument);
}
