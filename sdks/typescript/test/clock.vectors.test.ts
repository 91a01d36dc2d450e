import assert from "node:assert/strict";
import { test } from "node:test";
import {
	Clock,
	ClockError,
	type Hop,
	type Known,
	LIMITS,
	Strand,
} from "../src/index.js";
import { merge } from "../src/merge.js";
import { writeClock } from "../src/write-clock.js";
import { each, vectors } from "./vectors.js";

interface Node {
	tick: number;
	ended?: boolean;
	lossy?: boolean;
	open?: Record<string, Node>;
	seen?: Record<string, Node>;
}

interface Codec {
	limits: Record<string, number>;
	valid: {
		header: string;
		clock: { trace: string; hops: Hop[]; root: Node };
	}[];
	deepest: string;
	invalid: { header: string; reason: string }[];
	lenient: { header: string; canonical: string }[];
}

interface Step {
	op: string;
	strand: string;
	service: string;
	instance: string;
	nonce: string;
	from?: string;
	as?: string;
	tick: number;
	detached?: boolean;
	clock: string;
}

function nodeOf(k: Known): Node {
	const node: Node = { tick: k.tick };
	if (k.ended) node.ended = true;
	if (k.lossy) node.lossy = true;
	for (const side of ["open", "seen"] as const) {
		if (k[side].length === 0) continue;
		const forks: Record<string, Node> = {};
		for (const run of k[side]) {
			for (let tick = run.first; tick <= run.last; tick++) {
				forks[tick] = run.known
					? nodeOf(run.known)
					: { tick: 0, ...(run.lossy ? { lossy: true } : {}) };
			}
		}
		node[side] = forks;
	}
	return node;
}

/** The reason that is counted for a reason that is told to people. */
function counted(header: string, reason: string): string {
	if (reason.startsWith("longer than")) return "too_long";
	// The model splits at commas first, and finds none behind a stray quote.
	const hasVersion = /^v2;t=[0-9a-f]{8}[ \t]*,/.test(header);
	if (reason.startsWith("version") && !hasVersion) return "version";
	if (reason === "of another trace") return "other_trace";
	return /^(tick above|more than)/.test(reason) ? "over_limits" : "malformed";
}

function reasonOf(act: () => unknown): string {
	try {
		act();
	} catch (error) {
		assert.ok(error instanceof ClockError, String(error));
		return error.reason;
	}
	return "accepted";
}

test("clock-codec: every valid clock is read, and written as it came", () => {
	const { valid, deepest, limits } = vectors<Codec>("clock-codec");
	assert.deepEqual(limits, {
		max_header: LIMITS.bytes,
		max_depth: LIMITS.levels,
		max_tick: 2 ** 31 - 1,
		max_forks: LIMITS.forks,
	});
	each(valid, ({ header, clock }) => {
		const read = Clock.parse(header);
		const { trace, hops, root } = read;
		assert.deepEqual({ trace, hops, root: nodeOf(root) }, clock);
		assert.equal(read.format(), header);
		assert.equal(writeClock({ trace, hops, root }), header);
		assert.equal(read.cut(), header);
	});
	assert.equal(writeClock(Clock.parse(deepest)), deepest);
	assert.equal(Clock.parse(deepest).hops.length, LIMITS.levels);
});

test("clock-codec: every invalid clock is refused for its reason", () => {
	each(vectors<Codec>("clock-codec").invalid, ({ header, reason }) => {
		assert.equal(
			reasonOf(() => Clock.parse(header)),
			counted(header, reason),
		);
	});
});

test("clock-codec: what is read leniently is written canonically", () => {
	each(vectors<Codec>("clock-codec").lenient, ({ header, canonical }) => {
		const read = Clock.parse(header);
		assert.equal(read.format(), canonical);
		assert.equal(writeClock(read), canonical);
	});
});

test("clock-order: events compare as the model says, both ways", () => {
	const turned: Record<string, string> = { before: "after", after: "before" };
	const { order } = vectors<{
		order: { a: string; b: string; order: string }[];
	}>("clock-order");
	each(order, (v) => {
		const a = Clock.parse(v.a);
		const b = Clock.parse(v.b);
		assert.equal(a.compare(b), v.order);
		assert.equal(b.compare(a), turned[v.order] ?? v.order);
	});
});

test("clock-order: merged knowledge is the least upper bound", () => {
	const file = vectors<{ merge: { a: string; b: string; merged: string }[] }>(
		"clock-order",
	);
	each(file.merge, (v) => {
		const { trace, hops, root } = Clock.parse(v.a);
		const merged = merge(root, Clock.parse(v.b).root);
		assert.equal(writeClock({ trace, hops, root: merged }), v.merged);
	});
});

