import type { Socket } from "node:net";
import { type Environment, EnvironmentReader } from "./environment.js";
import {
	ALL_HOSTS,
	type HostRules,
	PRIVATE_HOSTS,
	readHostRules,
} from "./host-list.js";
import { newInstance } from "./ids.js";
import { LIMITS, type Limits } from "./limits.js";
import type { Observer } from "./observer.js";
import { type ProbeMode, probeMode } from "./probe-mode.js";
import {
	decidePropagators,
	type PropagatorName,
	type Propagators,
} from "./propagators.js";

const CLOCK_MODES = ["auto", "v2", "v1", "off"] as const;

/**
 * Which clock is sent: `v2`; `v1`, the per-service vector; `off`, none; `auto`,
 * v2 except inside a request that came with v1.
 */
export type ClockMode = (typeof CLOCK_MODES)[number];

/** Who sent a request. */
export interface Peer {
	/** The address of the other end of the connection; empty where it is not known. */
	readonly address: string;
	/** Its port; 0 where it is not known. */
	readonly port: number;
	/** The connection itself, for those who decide by its certificate. */
	readonly socket: Socket | undefined;
}

/**
 * What is done with the trace that a request brings: `continue` it; `restart`,
 * a new trace that keeps the received one as a link; `ignore`, a new trace.
 */
export type TrustMode = "continue" | "restart" | "ignore";

/** A mode, and whether the peer's `tracestate` is dropped. */
export interface Trust {
	readonly mode: TrustMode;
	readonly dropTracestate?: boolean | undefined;
}

/**
 * Settings, all optional. Options in code win, then `TOWLINE_*`, then `OTEL_*`,
 * then the default. Empty text means unset.
 *
 * Source: api.md, "Settings".
 */
export interface TowlineOptions {
	/** `TOWLINE_SERVICE_NAME`, `OTEL_SERVICE_NAME`; default `unknown_service`. */
	readonly serviceName?: string | undefined;
	/** `TOWLINE_INSTANCE`; default 8 random hex digits. Two that run side by side should differ. */
	readonly instance?: string | undefined;
	/** `TOWLINE_DISABLED`; default false. True: nothing is read, sent or counted. */
	readonly disabled?: boolean | undefined;
	/** `TOWLINE_CLOCK`; default `auto`. */
	readonly clock?: ClockMode | undefined;
	/** `TOWLINE_TRACESTATE`, `on` or `off`; default true. False: our member is not written, and still taken out. */
	readonly tracestate?: boolean | undefined;
	/**
	 * `TOWLINE_PROPAGATE_TO`, comma-separated: what is added to the hosts that
	 * clocks are sent to. Suffixes (`example.com` fits itself and below),
	 * addresses, CIDR blocks, `*`. Hosts that are not public need no entry.
	 */
	readonly propagateTo?: readonly string[] | undefined;
	/** `TOWLINE_TRACEPARENT_TO`: hosts that `traceparent` is sent to; default `*`. */
	readonly traceparentTo?: readonly string[] | undefined;
	/** `TOWLINE_SAMPLED`; default true: the flag of traces that begin here. */
	readonly sampled?: boolean | undefined;
	/** Whose traces are continued; default those of every peer. */
	readonly trust?: ((peer: Peer) => TrustMode | Trust) | undefined;
	/** `TOWLINE_TRACE_RESPONSE`; default false. True: `traceresponse` and `Server-Timing` on responses. */
	readonly traceResponse?: boolean | undefined;
	/** `TOWLINE_HEADER_BYTES_MAX`; default 4,096: of a clock, read and written. */
	readonly headerBytesMax?: number | undefined;
	/** Levels of a clock; default, and at most, 64. */
	readonly levelsMax?: number | undefined;
	/** Forks in flight that a clock may name; default, and at most, 65,536. */
	readonly forksMax?: number | undefined;
	/**
	 * `OTEL_PROPAGATORS`, comma-separated; default `tracecontext`, `baggage`. Other
	 * formats that are read and written beside `traceparent` and `tracestate`,
	 * which always are.
	 */
	readonly propagators?: readonly PropagatorName[] | undefined;
	/** `TOWLINE_DEADLINES`; default false. True: the time that a caller gives is read, kept and passed on. */
	readonly deadlines?: boolean | undefined;
	/** `TOWLINE_HASH_LABELS`; default false. True: clocks to hosts that only `propagateTo` allows name nobody. */
	readonly hashLabels?: boolean | undefined;
	/**
	 * `TOWLINE_PROBE`: the token that a request has in `towline-probe` to be told
	 * what was seen; `off`: nobody is. Default: peers on this machine are.
	 */
	readonly probe?: string | undefined;
	/** Which requests are traced; default all. `path` is without the query. */
	readonly filter?: ((method: string, path: string) => boolean) | undefined;
	/** Told what happens, beside the counters. */
	readonly observers?: readonly Observer[] | undefined;
	/** Where the few lines go that are told to people; default `console.info`. */
	readonly log?: ((line: string) => void) | undefined;
}

