import { type Clock, Strand } from "../src/index.js";
import { LIMITS } from "../src/limits.js";
import type { SentStamp } from "../src/strand.js";

/** Numbers from 0 to 1, the same for a seed. */
export type Random = () => number;

export function random(seed: number): Random {
	let state = seed | 0;
	return () => {
		state = (state + 0x6d2b79f5) | 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

export function below(rng: Random, n: number): number {
	return Math.floor(rng() * n);
}

/** An event of a program, and the events that led to it. */
export interface Event {
	readonly id: number;
	readonly causes: readonly number[];
	readonly clock: Clock;
}

/** How a strand comes to an answer: the stamp itself, or its text as on the wire. */
type Answer = { clock: Clock; event: number; sent: SentStamp };

const TRACE = "1c80319c";

/** spec/simulate.py: the events of one random program, in an order of time that fits their causes. */
export class Program {
	readonly events: Event[] = [];
	private readonly messages: { clock: Clock; event: number }[] = [];
	private readonly running: Generator<undefined, void>[] = [];
	private left = 60;

	constructor(
		private readonly rng: Random,
		/** Calls that are all joined, or also detached work, timeouts and messages. */
		private readonly isAllJoined: boolean,
		private readonly depthMax = 5,
	) {
		this.running.push(this.handler(0, undefined, undefined, undefined, {}));
		while (this.running.length > 0) {
			const i = below(rng, this.running.length);
			if (this.running[i]?.next().done) this.running.splice(i, 1);
		}
	}

	/** For each event the ids of those that happened before it, or are it. */
	pasts(): Set<number>[] {
		const pasts: Set<number>[] = [];
		for (const { id, causes } of this.events) {
			const past = new Set([id]);
			for (const cause of causes) {
				for (const before of pasts[cause] ?? []) past.add(before);
			}
			pasts.push(past);
		}
		return pasts;
	}

	private record(clock: Clock, ...causes: (number | undefined)[]): number {
		const id = this.events.length;
		const known = causes.filter((cause) => cause !== undefined);
		this.events.push({ id, causes: known, clock });
		return id;
	}

	private start(service: string, sender: Clock | undefined): Strand {
		const nonce = below(this.rng, 2 ** 32)
			.toString(16)
			.padStart(8, "0");
		return Strand.start({
			service,
			instance: "i",
			nonce,
			sender,
			trace: TRACE,
		});
	}

	private *handler(
		depth: number,
		sender: Clock | undefined,
		sent: SentStamp | undefined,
		cause: number | undefined,
		box: { answer?: Answer },
	): Generator<undefined, void> {
		const { rng, isAllJoined } = this;
		const strand = this.start(`s${below(rng, 4)}`, sender);
		let last = this.record(strand.clock, cause);
		const pending: { answer?: Answer }[] = [];
		const join = (answer: Answer) => {
			if (
				strand.receiveAnswer(answer.sent, answer.clock.format(), UNLIMITED) !==
				true
			) {
				throw new Error("an answer was not taken");
			}
			last = this.record(strand.clock, last, answer.event);
		};
		for (let left = 1 + below(rng, 6); left > 0 && this.left > 0; left--) {
			yield;
			const act = rng();
			if (act < 0.3) last = this.record(strand.event(), last);
			else if (act < 0.75 && depth < this.depthMax) {
				this.left--;
				const wait = rng();
				const inner: { answer?: Answer } = {};
				if (!isAllJoined && wait >= 0.7 && rng() < 0.6) {
					const clock = strand.send(true);
					last = this.record(clock, last);
					this.running.push(
						this.handler(depth + 1, clock, undefined, last, inner),
					);
					continue;
				}
				const stamp = strand.sendStamp(UNLIMITED);
				if (typeof stamp === "string") throw new Error(stamp);
				const { clock } = strand;
				last = this.record(clock, last);
				this.running.push(this.handler(depth + 1, clock, stamp, last, inner));
				if (wait < 0.45) {
					while (!inner.answer) yield;
					join(inner.answer);
				} else if (wait < 0.7 || isAllJoined) pending.push(inner);
			} else if (act < 0.85 && pending.length > 0) {
				const [inner] = pending.splice(below(rng, pending.length), 1);
				while (!inner?.answer) yield;
				join(inner.answer);
			} else if (!isAllJoined && act < 0.93) {
				const clock = strand.event();
				last = this.record(clock, last);
				this.messages.push({ clock, event: last });
			} else if (!isAllJoined && this.messages.length > 0) {
				const message = this.messages[below(rng, this.messages.length)];
				if (message)
					last = this.record(
						strand.receive(message.clock),
						last,
						message.event,
					);
			}
		}
		if (isAllJoined || rng() < 0.8) {
			for (const inner of pending) {
				while (!inner.answer) yield;
				join(inner.answer);
			}
		}
		const clock = strand.end();
		const event = this.record(clock, last);
		if (sent) box.answer = { clock, event, sent };
		if (!isAllJoined && rng() < 0.2) yield* this.afterEnd(clock, event);
	}

	/** Work that goes on after the answer. */
	private *afterEnd(end: Clock, event: number): Generator<undefined, void> {
		yield;
		const strand = this.start("s0", end);
		let last = this.record(strand.clock, event);
		for (let left = 1 + below(this.rng, 3); left > 0; left--) {
			yield;
			last = this.record(strand.event(), last);
		}
	}
}

const UNLIMITED = { ...LIMITS, bytes: 1 << 20 };