test("clock-scripts: every step of every script gives its stamp", () => {
	const { scripts } = vectors<{ scripts: Record<string, Step[]> }>(
		"clock-scripts",
	);
	assert.ok(Object.keys(scripts).length > 0);
	for (const [name, steps] of Object.entries(scripts)) {
		const strands = new Map<string, Strand>();
		const stamps = new Map<string, Clock>();
		const stamp = (as: string | undefined) => {
			const clock = stamps.get(as ?? "");
			assert.ok(clock, `${name}: no stamp ${as}`);
			return clock;
		};
		each(steps, (step) => {
			if (step.op === "given") {
				stamps.set(step.as ?? "", Clock.parse(step.clock));
				return;
			}
			const strand =
				strands.get(step.strand) ??
				Strand.start({
					...step,
					trace: step.clock.slice(5, 13),
					sender: step.from === undefined ? undefined : stamp(step.from),
				});
			strands.set(step.strand, strand);
			const clock = take(strand, step, stamp);
			assert.equal(clock.format(), step.clock, name);
			assert.equal(writeClock(Clock.parse(clock.format())), step.clock, name);
			if (step.as) stamps.set(step.as, clock);
		});
	}
});

function take(
	strand: Strand,
	step: Step,
	stamp: (as?: string) => Clock,
): Clock {
	switch (step.op) {
		case "start":
			return strand.clock;
		case "event":
			return strand.event();
		case "send":
			return strand.send(step.detached);
		case "receive":
			return strand.receive(stamp(step.from));
		case "lost":
			strand.lost(step.tick);
			return strand.clock;
		case "end":
			return strand.end();
		default:
			throw new Error(`unknown step ${step.op}`);
	}
}

test("clock-scripts: clocks that a strand must not merge are refused and change nothing", () => {
	const { refused } = vectors<{
		refused: { strand: string; clock: string; reason: string }[];
	}>("clock-scripts");
	each(refused, (v) => {
		const strand = resumed(v.strand);
		const reason =
			v.reason === "the strand has ended" ? "ended" : "other_strand";
		assert.equal(
			reasonOf(() => strand.receive(Clock.parse(v.clock))),
			reason,
		);
		assert.equal(strand.clock.format(), v.strand);
	});
});

/** A first strand that has come to the stamp `text`, which has one call in flight, at tick 2. */
function resumed(text: string): Strand {
	const [hop] = Clock.parse(text).hops;
	assert.ok(hop);
	const strand = Strand.start({ ...hop, trace: text.slice(5, 13) });
	strand.send();
	if (text.includes(";e")) strand.end();
	assert.equal(strand.clock.format(), text);
	return strand;
}

test("clock-cut: clocks are cut byte for byte, or not sent", () => {
	const { cut } = vectors<{
		cut: { header: string; budget: number; cut: string | null }[];
	}>("clock-cut");
	each(cut, (v) => {
		const clock = Clock.parse(v.header, undefined, { bytes: 1 << 20 });
		if (v.cut !== null) assert.equal(clock.cut(v.budget), v.cut);
		else
			assert.match(
				reasonOf(() => clock.cut(v.budget)),
				/too_long|over_limits/,
			);
	});
});

interface Short {
	members: { header: string; member: string | null }[];
	invalid: string[];
	gap: Record<
		"sender" | "member" | "first" | "second" | "sender_later",
		string
	> & {
		orders: [
			"sender" | "first" | "second" | "sender_later",
			"first" | "second" | "sender_later",
			string,
		][];
	};
}

test("clock-tracestate: members are written and read", () => {
	const { members, invalid, gap } = vectors<Short>("clock-tracestate");
	each(members, ({ header, member }) => {
		const clock = Clock.parse(header);
		assert.equal(clock.toTracestate() ?? null, member);
		if (member === null) return;
		const read = Clock.fromTracestate(member, clock.trace);
		assert.deepEqual(nodeOf(read.root), nodeOf(clock.root));
		assert.deepEqual(
			read.hops,
			clock.hops.map((hop) => ({ ...hop, service: "_", instance: "" })),
		);
	});
	each(invalid, (member) => {
		assert.notEqual(
			reasonOf(() => Clock.fromTracestate(member, "1c80319c")),
			"accepted",
		);
	});
	assert.equal(Clock.parse(gap.sender).toTracestate(), gap.member);
	for (const text of [gap.first, gap.second]) {
		const { trace, hops } = Clock.parse(text);
		const own = hops.at(-1);
		assert.ok(own);
		const sender = Clock.fromTracestate(gap.member, trace);
		const strand = Strand.start({ ...own, sender });
		assert.equal(strand.clock.format(), text);
	}
	each(gap.orders, ([a, b, order]) => {
		assert.equal(Clock.parse(gap[a]).compare(Clock.parse(gap[b])), order);
	});
});
