import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock, ClockError, LIMITS, Strand } from "../src/index.js";
import type { SentStamp } from "../src/strand.js";
import { below, random } from "./random-program.js";

const NONCE = "1f8a5858";

function first(): Strand {
	return Strand.start({
		service: "a",
		instance: "1",
		nonce: NONCE,
		trace: "1c80319c",
	});
}

function sent(strand: Strand): SentStamp {
	const stamp = strand.sendStamp(LIMITS);
	assert.ok(typeof stamp !== "string");
	return stamp;
}

/** The answer of a callee that did nothing else. */
function answerTo({ header }: SentStamp): string {
	return Strand.start({
		service: "b",
		instance: "1",
		nonce: "00000009",
		sender: Clock.parse(header),
	})
		.end()
		.format();
}

/** Answers all of `calls`, in a random order. */
function answerAll(
	strand: Strand,
	calls: SentStamp[],
	answers: string[],
): void {
	const rng = random(calls.length);
	const order = calls.map((_, i) => i).sort(() => rng() - 0.5);
	for (const i of order) {
		assert.equal(
			strand.receiveAnswer(calls[i] as SentStamp, answers[i] ?? "", LIMITS),
			true,
		);
	}
}

test("calls that were joined cost nothing: ten thousand one after the other", () => {
	const strand = first();
	for (let i = 0; i < 10_000; i++) {
		const call = sent(strand);
		assert.ok(call.header.length < 60);
		assert.equal(strand.receiveAnswer(call, answerTo(call), LIMITS), true);
	}
	assert.equal(strand.clock.format(), `v2;t=1c80319c, a#1/${NONCE}:20001`);
});

test("calls in flight at once are one range, and each act costs the same however many there are", () => {
	const costs = [1_000, 10_000].map((count) => {
		const strand = first();
		const calls = Array.from({ length: count }, () => sent(strand));
		assert.equal(
			calls.at(-1)?.header,
			`v2;t=1c80319c, a#1/${NONCE}:${count + 1};x="2-${count + 1}"`,
		);
		const answers = calls.map(answerTo);
		const start = process.cpuUsage();
		answerAll(strand, calls, answers);
		const { user, system } = process.cpuUsage(start);
		assert.equal(
			strand.clock.format(),
			`v2;t=1c80319c, a#1/${NONCE}:${2 * count + 1}`,
		);
		return (user + system) / count;
	});
	const [few = 0, many = 0] = costs;
	// Microseconds for one answer; a list of all forks would cost ten times as much.
	assert.ok(many < 5 * few + 20, `${few} and ${many} us`);
});

test("calls that are sent while thousands are in flight, with gaps, are cut as the model cuts", () => {
	const strand = first();
	const rng = random(5);
	const flying: SentStamp[] = [];
	let cuts = 0;
	const start = process.cpuUsage();
	for (let i = 0; i < 20_000; i++) {
		if (flying.length < 4_000 || rng() < 0.5) {
			const call = sent(strand);
			if (call.isCut) cuts++;
			if (i % 997 === 0) assert.equal(call.header, strand.clock.cut());
			flying.push(call);
			continue;
		}
		const [call] = flying.splice(below(rng, flying.length), 1);
		const ended = call && strand.receiveAnswer(call, answerTo(call), LIMITS);
		assert.equal(ended, true);
	}
	const { user, system } = process.cpuUsage(start);
	assert.ok(cuts > 1_000, `${cuts} cuts`);
	assert.ok(user + system < 20_000_000, `${(user + system) / 1e6} s`);
});

test("a header that names 65,536 forks makes no 65,536 objects", () => {
	const header = `v2;t=1c80319c, a#1/${NONCE}:70000;x="1-65536"`;
	const before = process.memoryUsage().heapUsed;
	const clocks = Array.from({ length: 200 }, () => Clock.parse(header));
	const merged = Strand.start({
		service: "b",
		instance: "",
		nonce: NONCE,
		sender: clocks[0],
	});
	for (const clock of clocks) merged.receive(clock);
	assert.ok(process.memoryUsage().heapUsed - before < 20_000_000);
	assert.ok(
		merged.clock
			.format()
			.startsWith(`v2;t=1c80319c, a#1/${NONCE}:70000;x="1-65536", b#`),
	);
});

test("a fork that is over the limits is not opened: the call is a plain event", () => {
	const deep = (level: number): Strand =>
		level === 1
			? first()
			: Strand.start({
					service: "a",
					instance: "1",
					nonce: NONCE,
					sender: deep(level - 1).send(),
				});
	const strand = deep(64);
	assert.ok(typeof strand.sendStamp(LIMITS) !== "string");
	const below64 = Strand.start({
		service: "a",
		instance: "1",
		nonce: NONCE,
		sender: strand.send(),
	});
	assert.equal(below64.sendStamp(LIMITS), "over_limits");
	assert.equal(below64.clock.format().split(", ").at(-1), `a#1/${NONCE}:2`);
	assert.equal(first().sendStamp({ ...LIMITS, bytes: 20 }), "too_long");
});

test("an answer that is given twice, or after the end, changes nothing that it should not", () => {
	const strand = first();
	const call = sent(strand);
	const answer = answerTo(call);
	strand.receiveAnswer(call, answer, LIMITS);
	strand.receiveAnswer(call, answer, LIMITS);
	assert.equal(strand.clock.format(), `v2;t=1c80319c, a#1/${NONCE}:4`);
	const late = sent(strand);
	const end = strand.end().format();
	assert.equal(strand.receiveAnswer(late, answerTo(late), LIMITS), true);
	strand.lost(late.tick);
	assert.equal(strand.clock.format(), end);
	for (const act of [
		() => strand.event(),
		() => strand.send(),
		() => strand.end(),
		() => strand.receive(Clock.parse(answer)),
	]) {
		assert.throws(
			act,
			(error) => error instanceof ClockError && error.reason === "ended",
		);
	}
});

test("labels are cleaned and quoted as they are written", () => {
	const labels: [string, string, string][] = [
		["", "", "_#"],
		["a\nb", "\u0085", "a_b#_"],
		["ünï", "10.0.0.3:80", "%C3%BCn%C3%AF#10.0.0.3%3A80"],
		["😀", "\ud800", "%F0%9F%98%80#%EF%BF%BD"],
	];
	for (const [service, instance, written] of labels) {
		const text = Strand.start({
			service,
			instance,
			nonce: NONCE,
		}).clock.format();
		assert.equal(text, `v2;t=00000000, ${written}/${NONCE}:1`);
		assert.equal(Clock.parse(text).format(), text);
	}
});

test("a stamp does not change with its strand", () => {
	const strand = first();
	const call = sent(strand);
	const stamp = strand.clock;
	strand.receiveAnswer(call, answerTo(call), LIMITS);
	assert.equal(stamp.format(), call.header);
	assert.equal(
		JSON.stringify({ stamp }),
		JSON.stringify({ stamp: call.header }),
	);
	assert.equal(`${stamp}`, call.header);
});
