import assert from "node:assert/strict";
import { once } from "node:events";
import {
	type ClientHttp2Session,
	connect,
	constants,
	createServer,
	type IncomingHttpHeaders,
	type OutgoingHttpHeaders,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import {
	current,
	type Http2Listener,
	type Towline,
	withTowline,
} from "../src/index.js";
import {
	CLOCK,
	instance,
	lastHop,
	TRACE_ID,
	TRACEPARENT,
	until,
} from "./servers.js";

const SENT = { traceparent: TRACEPARENT, "raceway-clock": CLOCK };
const ENDED = /^ts#1\/[0-9a-f]{8}:\d+;e$/;
const RUNNING = /^ts#1\/[0-9a-f]{8}:\d+$/;

/** A session with a server of HTTP/2, both stopped with the test. */
async function session(
	t: TestContext,
	own: Towline,
	listener: Http2Listener,
): Promise<ClientHttp2Session> {
	const server = createServer(withTowline(listener, own));
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	const client = connect(`http://127.0.0.1:${port}`);
	t.after(() => {
		client.destroy();
		server.close();
	});
	return client;
}

/** One request; gives the head and the trailers of its answer. */
async function ask(client: ClientHttp2Session, path: string, headers = SENT) {
	const stream = client.request({ ":path": path, ...headers });
	let trailers: IncomingHttpHeaders = {};
	stream.on("trailers", (fields: IncomingHttpHeaders) => {
		trailers = fields;
	});
	const [head] = (await once(stream, "response")) as [IncomingHttpHeaders];
	let body = "";
	for await (const chunk of stream) body += chunk;
	return { head, trailers, body };
}

test("HTTP/2: heads have the end's clock, or the clock so far and the end in a trailer", async (t) => {
	const { towline: own, recorder } = instance();
	const client = await session(t, own, async (req, res) => {
		const answers: Record<string, () => void | Promise<void>> = {
			"/end": () => void res.end("data"),
			"/length": () => {
				res.writeHead(200, { "Content-Length": "4" });
				res.end("data");
			},
			"/stream": async () => {
				res.writeHead(200, { "x-own": "1" });
				res.write("da");
				await new Promise(setImmediate);
				current()?.event();
				res.end("ta");
			},
			"/public": () => {
				res.writeHead(200, { "cache-control": "public" });
				res.end("data");
			},
			"/passed": () => {
				const list: unknown = [
					"Raceway-Clock",
					CLOCK,
					"x-own",
					"1",
					"x-own",
					"2",
				];
				res.writeHead(200, list as OutgoingHttpHeaders);
				res.end("data");
			},
		};
		await answers[req.url]?.();
	});
	for (const path of ["/end", "/length"]) {
		const { head, trailers, body } = await ask(client, path);
		assert.match(lastHop(String(head["raceway-clock"])), ENDED, path);
		assert.deepEqual([trailers["raceway-clock"], body], [undefined, "data"]);
	}
	const streamed = await ask(client, "/stream");
	assert.match(lastHop(String(streamed.head["raceway-clock"])), RUNNING);
	assert.equal(streamed.head["x-own"], "1");
	assert.match(lastHop(String(streamed.trailers["raceway-clock"])), /:3;e$/);
	const shared = await ask(client, "/public");
	assert.equal(shared.head["raceway-clock"], undefined);
	const passed = await ask(client, "/passed");
	assert.match(lastHop(String(passed.head["raceway-clock"])), RUNNING);
	assert.equal(passed.head["x-own"], "1, 2");
	await until(() => recorder.ended.length === 5);
	assert.ok(recorder.ended.every(({ outcome }) => outcome === "ok"));
	assert.ok(recorder.ended.every(({ traceId }) => traceId === TRACE_ID));
});

test("HTTP/2: streams of one session each have a context of their own", async (t) => {
	const { towline: own } = instance();
	const client = await session(t, own, async (_req, res) => {
		const before = current()?.traceId;
		await new Promise(setImmediate);
		res.end(`${before} ${current()?.traceId}`);
	});
	const asked = Array.from({ length: 20 }, async (_, i) => {
		const traceId = (i + 1).toString(16).padStart(32, "0");
		const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
		const { body } = await ask(client, "/", { ...SENT, traceparent });
		assert.equal(body, `${traceId} ${traceId}`);
	});
	await Promise.all(asked);
	assert.deepEqual(own.counters.summary().continued, 20);
});

test("HTTP/2: a stream that its caller resets is cancelled", async (t) => {
	const { towline: own, recorder } = instance();
	let signal: AbortSignal | undefined;
	const client = await session(t, own, (_req, res) => {
		signal = current()?.signal;
		res.write("some");
	});
	const stream = client.request({ ":path": "/", ...SENT });
	await once(stream, "response");
	stream.on("error", () => {});
	stream.close(constants.NGHTTP2_CANCEL);
	await until(() => recorder.ended.length === 1);
	assert.equal(recorder.ended[0]?.outcome, "cancelled");
	assert.equal(signal?.aborted, true);
});
