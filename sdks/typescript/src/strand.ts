import { Clock } from "./clock.js";
import { ClockError, type ClockReason } from "./clock-error.js";
import { type ClockTree, type Hop, spineOf, stepTo } from "./clock-tree.js";
import { cover, cutTree, joinSpine } from "./cut.js";
import {
	bareRun,
	countForks,
	type ForkRun,
	findRun,
	isComplete,
	type Known,
	knownOf,
	knownRun,
	NONE,
	setRun,
} from "./known.js";
import { type Limits, TICK_MAX } from "./limits.js";
import { completed, merge } from "./merge.js";
import { readClock, readLastMember } from "./scan-clock.js";
import { SHORT_MAX, shortened, shortMember } from "./short-clock.js";
import {
	quotedList,
	writeClock,
	writeHead,
	writeLabels,
	writeList,
} from "./write-clock.js";

/** What a strand starts from. */
export interface StrandStart {
	/** The name of the service; `_` is written for an empty one. */
	readonly service: string;
	/** Which of its instances; may be empty. */
	readonly instance: string;
	/** Low 32 bits of the strand's own span id: 8 lower-case hex digits. */
	readonly nonce: string;
	/** The stamp that the call, message or task carried; none for a trace's first strand. */
	readonly sender?: Clock | undefined;
	/** The stamp came through a service that carries no clocks. Default false. */
	readonly gap?: boolean | undefined;
	/** Last 8 hex digits of the trace id; with a sender, its trace counts. Default `00000000`. */
	readonly trace?: string | undefined;
}

/** A fork of a strand, as whoever starts or answers it must know it. */
export interface SentFork {
	readonly tick: number;
	/** The text of all hops above the forked strand, ours included; undefined where it was cut. */
	readonly above: string | undefined;
	/** Forks in flight that `above` names. */
	readonly forks: number;
}

/** A fork inside of the process. */
export interface OpenedFork extends SentFork {
	readonly above: string;
}

/** A stamp as it is sent. */
export interface Header {
	readonly header: string;
	/** It says less than the strand knows. */
	readonly isCut: boolean;
}

/** A stamp that was put on a call. */
export type SentStamp = SentFork & Header;

/**
 * A running strand: one sequential piece of work in a trace.
 *
 * Every act ticks once and gives the event's stamp. After its end a strand does
 * nothing more: work that goes on is a strand of its own, started from the
 * end's stamp.
 *
 * Everything above its own hop is kept as the text that came, since that is
 * what every call sends on and every plain answer begins with; only what the
 * strand knows of its own forks is data. One act costs the same after ten
 * calls and after ten thousand.
 *
 * @example
 * const a = Strand.start({ service: "a", instance: "1", nonce: "1697a99a" });
 * const call = a.send();
 * const b = Strand.start({ service: "b", instance: "1", nonce: "18472e7e", sender: call });
 * a.receive(b.end());
 * a.clock.format(); // "v2;t=00000000, a#1/1697a99a:3"
 *
 * Source: strand-clocks.md, "The idea" and "Wire form"; clock-scripts.json.
 */
export class Strand {
	private ticks = 1;
	private isEnded = false;
	/** Ascending; copied before a change where a stamp holds it. */
	private open: ForkRun[] = [];
	private seen: readonly ForkRun[] = NONE;
	/** The stamp of the state as it is, where one was asked for. */
	private stamp: Clock | undefined;
	/** Forks in flight that `open` and `seen` name. */
	private ownForks = 0;
	/** What the tracestate member says of the hops above, once it was needed. */
	private shortAbove: { readonly text: string | undefined } | undefined;
	/** The clock without the own list of forks, once its tree was needed. */
	private bare: Clock | undefined;

	private constructor(
		/** Last 8 hex digits of the trace id. */
		readonly trace: string,
		/** Of the strand's own span id. */
		readonly nonce: string,
		/** Canonical text of the hops above. */
		private above: string,
		/** Forks in flight that `above` names. */
		private aboveForks: number,
		/** Number of the own hop, from 1. */
		readonly level: number,
		/** `, service#instance/nonce:`. */
		private readonly labels: string,
		/** `;d`, `;g`, both or neither. */
		private readonly marks: string,
	) {}

	/**
	 * Starts a strand: the handling of a request, a message or a task. Its first
	 * tick is its start.
	 */
	static start(start: StrandStart): Strand {
		const { service, instance, nonce, sender, trace, gap } = start;
		const labels = `, ${writeLabels(service, instance, nonce)}`;
		return sender === undefined
			? Strand.first(labels, nonce, trace ?? "00000000")
			: Strand.after(sender, labels, nonce, gap ?? false);
	}

	/** @internal A trace's first strand. `labels`: from the comma to the colon. */
	static first(labels: string, nonce: string, trace: string): Strand {
		return new Strand(trace, nonce, writeHead(trace), 0, 1, labels, "");
	}

