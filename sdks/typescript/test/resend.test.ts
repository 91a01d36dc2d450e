import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import { test } from "node:test";
import * as undici7 from "undici";
import * as undici6 from "undici6";
import { wrapFetch } from "../src/index.js";
import { interceptor } from "../src/undici.js";
import { inRequest } from "./exchange.js";
import { instance, listen, TRACEPARENT } from "./servers.js";

const CAME = { traceparent: TRACEPARENT, baggage: "came=1" };

/** Answers what it is told, in turn; keeps what it was asked. */
function answers(...list: [status: number, location?: string][]) {
	const seen: IncomingHttpHeaders[] = [];
	const listener = (
		req: { headers: IncomingHttpHeaders },
		res: import("node:http").ServerResponse,
	) => {
		const [status = 200, location] = list[seen.length] ?? [];
		seen.push(req.headers);
		res.writeHead(status, location ? { location } : {}).end("x");
	};
	return { seen, listener };
}

for (const [version, undici] of [
	["7", undici7],
	["6", undici6 as unknown as typeof undici7],
] as const) {
	const { Agent, interceptors } = undici;

	test(`undici ${version}: each retry is an attempt that knows how many went before it`, async (t) => {
		const { seen, listener } = answers([503], [503], [200]);
		const url = await listen(t, listener);
		const { towline: own, recorder } = instance();
		const plain = new Agent();
		const dispatcher = plain.compose(
			interceptor(),
			interceptors.retry({ minTimeout: 1, maxTimeout: 1 }),
		);
		await inRequest(own, CAME, async () => {
			const { body } = await undici.request(url, { dispatcher });
			await body.dump();
		});
		await plain.close();
		assert.deepEqual(
			recorder.sent.map(({ resendCount }) => resendCount),
			[0, 1, 2],
		);
		assert.deepEqual(
			recorder.answered.map(({ resendCount, status }) => [resendCount, status]),
			[
				[0, 503],
				[1, 503],
				[2, 200],
			],
		);
		assert.equal(new Set(seen.map((headers) => headers.traceparent)).size, 3);
	});

	test(`undici ${version}: a redirect to a host outside carries no clock and no baggage, also not the application's`, async (t) => {
		const outside = answers([200]);
		const outsideUrl = (await listen(t, outside.listener)).replace(
			"127.0.0.1",
			"outside.example",
		);
		const { seen, listener } = answers([302, outsideUrl]);
		const url = await listen(t, listener);
		const { towline: own, recorder } = instance();
		const plain = new Agent({
			connect: {
				lookup: (_host: string, _options: unknown, done: unknown) =>
					(done as (e: null, a: object[]) => void)(null, [
						{ address: "127.0.0.1", family: 4 },
					]),
			},
		});
		const dispatcher = plain.compose(
			interceptor(),
			interceptors.redirect({ maxRedirections: 3 }),
		);
		await inRequest(own, CAME, async () => {
			for (const headers of [{}, { baggage: "mine=1", "towline-probe": "t" }]) {
				seen.length = 0;
				const { body } = await undici.request(url, { dispatcher, headers });
				await body.dump();
			}
		});
		await plain.close();
		assert.equal(seen[0]?.baggage, "mine=1");
		assert.equal(outside.seen.length, 2);
		for (const headers of outside.seen) {
			assert.match(String(headers.traceparent), /^00-/);
			for (const name of [
				"raceway-clock",
				"baggage",
				"towline-probe",
				"tracestate",
			]) {
				assert.equal(headers[name], undefined, name);
			}
		}
		assert.deepEqual(
			recorder.sent.map(({ resendCount }) => resendCount),
			[0, 1, 0, 1],
		);
	});

	test(`undici ${version}: a late answer of an attempt that was given up is not joined`, async (t) => {
		const { towline: own, recorder } = instance();
		const url = await listen(t, () => {});
		const plain = new Agent();
		const dispatcher = plain.compose(interceptor());
		await inRequest(own, CAME, async () => {
			const abort = new AbortController();
			const options = { dispatcher, signal: abort.signal };
			const answer = undici.request(url, options);
			abort.abort();
			await assert.rejects(answer);
		});
		await plain.destroy();
		assert.deepEqual(
			recorder.answered.map(({ outcome }) => outcome),
			["cancelled"],
		);
		assert.equal(own.counters.summary().joined, 0);
	});
}

test("fetch: redirects count, and none carries what its host may not have", async () => {
	const asked: Headers[] = [];
	const fake: typeof fetch = async (input, init) => {
		asked.push(new Headers(init?.headers));
		const next = ["http://localhost/b", "http://outside.example/c"];
		const location = next[asked.length - 1];
		void input;
		return location === undefined
			? new Response("x")
			: new Response(null, { status: 307, headers: { location } });
	};
	const { towline: own, recorder } = instance();
	await inRequest(own, CAME, () =>
		wrapFetch(fake)("http://localhost/a", { headers: { baggage: "mine=1" } }),
	);
	assert.deepEqual(
		recorder.sent.map(({ resendCount, host }) => [resendCount, host]),
		[
			[0, "localhost"],
			[1, "localhost"],
			[2, "outside.example"],
		],
	);
	assert.deepEqual(
		asked.map((headers) => headers.get("baggage")),
		["mine=1", "mine=1", null],
	);
	assert.equal(asked[2]?.get("raceway-clock"), null);
});
