import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
	Clock,
	ClockError,
	ClockV1,
	Strand,
	TraceContext,
} from "../src/index.js";
import { merge } from "../src/merge.js";
import { writeClock } from "../src/write-clock.js";
import { below, Program, type Random, random } from "./random-program.js";

const PROGRAMS = 60;

/** Does `work` for many random programs, and says which seed failed. */
function eachProgram(work: (program: Program, rng: Random) => void): void {
	for (let seed = 1; seed <= PROGRAMS; seed++) {
		try {
			work(new Program(random(seed), seed % 2 === 0), random(-seed));
		} catch (error) {
			throw new Error(`seed ${seed}`, { cause: error });
		}
	}
}

test("clocks of random programs order all pairs of events as reachability does", () => {
	let pairs = 0;
	eachProgram((program, rng) => {
		const { events } = program;
		const pasts = program.pasts();
		for (const b of events) {
			for (const a of events.slice(0, b.id)) {
				const truth = pasts[b.id]?.has(a.id) ? "before" : "concurrent";
				assert.equal(a.clock.compare(b.clock), truth, `${a.clock} ${b.clock}`);
				if (rng() < 0.1) {
					const turned = truth === "before" ? "after" : truth;
					assert.equal(b.clock.compare(a.clock), turned);
				}
				pairs++;
			}
		}
	});
	assert.ok(pairs > 50_000, `${pairs} pairs`);
});

test("clocks that were cut never give an order that is not there", () => {
	let unknown = 0;
	eachProgram((program, rng) => {
		const pasts = program.pasts();
		const cuts = program.events.map(({ clock }) => {
			const budget = Math.max(60, Math.floor(clock.format().length * 0.7));
			return cutOr(clock, budget);
		});
		for (let i = 0; i < 300; i++) {
			const b = below(rng, cuts.length);
			const a = below(rng, b + 1);
			const truth =
				a === b ? "equal" : pasts[b]?.has(a) ? "before" : "concurrent";
			const order = cuts[a]?.compare(cuts[b] as Clock);
			if (order === "unknown") unknown++;
			else assert.equal(order, truth, `${cuts[a]} ${cuts[b]}`);
		}
	});
	assert.ok(unknown > 0);
});

function cutOr(clock: Clock, budget: number): Clock {
	try {
		return Clock.parse(clock.cut(budget));
	} catch (error) {
		assert.ok(error instanceof ClockError);
		return clock;
	}
}

test("text and tree of a clock say the same, and merging is a least upper bound", () => {
	eachProgram(({ events }, rng) => {
		for (const { clock } of events) {
			const text = clock.format();
			const read = Clock.parse(text, undefined, { bytes: 1 << 20 });
			assert.equal(writeClock(read), text);
			assert.equal(read.compare(clock), "equal");
			const short = clock.toTracestate();
			if (short !== undefined) {
				const again = Clock.fromTracestate(short, clock.trace);
				assert.deepEqual(again.root, read.root);
			}
		}
		for (let i = 0; i < 50; i++) {
			const a = events[below(rng, events.length)]?.clock as Clock;
			const b = events[below(rng, events.length)]?.clock as Clock;
			const ab = merge(a.root, b.root);
			assert.deepEqual(merge(b.root, a.root), ab);
			assert.deepEqual(merge(ab, b.root), merge(ab, ab));
		}
	});
});

/** Text that is nearly a clock. */
const nearClock = fc
	.tuple(
		fc.integer(),
		fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.string({ maxLength: 3 })), {
			maxLength: 3,
		}),
	)
	.map(([seed, edits]) => {
		const { events } = new Program(random(seed), false, 3);
		let text = events[Math.abs(seed) % events.length]?.clock.format() ?? "";
		for (const [at, gone, put] of edits) {
			const from = at % (text.length + 1);
			text = text.slice(0, from) + put + text.slice(from + gone);
		}
		return text;
	});

const pieces = fc
	.array(
		fc.constantFrom(
			"v2;t=1c80319c",
			", ",
			",",
			"a#1/00000001:3",
			";e",
			";l",
			";d",
			";g",
			";f=2",
			';x="',
			'"',
			"1-3",
			"2.4(",
			")",
			"!",
			"~",
			"+",
			" ",
			"%C3%BC",
			"2147483648",
			"(1.1",
			"é",
			"\u0000",
		),
		{ maxLength: 30 },
	)
	.map((parts) => parts.join(""));

