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
	// Numbers, not entries of the map: of a call that was half a microsecond.
	private strandStart = 0;
	private strandEnd = 0;
	private callSent = 0;
	private callAnswered = 0;
	private readonly drops = new Map<string, number>();

	/** How often it happened, from 0. */
	get(name: CounterName): number {
		switch (name) {
			case "strand_start":
				return this.strandStart;
			case "strand_end":
				return this.strandEnd;
			case "call_sent":
				return this.callSent;
			case "call_answered":
				return this.callAnswered;
			default:
				return this.drops.get(name) ?? 0;
		}
	}

	/** All that happened at least once. */
	all(): Record<string, number> {
		const counts: Record<string, number> = {};
		for (const name of EVENTS) {
			const count = this.get(name);
			if (count > 0) counts[name] = count;
		}
		return Object.assign(counts, Object.fromEntries(this.drops));
	}

	onStrandStart(): void {
		this.strandStart++;
	}

	onStrandEnd(): void {
		this.strandEnd++;
	}

	onCallSent(): void {
		this.callSent++;
	}

	onCallAnswered(): void {
		this.callAnswered++;
	}

	onDropped<What extends DropWhat>(
		what: What,
		reason: DropReasons[What],
	): void {
		const name = `${what}/${reason}`;
		this.drops.set(name, (this.drops.get(name) ?? 0) + 1);
	}
}

const EVENTS = [
	"strand_start",
	"strand_end",
	"call_sent",
	"call_answered",
] as const;
