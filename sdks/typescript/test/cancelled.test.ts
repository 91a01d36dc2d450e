import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import express from "express";
import { current, fork, towline, withTowline } from "../src/index.js";
import { CLOCK, instance, listen, TRACEPARENT, until } from "./servers.js";

const SENT = { traceparent: TRACEPARENT, "raceway-clock": CLOCK };

test("a caller that goes is told to the handler, its forks, the observer and the counters", async (t) => {
	const { towline: own, recorder } = instance();
	const signals: AbortSignal[] = [];
	const app = express();
	app.use(towline(own));
	app.get("/", async () => {
		signals.push(current()?.signal as AbortSignal);
		signals.push((await fork(() => current()?.signal)) as AbortSignal);
	});
	const url = await listen(t, app);
	const abort = new AbortController();
	const answer = fetch(url, { headers: SENT, signal: abort.signal });
	await until(() => signals.length === 2);
	assert.ok(signals.every(({ aborted }) => !aborted));
	abort.abort();
	await assert.rejects(answer);
	await until(() => recorder.ended.length === 2);
	assert.ok(signals.every(({ aborted }) => aborted));
	assert.equal(signals[0]?.reason.name, "AbortError");
	assert.equal(recorder.ended.at(-1)?.outcome, "cancelled");
	assert.equal(own.counters.get("cancelled"), 1);
	assert.equal(own.counters.summary().cancelled, 1);
});

test("who asks only after the caller has gone is told at once; an answer that is complete aborts nothing", async (t) => {
	const { towline: own, recorder } = instance();
	const contexts: NonNullable<ReturnType<typeof current>>[] = [];
	const url = await listen(
		t,
		withTowline((req, res) => {
			const context = current();
			assert.ok(context);
			contexts.push(context);
			if (req.url === "/done") res.end(`${context.signal.aborted}`);
			else res.write("some");
		}, own),
	);
	const abort = new AbortController();
	await fetch(url, { headers: SENT, signal: abort.signal });
	abort.abort();
	await until(() => recorder.ended.length === 1);
	assert.equal(contexts[0]?.signal.aborted, true);
	assert.equal(await (await fetch(`${url}/done`)).text(), "false");
	await until(() => recorder.ended.length === 2);
	assert.equal(contexts[1]?.signal.aborted, false);
	assert.deepEqual(
		recorder.ended.map(({ outcome }) => outcome),
		["cancelled", "ok"],
	);
});

test("a caller that resets its connection in the middle of an upload is cancelled", async (t) => {
	const { towline: own, recorder } = instance();
	let received = 0;
	const url = new URL(
		await listen(
			t,
			withTowline((req) => {
				req.on("data", (chunk: Buffer) => {
					received += chunk.length;
				});
				req.on("error", () => {});
			}, own),
		),
	);
	const socket = connect(Number(url.port), "127.0.0.1");
	socket.on("error", () => {});
	socket.write(
		`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\ntraceparent: ${TRACEPARENT}\r\n\r\n`,
	);
	socket.write(Buffer.alloc(1000));
	await until(() => received === 1000);
	socket.resetAndDestroy();
	await until(() => recorder.ended.length === 1);
	assert.equal(recorder.ended[0]?.outcome, "cancelled");
	assert.deepEqual(
		[own.counters.get("strand_start"), own.counters.get("strand_end")],
		[1, 1],
	);
});