	/** @internal The strand that a stamp starts. */
	static after(
		sender: Clock,
		labels: string,
		nonce: string,
		gap: boolean,
	): Strand {
		const { tree, own, text, listAt, forks } = sender.read;
		const attached = findRun(own.open, own.tick);
		const run = attached ?? findRun(own.seen, own.tick);
		const marks = (attached ? "" : ";d") + (gap ? ";g" : "");
		const level = tree.hops.length + 1;
		if (run === undefined) {
			return new Strand(tree.trace, nonce, text, forks, level, labels, marks);
		}
		const open = own.open.slice();
		setRun(open, own.tick, undefined);
		const seen = attached ? own.seen : own.seen.filter((r) => r !== run);
		const above = text.slice(0, listAt) + quotedList(writeList(open, seen));
		const left = forks - forksAt(run);
		return new Strand(tree.trace, nonce, above, left, level, labels, marks);
	}

	/** How many events it has had, from 1. */
	get tick(): number {
		return this.ticks;
	}

	/** Its last event was its end. */
	get ended(): boolean {
		return this.isEnded;
	}

	/** The stamp of its last event, with what it has learned to be lost since. */
	get clock(): Clock {
		if (this.stamp === undefined) {
			const { open, seen } = this;
			const hop = this.hopText();
			this.stamp = new Clock(() => hop + quotedList(writeList(open, seen)));
		}
		return this.stamp;
	}

	/**
	 * A local event.
	 * @throws {ClockError} `ended`.
	 */
	event(): Clock {
		this.advance();
		return this.clock;
	}

	/**
	 * The stamp to put on a call, a message or a spawned task.
	 *
	 * @param detached nobody waits for it.
	 * @throws {ClockError} `ended`.
	 */
	send(detached = false): Clock {
		this.openFork(detached);
		return this.clock;
	}

	/**
	 * An answer, a join or a message: learns all that it knows, then ticks.
	 *
	 * @throws {ClockError} `ended`; `other_strand` where the clock is of another
	 *   trace or first strand, or claims events of this strand that have not
	 *   happened. Nothing is changed then.
	 */
	receive(clock: Clock): Clock {
		const tree = this.tree();
		const theirs = clock.read.tree;
		if (
			theirs.trace !== tree.trace ||
			theirs.hops[0]?.nonce !== tree.hops[0]?.nonce
		) {
			throw new ClockError("other_strand", "not of this trace's first strand");
		}
		if (this.isEnded) throw ended();
		if (claims(theirs.root, tree.hops) > this.ticks) {
			throw new ClockError(
				"other_strand",
				"claims events of this strand that have not happened",
			);
		}
		this.learn({ ...tree, root: merge(tree.root, theirs.root) }, tree);
		return this.event();
	}

	/**
	 * The call sent at `tick` was answered without a clock, or with one that was
	 * refused, or its body ended without the end's clock: what it did cannot be
	 * told. Not an event; after the strand's end nothing happens.
	 */
	lost(tick: number): void {
		if (this.isEnded) return;
		const run = findRun(this.open, tick);
		if (run === undefined || run.known?.ended) return;
		this.change();
		this.setFork(
			tick,
			run.known === undefined
				? bareRun(tick, tick, true)
				: knownRun(tick, { ...run.known, lossy: true }),
		);
	}

	/**
	 * The last event; its stamp goes back to whoever waits.
	 * @throws {ClockError} `ended`.
	 */
	end(): Clock {
		this.finish();
		return this.clock;
	}

	/** @internal The end without a stamp. */
	finish(): void {
		this.advance();
		this.isEnded = true;
	}

	/** @internal A tick without a stamp. */
	advance(): void {
		if (this.isEnded) throw ended();
		this.change();
		this.ticks++;
	}

	/** @internal Ticks and forks. */
	openFork(detached: boolean): OpenedFork {
		this.advance();
		const tick = this.ticks;
		const above = this.text();
		const forks = this.aboveForks + this.ownForks;
		if (!detached) this.setFork(tick, bareRun(tick, tick, false));
		return { tick, above, forks };
	}

	/** @internal The strand at a fork that was opened here just now. */
	child(
		{ above, forks }: OpenedFork,
		labels: string,
		nonce: string,
		detached: boolean,
	): Strand {
		const marks = detached ? ";d" : "";
		const level = this.level + 1;
		return new Strand(this.trace, nonce, above, forks, level, labels, marks);
	}

	/** @internal Learns all that a forked strand knew at its end, then ticks. */
	join(fork: SentFork, child: Strand): void {
		if (this.isEnded) return;
		// A child that heard nothing of the hops above brings only its own.
		if (child.above === fork.above) {
			const { ticks: tick, open, seen } = child;
			this.learnFork(fork.tick, {
				tick,
				ended: true,
				lossy: false,
				open,
				seen,
			});
		} else this.receive(child.clock);
	}

