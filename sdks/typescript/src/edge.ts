import type { Probing } from "./probing.js";

/** What few requests have: it costs those that have none of it one look. */
export interface Edge {
	/** The `baggage` that came, and goes on. */
	readonly baggage: string | undefined;
	/** Whoever asked is told what was seen. */
	readonly probing: Probing | undefined;
}