/** The settings, decided. */
export interface Config {
	readonly serviceName: string;
	readonly instance: string;
	readonly disabled: boolean;
	readonly clock: ClockMode;
	readonly tracestate: boolean;
	/** Hosts that clocks are sent to: a host that one of the lists names. */
	readonly propagateTo: readonly HostRules[];
	/** Hosts that `traceparent` is sent to. */
	readonly traceparentTo: readonly HostRules[];
	readonly sampled: boolean;
	readonly trust: ((peer: Peer) => TrustMode | Trust) | undefined;
	readonly traceResponse: boolean;
	readonly propagators: Propagators;
	readonly deadlines: boolean;
	readonly hashLabels: boolean;
	readonly probe: ProbeMode;
	readonly limits: Limits;
	readonly filter: ((method: string, path: string) => boolean) | undefined;
	readonly observers: readonly Observer[];
	readonly log: (line: string) => void;
}

/** Decides all settings. */
export function decideConfig(
	options: TowlineOptions,
	environment: Environment,
): Config {
	const log = options.log ?? ((line: string) => console.info(line));
	const warn = (line: string) => log(`towline: warning: ${line}`);
	const env = new EnvironmentReader(environment, warn);
	const hosts = (name: string, list: readonly string[]) =>
		readHostRules(list, (entry) =>
			warn(`${name}: ${JSON.stringify(entry)} is ignored, it is no host`),
		);
	return {
		serviceName:
			options.serviceName ||
			env.text("TOWLINE_SERVICE_NAME", "OTEL_SERVICE_NAME") ||
			env.attribute("service.name") ||
			"unknown_service",
		instance:
			options.instance ||
			env.text("TOWLINE_INSTANCE") ||
			env.attribute("service.instance.id") ||
			newInstance(),
		disabled: options.disabled ?? env.boolean("TOWLINE_DISABLED") ?? false,
		clock: options.clock ?? env.oneOf("TOWLINE_CLOCK", CLOCK_MODES) ?? "auto",
		tracestate:
			options.tracestate ??
			env.oneOf("TOWLINE_TRACESTATE", ["on", "off"]) !== "off",
		propagateTo: [
			PRIVATE_HOSTS,
			hosts(
				"propagateTo",
				options.propagateTo ?? env.list("TOWLINE_PROPAGATE_TO") ?? [],
			),
		],
		traceparentTo: [
			orAll(
				hosts(
					"traceparentTo",
					options.traceparentTo ?? env.list("TOWLINE_TRACEPARENT_TO") ?? [],
				),
			),
		],
		sampled: options.sampled ?? env.boolean("TOWLINE_SAMPLED") ?? true,
		trust: options.trust,
		traceResponse:
			options.traceResponse ?? env.boolean("TOWLINE_TRACE_RESPONSE") ?? false,
		propagators: decidePropagators(
			options.propagators ?? env.list("OTEL_PROPAGATORS"),
			warn,
		),
		deadlines: options.deadlines ?? env.boolean("TOWLINE_DEADLINES") ?? false,
		hashLabels:
			options.hashLabels ?? env.boolean("TOWLINE_HASH_LABELS") ?? false,
		probe: probeMode(options.probe || env.text("TOWLINE_PROBE")),
		limits: {
			bytes:
				options.headerBytesMax ??
				env.count("TOWLINE_HEADER_BYTES_MAX") ??
				LIMITS.bytes,
			levels: Math.min(options.levelsMax ?? LIMITS.levels, LIMITS.levels),
			forks: Math.min(options.forksMax ?? LIMITS.forks, LIMITS.forks),
		},
		filter: options.filter,
		observers: options.observers ?? [],
		log,
	};
}

/** A list without any entry is not one that forbids everything. */
function orAll(rules: HostRules): HostRules {
	return rules.entries.length > 0 ? rules : ALL_HOSTS;
}
