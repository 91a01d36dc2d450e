import {
	type Context,
	type Span,
	type TextMapGetter,
	type TextMapPropagator,
	type TextMapSetter,
	trace,
} from "@opentelemetry/api";
import { readMember, readSender } from "./accept.js";
import { hashedStamp } from "./hash-labels.js";
import {
	forkOf,
	idsOf,
	isLeaving,
	joinStrand,
	membersOf,
	RECEIVED,
	type Received,
	running,
	SUPPRESSED,
	setStrand,
	strandOf,
} from "./otel-strands.js";
import type { SentStamp } from "./strand.js";
import { type Towline, type TowlineArgument, towlineOf } from "./towline.js";
import { readTracestate, withOwn } from "./tracestate.js";

const CLOCK = "raceway-clock";
const TRACESTATE = "tracestate";

/**
 * Carries strand clocks for a service that OpenTelemetry has instrumented. It
 * writes no `traceparent`: it stands behind `W3CTraceContextPropagator`.
 *
 * Clocks of version 1 are not sent.
 *
 * @example
 * provider.register({
 *   propagator: new CompositePropagator({
 *     propagators: [new W3CTraceContextPropagator(), new TowlinePropagator()],
 *   }),
 * });
 *
 * Source: edge.md, "OpenTelemetry in the same process".
 */
export class TowlinePropagator implements TextMapPropagator {
	private readonly towline: Towline;

	/** @param argument settings, or an instance; without one, that of the process. */
	constructor(argument?: TowlineArgument) {
		this.towline = towlineOf(argument);
	}

	/** What it writes. */
	fields(): string[] {
		return [CLOCK, TRACESTATE];
	}

	/** Reads the clock that came with a remote span; else that of its tracestate. */
	extract<Carrier>(
		context: Context,
		carrier: Carrier,
		getter: TextMapGetter<Carrier>,
	): Context {
		if (this.towline.config.disabled) return context;
		const clocks = valuesOf(getter.get(carrier, CLOCK));
		const remote = idsOf(trace.getSpan(context));
		if (remote === undefined) {
			if (clocks.length > 0) this.towline.dropped("clock", "no_traceparent");
			return context;
		}
		const { traceId } = remote;
		const state = readTracestate(valuesOf(getter.get(carrier, TRACESTATE)));
		const own = typeof state === "string" ? undefined : state.own;
		const isGap = clocks.length === 0;
		const came = { traceId, own, vector: undefined };
		const sender = isGap
			? readMember(this.towline, came)
			: readSender(this.towline, came, clocks);
		if (typeof sender === "string") return context;
		const received: Received = { traceId, sender, isGap };
		return context.setValue(RECEIVED, received);
	}

	/** Ticks the strand of the current span, and writes its clock. */
	inject<Carrier>(
		context: Context,
		carrier: Carrier,
		setter: TextMapSetter<Carrier>,
	): void {
		const span = trace.getSpan(context);
		const ids = idsOf(span);
		const { config } = this.towline;
		if (config.disabled || context.getValue(SUPPRESSED)) return;
		if (span === undefined || ids === undefined) return;
		const { members, own } = membersOf(ids.traceState);
		const sent = this.send(span, context, hostOf(span, carrier));
		if (sent !== undefined) setter.set(carrier, CLOCK, sent.header);
		const list = this.listOf(sent, members);
		// Also where only what came is taken out again.
		if (list !== undefined || own !== undefined) {
			setter.set(carrier, TRACESTATE, list ?? "");
		}
	}

	/** The fork of a span that leaves this process; of another span, one that is lost. */
	private send(
		span: Span,
		context: Context,
		host: string | undefined,
	): Outgoing | undefined {
		const { towline } = this;
		const { clock, hashLabels, limits } = towline.config;
		if (clock === "off" || clock === "v1") return undefined;
		let of = strandOf(span);
		if (of === undefined) {
			// A span that nobody records; its strand goes on with the next call.
			of = joinStrand(towline, span, context);
			setStrand(span, of);
		}
		of.strand = running(towline, of.strand, span.spanContext().spanId);
		const made = isLeaving(span) ? of.fork : undefined;
		of.fork = undefined; // another attempt is another fork
		const allowed = host === undefined ? undefined : towline.decide(host);
		if (allowed?.clock === false && host !== undefined) {
			if (made === undefined) of.strand.advance();
			else if (!of.strand.ended) of.strand.withdraw(made.tick);
			towline.withheld(host);
			return undefined;
		}
		const fork = made ?? forkOf(towline, of.strand, false);
		if (fork === undefined) return undefined;
		if (made === undefined) {
			of.sentTicks.push(fork.tick);
			// Nobody tells when such a call is over.
			if (!isLeaving(span)) of.strand.lost(fork.tick);
		}
		towline.counters.countCallSent(true);
		const member = of.strand.short(fork);
		const hashes = hashLabels && allowed?.isPrivate !== true;
		const hashed = hashes ? hashedStamp(fork, limits) : fork;
		if (typeof hashed === "string") {
			towline.dropped("send", hashed);
			return undefined;
		}
		return { header: hashed.header, member };
	}

	private listOf(
		sent: Outgoing | undefined,
		members: readonly string[],
	): string | undefined {
		const others = members.join(",") || undefined;
		if (sent === undefined || !this.towline.config.tracestate) return others;
		const list =
			sent.member === undefined ? undefined : withOwn(members, sent.member);
		if (list === undefined) this.towline.dropped("tracestate", "too_long");
		return list ?? others;
	}
}

/** What goes out of a fork. */
interface Outgoing extends Pick<SentStamp, "header"> {
	/** The value of our tracestate member. */
	readonly member: string | undefined;
}

/** The host that a span calls, as its attributes or its carrier say; undefined where neither does. */
function hostOf(span: Span, carrier: unknown): string | undefined {
	const { attributes } = span as { attributes?: Record<string, unknown> };
	const address =
		attributes?.["server.address"] ?? attributes?.["net.peer.name"];
	if (typeof address === "string") return address;
	if (typeof carrier !== "object" || carrier === null) return undefined;
	const { host, Host } = carrier as { host?: unknown; Host?: unknown };
	const named = host ?? Host;
	return typeof named === "string" ? named : undefined;
}

function valuesOf(value: string | string[] | undefined): string[] {
	if (value === undefined || value === "") return [];
	return typeof value === "string" ? [value] : value;
}
