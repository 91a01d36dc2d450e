import type {
	CallEndEvent,
	CallEvent,
	CallOutcome,
	DropReasons,
	DropWhat,
	Observer,
	StrandEndEvent,
	StrandKind,
	StrandOutcome,
} from "./observer.js";
import { type Summary, summaryOf } from "./summary.js";

/**
 * A counter's name: an event, an entry of the summary that no event has, or
 * `what/reason` of a drop.
 */
export type CounterName =
	| "strand_start"
	| "strand_end"
	| "call_sent"
	| "call_answered"
	| "received"
	| "continued"
	| "cancelled"
	| "sent"
	| "joined"
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
	private received = 0;
	private continued = 0;
	private cancelled = 0;
	private sent = 0;
	private joined = 0;
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
			case "received":
			case "continued":
			case "cancelled":
			case "sent":
			case "joined":
				return this[name];
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

	/** What they come to: `counters.summary().restarted.absent`. */
	summary(): Summary {
		return summaryOf(this);
	}

	/** @internal A request or a message was read. */
	onReceived(isContinued: boolean): void {
		this.received++;
		if (isContinued) this.continued++;
	}

	onStrandStart(): void {
		this.strandStart++;
	}

	onStrandEnd({ kind, outcome }: StrandEndEvent): void {
		this.countStrandEnd(kind, outcome);
	}

	onCallSent({ clock }: CallEvent): void {
		this.countCallSent(clock !== undefined);
	}

	onCallAnswered({ outcome }: CallEndEvent): void {
		this.countCallAnswered(outcome);
	}

	/** @internal The same without an event. */
	countStrandEnd(kind: StrandKind, outcome: StrandOutcome): void {
		this.strandEnd++;
		if (outcome === "cancelled" && kind === "server") this.cancelled++;
	}

	/** @internal The same without an event. */
	countCallSent(hasClock: boolean): void {
		this.callSent++;
		if (hasClock) this.sent++;
	}

	/** @internal The same without an event. */
	countCallAnswered(outcome: CallOutcome): void {
		this.callAnswered++;
		if (outcome === "ok") this.joined++;
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
	"received",
	"continued",
	"cancelled",
	"sent",
	"joined",
] as const;
