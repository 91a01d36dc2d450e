import type { CallOptions } from "./begin-call.js";
import type { Context } from "./context.js";
import type { CallOutcome } from "./observer.js";
import type { SentStamp, Strand } from "./strand.js";
import type { Towline } from "./towline.js";

/** A span that another tracing system has of running code. */
export interface OtherSpan {
	readonly traceId: string;
	readonly spanId: string;
	readonly parentId: string | undefined;
	/** Sampled 1. */
	readonly flags: number;
	/** The tracestate members of others. */
	readonly members: readonly string[];
	/** Its strand, where it has one. */
	readonly strand: Strand | undefined;
	/** Its strand is this one, from now on. */
	adopt(strand: Strand): void;
}

/** A client span of another tracing system, for one attempt of a call. */
export interface ClientSpan {
	readonly spanId: string;
	readonly parentId: string | undefined;
	readonly flags: number;
	/** The fork that was made for the call from the same strand, if there is one. Once. */
	takeFork(from: Context): SentStamp | undefined;
	/** Does the call, without another span for it. */
	run<T>(work: () => T): T;
	sent(clock: string | undefined): void;
	ended(outcome: CallOutcome, status: number | undefined, strand: Strand): void;
}

/**
 * Another tracing system in the process, so that nobody gets two spans of
 * anything.
 *
 * Source: edge.md, "OpenTelemetry in the same process", "Both".
 */
export interface Beside {
	/** The server span of the request that comes in now. Once for each. */
	serverSpan(): OtherSpan | undefined;
	/** A context for the current span, where no middleware of ours has made one. */
	contextNow(towline: Towline): Context | undefined;
	/** The span of a call: the current client span, or a new child of the current one. */
	clientSpan(
		from: Context,
		host: string,
		options: CallOptions,
	): ClientSpan | undefined;
}
