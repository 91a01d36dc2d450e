import type { DropReasons, DropWhat, Observer } from "./observer.js";

/** A counter's name: an event, or `what/reason` of a drop. */
export type CounterName =
	| "strand_start"
	| "strand_end"
	| "call_sent"
	| "call_answered"
	| { [What in DropWhat]: `${What}/${DropReasons[What]}` }[DropWhat];

/**
 * An observer that counts. Every `Towline` has one.
 *
 * Source: api.md, "Observers".
 *
 * @example
 * towline.counters.get("clock/malformed"); // 0
 */
export class Counters implements Observer {
	private readonly counts = new Map<string, number>();

	/** How often it happened, from 0. */
	get(name: CounterName): number {
		return this.counts.get(name) ?? 0;
	}

	/** All that happened at least once. */
	all(): Record<string, number> {
		return Object.fromEntries(this.counts);
	}

	onStrandStart(): void {
		this.count("strand_start");
	}

	onStrandEnd(): void {
		this.count("strand_end");
	}

	onCallSent(): void {
		this.count("call_sent");
	}

	onCallAnswered(): void {
		this.count("call_answered");
	}

	onDropped<What extends DropWhat>(
		what: What,
		reason: DropReasons[What],
	): void {
		this.count(`${what}/${reason}`);
	}

	private count(name: string): void {
		this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
	}
}