test("no text breaks a reader, and what is read is read again from what is written", () => {
	const hostile = fc.oneof(
		nearClock,
		pieces,
		pieces.map((p) => `v2;t=1c80319c, a#1/00000001:9;x="${p}"`),
		fc.string({ unit: "binary" }),
	);
	fc.assert(
		fc.property(hostile, (text) => {
			const clock = accepted(() => Clock.parse(text));
			if (clock) {
				const canonical = clock.format();
				assert.equal(
					Clock.parse(canonical, undefined, { bytes: 1 << 20 }).format(),
					canonical,
				);
				assert.equal(writeClock(clock), canonical);
				assert.equal(clock.compare(clock), "equal");
				const strand = Strand.start({
					service: "s",
					instance: "i",
					nonce: "00000009",
					sender: clock,
				});
				assert.equal(
					writeClock(
						Clock.parse(strand.clock.format(), undefined, {
							bytes: 1 << 20,
							levels: 65,
						}),
					),
					strand.clock.format(),
				);
			}
			accepted(() => Clock.fromTracestate(text, "1c80319c"));
			accepted(() => ClockV1.read(text, "0".repeat(32)));
			accepted(() =>
				ClockV1.read(
					`v1;${Buffer.from(text).toString("base64url")}`,
					"0".repeat(32),
				),
			);
		}),
		{ numRuns: 3000 },
	);
});

function accepted<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch (error) {
		assert.ok(error instanceof ClockError, String(error));
		return undefined;
	}
}

test("comparing is antisymmetric for whatever is read", () => {
	const turned: Record<string, string> = { before: "after", after: "before" };
	fc.assert(
		fc.property(
			fc.integer(),
			fc.nat(),
			fc.nat(),
			fc.boolean(),
			(seed, i, j, isCut) => {
				const { events } = new Program(random(seed), false);
				const a = events[i % events.length]?.clock as Clock;
				const whole = events[j % events.length]?.clock as Clock;
				const b = isCut ? cutOr(whole, 60) : whole;
				const order = a.compare(b);
				assert.equal(b.compare(a), turned[order] ?? order);
			},
		),
		{ numRuns: 300 },
	);
});

test("no tracestate breaks the reader, and the members of others are not changed", () => {
	const part = fc.oneof(
		fc.constantFrom(
			"a=1",
			"towline=a3f9c21b:2x2",
			"b@c=x y",
			"=",
			"A=1",
			"k=",
			" ",
			"\t",
			"",
			"a=1=2",
			"é=1",
		),
		fc.string({ maxLength: 300 }),
	);
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	fc.assert(
		fc.property(
			fc.array(fc.array(part, { maxLength: 20 }), { maxLength: 4 }),
			(fields) => {
				const values = fields.map((parts) => parts.join(","));
				const read = TraceContext.read([
					["traceparent", parent],
					...values.map((value) => ["tracestate", value] as const),
				]);
				assert.ok(typeof read !== "string");
				const list = read.tracestate();
				const again = TraceContext.read([
					["traceparent", parent],
					["tracestate", list ?? ""],
				]);
				assert.ok(typeof again !== "string");
				assert.deepEqual(again.members, read.members);
				const own = read.tracestate("77b0e190:4");
				if (own?.startsWith("towline=")) assert.ok(own.length <= 512);
				else assert.equal(own, list);
			},
		),
		{ numRuns: 1000 },
	);
});

test("no traceparent breaks the reader, and one that is read is 55 long and more", () => {
	const near = fc
		.tuple(fc.nat(60), fc.nat(2), fc.string({ maxLength: 2 }))
		.map(([at, gone, put]) => {
			const text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
			return text.slice(0, at) + put + text.slice(at + gone);
		});
	fc.assert(
		fc.property(fc.oneof(near, fc.string()), (value) => {
			const read = TraceContext.read([["traceparent", value]]);
			if (typeof read === "string") return;
			assert.match(
				value.trim(),
				/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-|$)/,
			);
			assert.match(read.traceId + read.parentId, /^[0-9a-f]{48}$/);
		}),
		{ numRuns: 2000 },
	);
});