	/**
	 * @internal Ticks, forks, and gives what to send; where that is over the
	 * limits, it is a plain event and the reason is given.
	 */
	sendStamp(limits: Limits): SentStamp | ClockReason {
		this.advance();
		const tick = this.ticks;
		if (this.open.length === 0 && this.seen.length === 0) {
			const sent = this.sendOnly(limits);
			if (sent !== undefined) return sent;
		}
		const text = this.isLong(limits) ? undefined : this.text();
		const forks = this.aboveForks + this.ownForks;
		this.setFork(tick, bareRun(tick, tick, false));
		const sent = this.header(limits);
		if (typeof sent === "string") {
			this.setFork(tick, undefined);
			return sent;
		}
		const above = sent.isCut ? undefined : text;
		return { tick, above, forks, ...sent };
	}

	/** @internal A fork that was not sent after all: its tick is a plain event. */
	withdraw(tick: number): void {
		this.change();
		this.setFork(tick, undefined);
	}

	/**
	 * The same where nothing else is in flight, as a rule: written once, where
	 * the text without the fork and that with it took 1 µs more.
	 */
	private sendOnly(limits: Limits): SentStamp | undefined {
		const tick = this.ticks;
		const hop = this.hopText();
		const header = `${hop};x="${tick}"`;
		if (
			this.level > limits.levels ||
			tick > TICK_MAX ||
			header.length > limits.bytes ||
			this.aboveForks >= limits.forks
		) {
			return undefined;
		}
		const forks = this.aboveForks;
		this.open = [bareRun(tick, tick, false)];
		this.ownForks = 1;
		// A part of `header`, not a string of its own that is made flat again.
		const above = header.slice(0, hop.length);
		return { tick, above, forks, header, isCut: false };
	}

	/** @internal What the tracestate member says for a header that this strand wrote. */
	short({ header, isCut }: Header): string | undefined {
		if (isCut) return shortened(header);
		this.shortAbove ??= { text: shortened(this.above) };
		const above = this.shortAbove.text;
		if (above === undefined) return undefined;
		const from = this.above.length + this.labels.indexOf("/") + 1;
		const own = shortMember(header, from, header.length);
		const short = above === "" ? own : `${above}/${own}`;
		return short.length > SHORT_MAX ? undefined : short;
	}

	/**
	 * @internal Reads the answer to a call. Gives whether the callee's strand has
	 * ended, or why the answer cannot be used.
	 */
	receiveAnswer(
		fork: SentFork,
		header: string,
		limits: Limits,
	): boolean | ClockReason | "other_strand" {
		if (header.length > limits.bytes) return "too_long";
		const { above } = fork;
		if (
			above !== undefined &&
			header.startsWith(above) &&
			header.startsWith(", ", above.length)
		) {
			const callee = readLastMember(
				header,
				above.length + 2,
				this.level + 1,
				fork.forks,
				limits,
			);
			if (callee?.forkAt === 0 && !callee.detached) {
				if (!this.isEnded) this.learnFork(fork.tick, callee.known);
				return callee.known.ended;
			}
		}
		return this.receiveNews(fork, header, limits);
	}

	/** An answer that brings more than the callee's own hop. */
	private receiveNews(
		fork: SentFork,
		header: string,
		limits: Limits,
	): boolean | ClockReason | "other_strand" {
		const read = readClock(header, limits, this.trace);
		if (typeof read === "string") return read;
		const { hops } = read.tree;
		const own = this.tree().hops;
		const callee = hops[this.level];
		const isOurs =
			hops.length === this.level + 1 &&
			callee?.fork === fork.tick &&
			!callee.detached &&
			own.every((hop, i) => isSameHop(hop, hops[i])) &&
			claims(read.tree.root, own) <= this.ticks;
		if (!isOurs) return "other_strand";
		if (!this.isEnded) this.receive(new Clock(read));
		return read.own.ended;
	}

	/** @internal The stamp to send: cut where it is too long, or why there is none. */
	header(limits: Limits): Header | ClockReason {
		if (this.level > limits.levels || this.ticks > TICK_MAX) {
			return "over_limits";
		}
		if (this.isLong(limits)) {
			const header = this.coveredText(limits);
			if (header !== undefined) return { header, isCut: true };
		} else if (this.aboveForks + this.ownForks <= limits.forks) {
			const header = this.text();
			if (header.length <= limits.bytes) return { header, isCut: false };
		}
		try {
			return { header: cutTree(this.tree(), limits), isCut: true };
		} catch (error) {
			return refusalOf(error);
		}
	}

