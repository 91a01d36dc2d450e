import type { IncomingMessage, ServerResponse } from "node:http";
import type { HostRules } from "./host-list.js";
import { COUNTER_NAMES, type Summary } from "./summary.js";
import { type Towline, type TowlineArgument, towlineOf } from "./towline.js";
import { VERSION } from "./version.js";

/** Where a status is looked for. */
export const STATUS_PATH = "/.well-known/towline";

/**
 * A handler that says what an instance does and has counted: its settings and
 * counters as JSON, without any secret. For Express, and for `node:http`.
 *
 * Mount it before {@link towline} if it is not to be traced itself.
 *
 * @example
 * app.use(STATUS_PATH, statusHandler(instance));
 *
 * Source: edge.md, "Status".
 */
export function statusHandler(
	argument?: TowlineArgument,
): (req: IncomingMessage, res: ServerResponse) => void {
	const instance = towlineOf(argument);
	return (req, res) => {
		res.setHeader("Cache-Control", "no-store");
		if (req.method !== "GET" && req.method !== "HEAD") {
			res.statusCode = 405;
			res.setHeader("Allow", "GET, HEAD");
			res.end();
			return;
		}
		res.setHeader("Content-Type", "application/json");
		res.end(JSON.stringify(statusOf(instance)));
	};
}

/** What an instance says of itself. */
export function statusOf(towline: Towline): Record<string, unknown> {
	const { serviceName, instance } = towline.config;
	return {
		towline: VERSION,
		language: "typescript",
		service: serviceName,
		instance,
		uptime_ms: towline.uptimeMs,
		settings: settingsOf(towline),
		counters: named(towline.counters.summary()),
	};
}

function settingsOf({ config }: Towline): Record<string, unknown> {
	return {
		disabled: config.disabled,
		clock: config.clock,
		tracestate: config.tracestate,
		propagators: config.propagators.names,
		propagate_to: listed(config.propagateTo),
		traceparent_to: listed(config.traceparentTo),
		sampled: config.sampled,
		trust: config.trust === undefined ? "continue" : "function",
		trace_response: config.traceResponse,
		deadlines: config.deadlines,
		hash_labels: config.hashLabels,
		probe: config.probe.name,
		header_bytes_max: config.limits.bytes,
		levels_max: config.limits.levels,
		forks_max: config.limits.forks,
	};
}

function listed(lists: readonly HostRules[]): string {
	return lists.flatMap(({ entries }) => entries).join(", ");
}

function named(summary: Summary): Record<string, unknown> {
	const entries = Object.entries(summary).map(([name, count]) => [
		COUNTER_NAMES[name as keyof Summary],
		count,
	]);
	return Object.fromEntries(entries);
}
