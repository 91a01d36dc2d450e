import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import express from "express";
import {
	corsHeaders,
	STATUS_PATH,
	statusHandler,
	towline,
	withTowline,
	wrapFetch,
} from "../src/index.js";
import { CLOCK, instance, listen, TRACEPARENT } from "./servers.js";

const PACKAGE = new URL("../../package.json", import.meta.url);

test("the status tells settings and counters, in Express and without it, and no secret", async (t) => {
	const { towline: own } = instance({
		serviceName: "stock",
		probe: "s3cret",
		propagateTo: ["example.com", "10.0.0.0/8"],
		propagators: ["tracecontext", "b3"],
		trust: () => "continue",
		deadlines: true,
	});
	const app = express();
	app.use(STATUS_PATH, statusHandler(own));
	app.use(towline(own));
	const status = statusHandler(own);
	const plain = withTowline((req, res) => {
		if (req.url === STATUS_PATH) status(req, res);
		else res.end();
	}, own);
	for (const listener of [app, plain]) {
		const url = await listen(t, listener);
		const answer = await fetch(url + STATUS_PATH);
		assert.equal(answer.status, 200);
		assert.equal(answer.headers.get("content-type"), "application/json");
		assert.equal(answer.headers.get("cache-control"), "no-store");
		const text = await answer.text();
		assert.ok(!text.includes("s3cret"));
		const { uptime_ms, counters, ...said } = JSON.parse(text);
		assert.ok(Number.isInteger(uptime_ms) && uptime_ms >= 0);
		assert.equal(typeof counters.received, "number");
		assert.deepEqual(said, {
			towline: JSON.parse(readFileSync(PACKAGE, "utf8")).version,
			language: "typescript",
			service: "stock",
			instance: "1",
			settings: {
				disabled: false,
				clock: "auto",
				tracestate: true,
				propagators: ["tracecontext", "b3"],
				propagate_to: "local, example.com, 10.0.0.0/8",
				traceparent_to: "*",
				sampled: true,
				trust: "function",
				trace_response: false,
				deadlines: true,
				hash_labels: false,
				probe: "token",
				header_bytes_max: 4096,
				levels_max: 64,
				forks_max: 65536,
			},
		});
		const head = await fetch(url + STATUS_PATH, { method: "HEAD" });
		assert.deepEqual([head.status, await head.text()], [200, ""]);
		const post = await fetch(url + STATUS_PATH, { method: "POST" });
		assert.deepEqual(
			[post.status, post.headers.get("allow")],
			[405, "GET, HEAD"],
		);
	}
});

test("the summary says what became of requests and calls", async (t) => {
	const { towline: own } = instance();
	const back = await listen(
		t,
		withTowline((_req, res) => res.end(), own),
	);
	const plain = await listen(t, (_req, res) => res.end());
	const call = wrapFetch((input, init) =>
		String(input).includes("example.com")
			? Promise.resolve(new Response())
			: fetch(input, init),
	);
	const front = await listen(
		t,
		withTowline(async (_req, res) => {
			await call(back);
			await call(plain);
			await call("http://example.com/");
			res.end();
		}, own),
	);
	const clock = `${CLOCK}, broken`;
	const sent = [
		{ traceparent: TRACEPARENT, "raceway-clock": clock },
		{ traceparent: "no" },
		{},
	];
	for (const headers of sent) {
		await (
			await fetch(front, { headers: headers as Record<string, string> })
		).text();
	}
	await wrapFetch(fetch, own)(back);
	assert.deepEqual(own.counters.summary(), {
		received: 7,
		continued: 5,
		restarted: { malformed: 1, absent: 1 },
		cancelled: 0,
		clockDropped: { malformed: 1 },
		clockCut: 0,
		sent: 7,
		notSent: { withheld: 3 },
		noContext: 1,
		joined: 4,
		lost: { absent: 3 },
	});
});

test("a browser is told which headers it may send and read", () => {
	const { allow, expose } = corsHeaders();
	for (const name of [
		"traceparent",
		"tracestate",
		"raceway-clock",
		"baggage",
	]) {
		assert.ok(allow.includes(name));
	}
	assert.ok(
		expose.includes("raceway-clock") && expose.includes("traceresponse"),
	);
});
