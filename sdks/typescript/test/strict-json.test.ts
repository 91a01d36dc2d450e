import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseStrictJson } from "../src/strict-json.js";

test("what is no JSON stays none, whatever numbers stand in it", () => {
	for (const text of [
		"-0e1e5",
		"--1.5",
		"1.5.2",
		"1e5.3",
		"01",
		"-00",
		"1.",
		".5",
		"1e",
		"+1",
		"1 2",
		'"1.5',
		"1.5e",
		"",
		"NaN",
	]) {
		assert.equal(parseStrictJson(text, 32), undefined, text);
		assert.equal(parseStrictJson(`[${text},1.5,"1e9"]`, 32), undefined, text);
	}
	const near = fc.array(
		fc.constantFrom(
			"0",
			"1",
			"9",
			"-",
			"+",
			".",
			"e",
			"E",
			'"',
			"\\",
			",",
			"[",
			"]",
		),
		{ maxLength: 12 },
	);
	fc.assert(
		fc.property(near, (parts) => {
			const text = parts.join("");
			const isJson = accepted(text);
			if (!isJson) assert.equal(parseStrictJson(text, 32), undefined, text);
		}),
		{ numRuns: 20_000 },
	);
});

function accepted(text: string): boolean {
	try {
		JSON.parse(text);
		return true;
	} catch {
		return false;
	}
}

test("numbers that are not written as whole ones are not, and none is infinite", () => {
	assert.deepEqual(parseStrictJson('[3, 3.0, 3e0, -2, "3.0"]', 32), [
		3,
		0.5,
		0.5,
		-2,
		"3.0",
	]);
	assert.equal(parseStrictJson("[1e400]", 32), undefined);
	assert.equal(parseStrictJson(`[${"9".repeat(400)}]`, 32), undefined);
});

test("levels are counted, and text is well-formed", () => {
	const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
	assert.ok(parseStrictJson(nested(32), 32));
	assert.equal(parseStrictJson(nested(33), 32), undefined);
	assert.equal(parseStrictJson(nested(100_000), 32), undefined);
	assert.equal(parseStrictJson('["\\ud800"]', 32), undefined);
	assert.equal(parseStrictJson('{"\\udc00":1}', 32), undefined);
	assert.deepEqual(parseStrictJson('{"a":1,"a":2}', 32), { a: 2 });
});
