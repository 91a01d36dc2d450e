/** The headers of a call, lower-case names; only those that are sent. */
export interface CallHeaders {
	traceparent?: string;
	tracestate?: string;
	"raceway-clock"?: string;
	baggage?: string;
	b3?: string;
	"x-b3-traceid"?: string;
	"x-b3-spanid"?: string;
	"x-b3-sampled"?: string;
	"towline-timeout"?: string;
	"towline-probe"?: string;
}

/**
 * What becomes of a field that the caller set by hand. `replaced`: it is left
 * out. `beside`: so where ours is written. `guarded`: so also for hosts that may
 * not have what is ours. `own`: it stays, save where a redirect leads to such a
 * host.
 */
export type FieldRule = "replaced" | "beside" | "guarded" | "own";

const RULES: ReadonlyMap<string, FieldRule> = new Map([
	["traceparent", "replaced"],
	["tracestate", "replaced"],
	["raceway-clock", "replaced"],
	["b3", "beside"],
	["x-b3-traceid", "beside"],
	["x-b3-spanid", "beside"],
	["x-b3-sampled", "beside"],
	["towline-timeout", "guarded"],
	["towline-probe", "guarded"],
	["baggage", "own"],
]);

/** The rule for a field, by its name in lower case; undefined for all that is not ours. */
export function fieldRule(name: string): FieldRule | undefined {
	return RULES.get(name);
}
