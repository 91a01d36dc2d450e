import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { test } from "node:test";
import * as undici7 from "undici";
import * as undici6 from "undici6";
import { withContext, withTowline, wrapFetch } from "../src/index.js";
import { interceptor } from "../src/undici.js";
import { instance, lastHop, listen } from "./servers.js";

const versions = [
	["7", undici7],
	["6", undici6 as unknown as typeof undici7],
] as const;

for (const [version, undici] of versions) {
	const { Agent, Client, interceptors, request, stream } = undici;

	/** Runs `work` with an agent of ours in a context; gives what was told. */
	const inContext = async (
		work: (agent: undici7.Dispatcher, stamp: () => string) => Promise<void>,
		above: undici7.Dispatcher.DispatcherComposeInterceptor[] = [],
	) => {
		const told = instance();
		const agent = new Agent().compose(interceptor(), ...above);
		const context = told.towline.newTrace("server");
		await withContext(context, () =>
			work(agent, () => context.stamp().format()),
		);
		await agent.close();
		return told;
	};

	test(`undici ${version}: headers in every form are sent on, ours replaced; the answer is received`, async (t) => {
		let seen: IncomingHttpHeaders = {};
		const listener = withTowline(
			(req, res) => {
				seen = req.headers;
				res.end("data");
			},
			instance({ serviceName: "callee" }).towline,
		);
		const url = await listen(t, listener);
		const forms: (
			| undici7.Dispatcher.RequestOptions["headers"]
			| null
			| undefined
		)[] = [
			undefined,
			null,
			{ own: "1", Traceparent: "mine" },
			["own", "1", "raceway-clock", "mine"],
			new Map([
				["own", "1"],
				["TRACESTATE", "mine"],
			]),
		];
		const { recorder } = await inContext(async (agent, stamp) => {
			for (const headers of forms) {
				const { body, statusCode } = await request(url, {
					dispatcher: agent,
					headers: headers as never,
				});
				assert.equal(statusCode, 200);
				assert.equal(await body.text(), "data");
				assert.equal(seen.own, headers ? "1" : undefined);
				assert.match(
					String(seen.traceparent),
					/^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/,
				);
				assert.match(
					String(seen["raceway-clock"]),
					/^v2;t=[0-9a-f]{8}, ts#1\/[0-9a-f]{8}:\d+;x="\d+"$/,
				);
				assert.match(String(seen.tracestate), /^towline=[0-9a-f]{8}:\d+x\d+$/);
				assert.match(lastHop(stamp()), /:\d+$/);
			}
		});
		assert.deepEqual(
			recorder.answered.map((e) => [e.outcome, e.status]),
			forms.map(() => ["ok", 200]),
		);
		assert.equal(
			new Set(recorder.sent.map((e) => e.spanId)).size,
			forms.length,
		);
	});

	test(`undici ${version}: the callee's end comes in the trailer of a streamed body`, async (t) => {
		let end = () => {};
		const url = await listen(
			t,
			withTowline(
				(_req, res) => {
					res.write("a");
					end = () => res.end("b");
				},
				instance({ serviceName: "callee" }).towline,
			),
		);
		const { recorder } = await inContext(async (agent, stamp) => {
			const { body, headers, trailers } = await request(url, {
				dispatcher: agent,
			});
			assert.match(
				lastHop(String(headers["raceway-clock"])),
				/^callee#1\/.{8}:1$/,
			);
			assert.match(lastHop(stamp()), /:3;x="2\.1"$/);
			end();
			assert.equal(await body.text(), "ab");
			assert.match(
				lastHop(trailers["raceway-clock"] ?? ""),
				/^callee#1\/.{8}:2;e$/,
			);
			assert.match(lastHop(stamp()), /:4$/);
		});
		assert.deepEqual(
			recorder.answered.map((e) => e.outcome),
			["ok"],
		);
		assert.deepEqual(recorder.dropped, []);
	});

	test(`undici ${version}: a body that breaks off is lost; no answer leaves the fork open`, async (t) => {
		let isBroken = true;
		const server = createServer(
			withTowline(
				(req, res) => {
					if (req.url === "/none") req.socket.destroy();
					else {
						res.write("a", () => isBroken && req.socket.destroy());
					}
				},
				instance({ serviceName: "callee" }).towline,
			),
		);
		const url = await listen(t, server);
		const { recorder } = await inContext(async (agent, stamp) => {
			const { body } = await request(url, { dispatcher: agent });
			await assert.rejects(body.text());
			assert.match(lastHop(stamp()), /:3;x="2\.1~"$/);
			await assert.rejects(request(`${url}/none`, { dispatcher: agent }));
			assert.match(lastHop(stamp()), /:4;x="2\.1~ 4"$/);
			isBroken = false;
			const abort = new AbortController();
			const waiting = await request(url, {
				dispatcher: agent,
				signal: abort.signal,
			});
			abort.abort();
			await assert.rejects(waiting.body.text());
			const given = request(url, {
				dispatcher: agent,
				signal: AbortSignal.abort(),
			});
			await assert.rejects(given);
		});
		assert.deepEqual(
			recorder.answered.slice(0, 3).map((e) => e.outcome),
			["ok", "error", "ok"],
		);
		assert.deepEqual(
			recorder.answered.slice(3).map((e) => e.outcome),
			recorder.sent.slice(3).map(() => "cancelled"),
		);
	});

	test(`undici ${version}: retries and redirects above it are attempts of their own`, async (t) => {
		const seen: [string | undefined, unknown][] = [];
		const url = await listen(t, (req, res) => {
			seen.push([req.url, req.headers.traceparent]);
			if (req.url === "/end") res.end("end");
			else if (seen.length === 1) res.writeHead(503).end();
			else res.writeHead(302, { location: "/end" }).end();
		});
		const above = [
			interceptors.retry({ minTimeout: 1 }),
			interceptors.redirect({ maxRedirections: 3 }),
		];
		const { recorder } = await inContext(async (agent) => {
			const { body } = await request(`${url}/start`, { dispatcher: agent });
			assert.equal(await body.text(), "end");
		}, above);
		assert.deepEqual(
			seen.map(([path]) => path),
			["/start", "/start", "/end"],
		);
		assert.equal(new Set(seen.map(([, parent]) => parent)).size, 3);
		assert.deepEqual(
			recorder.answered.map((e) => e.status),
			[503, 302, 200],
		);
	});

	test(`undici ${version}: below a wrapped fetch, an attempt has one span; streams and clients work`, async (t) => {
		const seen: unknown[] = [];
		const url = await listen(t, (req, res) => {
			seen.push(req.headers.traceparent);
			res.end("data");
		});
		const { recorder, towline } = await inContext(async (agent) => {
			const traced = wrapFetch(undici.fetch as unknown as typeof fetch);
			const response = await traced(url, {
				dispatcher: agent,
			} as unknown as RequestInit);
			assert.equal(await response.text(), "data");
			assert.equal(seen.length, 1);
			const { Writable } = await import("node:stream");
			await stream(
				url,
				{ dispatcher: agent, method: "GET" },
				() => new Writable({ write: (_chunk, _encoding, done) => done() }),
			);
			const client = new Client(url).compose(interceptor(undefined, url));
			await (await client.request({ path: "/", method: "GET" })).body.dump();
			await client.close();
		});
		assert.equal(recorder.sent.length, 3);
		assert.equal(new Set(seen).size, 3);
		assert.ok(recorder.sent.every((e) => url.endsWith(e.host) && e.clock));
		assert.equal(towline.counters.get("call_sent"), 3);
	});
}

test("undici: what would follow redirects below is followed here", async (t) => {
	const { Agent, interceptors, request } = undici7;
	const seen: unknown[] = [];
	const url = await listen(t, (req, res) => {
		seen.push(req.headers.traceparent);
		if (req.url === "/end") res.end();
		else res.writeHead(302, { location: "/end" }).end();
	});
	const { towline, recorder } = instance();
	const agent = new Agent().compose(
		interceptors.redirect(),
		interceptor(towline),
	);
	const options = { dispatcher: agent, maxRedirections: 2 } as Parameters<
		typeof request
	>[1];
	const { statusCode, body } = await request(url, options);
	await body.dump();
	assert.equal(statusCode, 200);
	assert.equal(new Set(seen).size, 2);
	assert.deepEqual(
		recorder.answered.map((e) => e.status),
		[302, 200],
	);
});

test("undici: disabled, a request is what it was", async (t) => {
	const url = await listen(t, (req, res) =>
		res.end(JSON.stringify(Object.keys(req.headers))),
	);
	const agent = new undici7.Agent().compose(
		interceptor({ disabled: true, log: () => {} }),
	);
	const { body } = await undici7.request(url, { dispatcher: agent });
	assert.deepEqual(await body.json(), ["host", "connection"]);
});
