import type { ClockReason } from "./clock-error.js";
import type { ClockTree, Hop } from "./clock-tree.js";
import {
	type ForkRun,
	findRun,
	type Known,
	knownRun,
	NONE,
	setRun,
} from "./known.js";
import { isPlain, quoteLabel, unquoteLabel } from "./label.js";
import type { Limits } from "./limits.js";
import { ForkScanner } from "./scan-forks.js";
import { writeClock } from "./write-clock.js";

const HASH = 35;
const SLASH = 47;
const COLON = 58;
const COMMA = 44;
const PERCENT = 37;
const QUOTE = 34;
const SPACE = 32;
const TAB = 9;

/** A clock that was read. */
export interface ReadClock {
	readonly tree: ClockTree;
	/** What is known of the clock's own strand, the last hop. */
	readonly own: Known;
	/** The canonical text. */
	readonly text: string;
	/** Where in `text` the last hop's list of forks begins, or `text` ends. */
	readonly listAt: number;
	/** Forks in flight that all the ranges name. */
	readonly forks: number;
}

/** What is known of a hop, before the next hop is listed there. */
interface KnownSoFar extends Known {
	open: readonly ForkRun[];
	seen: readonly ForkRun[];
}

/** One hop as it is written. */
export interface Member {
	readonly service: string;
	readonly instance: string;
	readonly nonce: string;
	readonly known: KnownSoFar;
	/** The `f` parameter, or 0. */
	readonly forkAt: number;
	readonly detached: boolean;
	readonly gap: boolean;
	/** Where its list of forks begins, or it ends. */
	readonly listAt: number;
}

/**
 * Reads a `raceway-clock` of version 2, or says why it is refused. `trace`:
 * the last 8 hex digits of the trace id of the `traceparent` beside it.
 *
 * Source: `decode` of strand_clock.py; clock-codec.json.
 */
export function readClock(
	header: string,
	limits: Limits,
	trace?: string,
): ReadClock | ClockReason {
	if (header.length > limits.bytes) return "too_long";
	const text = trimBlanks(header);
	if (!text.startsWith("v2;t=") || !isHex(text, 5, 13)) return "version";
	const of = text.slice(5, 13);
	const scan = new ClockScanner(text, limits);
	scan.at = 13;
	if (text.length > 13 && !scan.separator()) return "version";
	if (trace !== undefined && trace !== of) return "other_trace";
	return scan.members(of);
}

/**
 * Reads text that is exactly one member, hop number `level`, and nothing else.
 * For answers, of which all but the callee's own hop is what was sent.
 */
export function readLastMember(
	text: string,
	from: number,
	level: number,
	forks: number,
	limits: Limits,
): Member | undefined {
	const scan = new ClockScanner(text, limits);
	scan.at = from;
	scan.forks = forks;
	const member = level > limits.levels ? undefined : scan.member(level);
	return scan.at === text.length ? member : undefined;
}

/** `text` without spaces and tabs around it. */
export function trimBlanks(text: string): string {
	let from = 0;
	let to = text.length;
	while (from < to && isBlank(text.charCodeAt(from))) from++;
	while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
	return from === 0 && to === text.length ? text : text.slice(from, to);
}

function isBlank(code: number): boolean {
	return code === SPACE || code === TAB;
}

/** Are these characters all lower-case hex digits? */
export function isHex(text: string, from: number, to: number): boolean {
	for (let i = from; i < to; i++) {
		const code = text.charCodeAt(i);
		if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) {
			return false; // also where the text is too short
		}
	}
	return true;
}

class ClockScanner extends ForkScanner {
	/** A comma with blanks around it. */
	separator(): boolean {
		const from = this.at;
		this.blanks();
		if (!this.take(COMMA)) return false;
		this.blanks();
		if (this.at !== from + 2 || this.text.charCodeAt(from + 1) !== SPACE) {
			this.canonical = false;
		}
		return true;
	}

	private blanks(): void {
		while (isBlank(this.text.charCodeAt(this.at))) this.at++;
	}

