import type { Counters } from "./counters.js";

/** How often, by reason; only reasons that there were. */
export type Reasons = Readonly<Record<string, number>>;

/**
 * What the counters come to.
 *
 * Source: edge.md, "Status".
 */
export interface Summary {
	/** Requests and messages that were read. */
	readonly received: number;
	/** Those whose trace went on. */
	readonly continued: number;
	/** Those where it began anew. */
	readonly restarted: Reasons;
	/** Strands that ended because the caller went. */
	readonly cancelled: number;
	/** Clocks that came and were not used. */
	readonly clockDropped: Reasons;
	/** Clocks that were sent shortened. */
	readonly clockCut: number;
	/** Calls with a clock. */
	readonly sent: number;
	/** Calls without one that should have had one. */
	readonly notSent: Reasons;
	/** Calls without a current context. */
	readonly noContext: number;
	/** Calls whose answer was joined. */
	readonly joined: number;
	/** Calls whose answer could not be joined. */
	readonly lost: Reasons;
}

/** The names of the counters where they are told: in a status, and as metrics. */
export const COUNTER_NAMES: Readonly<Record<keyof Summary, string>> = {
	received: "received",
	continued: "continued",
	restarted: "restarted",
	cancelled: "cancelled",
	clockDropped: "clock_dropped",
	clockCut: "clock_cut",
	sent: "sent",
	notSent: "not_sent",
	noContext: "no_context",
	joined: "joined",
	lost: "lost",
};

/** @internal What `counters` come to. */
export function summaryOf(counters: Counters): Summary {
	const drops = Object.entries(counters.all());
	const reasons = (...whats: string[]): Reasons => {
		const found: Record<string, number> = {};
		for (const [name, count] of drops) {
			const [what = "", reason] = name.split("/");
			if (reason === undefined || !whats.includes(what)) continue;
			if (name === "send/cut") continue;
			found[reason] = (found[reason] ?? 0) + count;
		}
		return found;
	};
	return {
		received: counters.get("received"),
		continued: counters.get("continued"),
		restarted: reasons("traceparent"),
		cancelled: counters.get("cancelled"),
		clockDropped: reasons("clock", "member"),
		clockCut: counters.get("send/cut"),
		sent: counters.get("sent"),
		notSent: reasons("send"),
		noContext: counters.get("context/none"),
		joined: counters.get("joined"),
		lost: reasons("answer"),
	};
}