	/**
	 * Is the own list of forks, whatever its ticks, too long to send, and the
	 * longest? It is then not written only to be cut: that would cost each of
	 * thousands of calls the writing of thousands of ranges.
	 */
	private isLong(limits: Limits): boolean {
		const lengthMin = 2 * this.open.length - 1;
		return lengthMin > limits.bytes && lengthMin > this.above.length;
	}

	/** What `cut` gives for a long list, where covering that list is enough. */
	private coveredText(limits: Limits): string | undefined {
		const covered = cover(this.own, undefined, limits);
		if (covered === undefined) return undefined;
		const forks = countForks(covered.open) + countForks(covered.seen);
		if (this.aboveForks + forks > limits.forks) return undefined;
		const list = writeList(covered.open, covered.seen);
		const text = this.hopText() + quotedList(list);
		return text.length <= limits.bytes ? text : undefined;
	}

	/** The clock down to the own hop, without its list. */
	private hopText(): string {
		const hop = this.above + this.labels + this.ticks + this.marks;
		return this.isEnded ? `${hop};e` : hop;
	}

	private text(): string {
		return this.hopText() + quotedList(writeList(this.open, this.seen));
	}

	private get own(): Known {
		const { ticks: tick, isEnded: ended, open, seen } = this;
		return { tick, ended, lossy: false, open, seen };
	}

	/**
	 * The clock as a tree. Only the hops above are read from their text, and only
	 * when that has changed.
	 */
	private tree(): ClockTree {
		this.bare ??= new Clock(this.above + this.labels + this.ticks + this.marks);
		const { tree } = this.bare.read;
		const spine = spineOf(tree);
		spine[spine.length - 1] = this.own;
		return { ...tree, root: joinSpine(spine, tree.hops) };
	}

	/** Makes ready for a change: a stamp that was given away keeps its list. */
	private change(): void {
		if (this.stamp === undefined) return;
		this.open = this.open.slice();
		this.stamp = undefined;
	}

	private setFork(tick: number, run: ForkRun | undefined): void {
		const was = findRun(this.open, tick);
		this.ownForks += forksAt(run) - forksAt(was);
		setRun(this.open, tick, run);
	}

	/** Learns what is known of the own fork at `tick`, then ticks. */
	private learnFork(tick: number, callee: Known): void {
		this.change();
		const was = findRun(this.open, tick);
		if (was !== undefined && was.known === undefined && isComplete(callee)) {
			this.setFork(tick, undefined);
			this.ticks++;
			return;
		}
		const now =
			was === undefined ? completed(callee) : merge(knownOf(was), callee);
		this.setFork(tick, isComplete(now) ? undefined : knownRun(tick, now));
		this.ticks++;
	}

	/**
	 * Takes over what a merge with others gave. Nobody knows more of this strand
	 * than itself: its way, tick and flags stay as they were. (Where one send was
	 * handled twice, the other handling may have ended.)
	 */
	private learn(merged: ClockTree, was: ClockTree): void {
		const before = spineOf(was);
		const spine = [merged.root];
		for (let i = 1; i < was.hops.length; i++) {
			const hop = was.hops[i] as Hop;
			spine.push(stepTo(spine[i - 1] as Known, hop) ?? (before[i] as Known));
		}
		const last = spine.length - 1;
		const { open, seen } = spine[last] as Known;
		this.change();
		this.open = open.slice();
		this.seen = seen;
		this.ownForks = countForks(open) + countForks(seen);
		spine[last] = { ...this.own, open: NONE, seen: NONE };
		const root = joinSpine(spine, was.hops);
		const text = writeClock({ ...was, root });
		this.above = text.slice(0, text.lastIndexOf(", "));
		this.shortAbove = undefined;
		this.bare = undefined;
		this.aboveForks = countForks(root.open) + countForks(root.seen);
	}
}

function ended(): ClockError {
	return new ClockError("ended", "the strand has ended");
}

function refusalOf(error: unknown): ClockReason {
	if (!(error instanceof ClockError)) throw error;
	return error.reason === "over_limits" ? "over_limits" : "too_long";
}

/** Forks in flight that the entry for one tick names. */
function forksAt(run: ForkRun | undefined): number {
	if (run === undefined) return 0;
	return run.known === undefined ? 1 : countForks([run]);
}

/** The highest tick of the strand at the end of `hops` that `root` lists; 0 where it lists none. */
function claims(root: Known, hops: readonly Hop[]): number {
	let k: Known | undefined = root;
	for (let i = 1; i < hops.length && k !== undefined; i++) {
		k = stepTo(k, hops[i] as Hop);
	}
	return k?.tick ?? 0;
}

function isSameHop(a: Hop, b: Hop | undefined): boolean {
	return a.nonce === b?.nonce && a.fork === b.fork && a.detached === b.detached;
}