	members(trace: string): ReadClock | ClockReason {
		const hops: Hop[] = [];
		let root: Known | undefined;
		let above: KnownSoFar | undefined;
		let fork = 0;
		let listAt = 0;
		for (;;) {
			const level = hops.length + 1;
			if (level > this.limits.levels) return "over_limits";
			const member = this.member(level);
			if (member === undefined) return this.reason ?? "malformed";
			const { known, detached, gap } = member;
			if (above === undefined) {
				if (detached || gap) return "malformed"; // the first strand has no parent
				root = known;
			} else if (!attach(above, fork, detached, known)) return "malformed";
			const { service, instance, nonce } = member;
			hops.push({ service, instance, nonce, fork, detached, gap });
			listAt = member.listAt;
			fork = member.forkAt || known.tick;
			above = known;
			if (this.at < this.text.length) {
				if (!this.separator()) return "malformed";
				continue;
			}
			if (member.forkAt !== 0) return "malformed"; // f on the last strand
			break;
		}
		const { text, forks } = this;
		const tree: ClockTree = { trace, hops, root: root as Known };
		if (this.canonical) return { tree, own: above, text, listAt, forks };
		// Written anew and read again, so that the places in the text are right.
		return readClock(writeClock(tree), { ...this.limits, bytes: Infinity });
	}

	member(level: number): Member | undefined {
		const service = this.label(HASH);
		const instance = this.label(SLASH);
		const { text } = this;
		const nonceAt = this.at;
		if (service === "" || !isHex(text, nonceAt, nonceAt + 8)) this.fail();
		this.at = nonceAt + 8;
		if (!this.take(COLON)) this.fail();
		if (this.reason !== undefined) return undefined;
		const tick = this.tick();
		const forkAt = this.param("f=") ? this.tick() : 0;
		const detached = this.param("d");
		const gap = this.param("g");
		const ended = this.param("e");
		const lossy = this.param("l");
		if (forkAt >= tick || (ended && lossy)) this.fail();
		if (this.reason !== undefined) return undefined;
		const listAt = this.at;
		let open: readonly ForkRun[] = NONE;
		let seen: readonly ForkRun[] = NONE;
		if (this.param('x="')) {
			const lists = this.list(tick, level);
			if (lists === undefined) return undefined;
			({ open, seen } = lists);
			if (!this.take(QUOTE)) this.fail();
		}
		if (this.reason !== undefined) return undefined;
		const known = { tick, ended, lossy, open, seen };
		const nonce = text.slice(nonceAt, nonceAt + 8);
		return { service, instance, nonce, known, forkAt, detached, gap, listAt };
	}

	private param(name: string): boolean {
		if (
			this.text.charCodeAt(this.at) !== 59 ||
			!this.text.startsWith(name, this.at + 1)
		) {
			return false;
		}
		this.at += 1 + name.length;
		return true;
	}

	/** Plain characters and upper-case escapes up to the character `end`. */
	private label(end: number): string {
		const { text } = this;
		const from = this.at;
		let at = from;
		let escaped = false;
		for (; ; at++) {
			const code = text.charCodeAt(at);
			if (isPlain(code)) continue;
			if (code !== PERCENT) break;
			if (!isUpperHex(text, at + 1)) {
				this.fail();
				return "";
			}
			escaped = true;
			at += 2;
		}
		this.at = at;
		if (!this.take(end)) this.fail();
		const raw = text.slice(from, at);
		return escaped ? this.unescape(raw) : raw;
	}

	private unescape(raw: string): string {
		const label = unquoteLabel(raw);
		if (label === undefined) {
			this.fail();
			return "";
		}
		if (quoteLabel(label) !== raw) this.canonical = false;
		return label;
	}
}

function isUpperHex(text: string, from: number): boolean {
	for (let i = from; i < from + 2; i++) {
		const code = text.charCodeAt(i);
		if (!((code >= 48 && code <= 57) || (code >= 65 && code <= 70))) {
			return false;
		}
	}
	return true;
}

/** Lists `known` as what is known of `above`'s fork; false where that is listed already. */
function attach(
	above: KnownSoFar,
	fork: number,
	detached: boolean,
	known: Known,
): boolean {
	const side = detached ? above.seen : above.open;
	if (findRun(side, fork) !== undefined) return false;
	const run = knownRun(fork, known);
	let runs = [run]; // a hop that waits for nothing else lists nothing else
	if (side.length > 0) {
		runs = side.slice();
		setRun(runs, fork, run);
	}
	if (detached) above.seen = runs;
	else above.open = runs;
	return true;
}
