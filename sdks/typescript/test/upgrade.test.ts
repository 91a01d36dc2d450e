import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import {
	type Context,
	current,
	perMessage,
	type Towline,
	withTowlineUpgrade,
	wrapFetch,
} from "../src/index.js";
import {
	CLOCK,
	instance,
	listen,
	TRACE_ID,
	TRACEPARENT,
	until,
} from "./servers.js";

/** A WebSocket server; `connected` is run for each connection. */
async function sockets(
	t: TestContext,
	own: Towline,
	connected: (socket: WebSocket) => void,
): Promise<string> {
	const wss = new WebSocketServer({ noServer: true });
	const server = createServer();
	const upgrade = withTowlineUpgrade((req, socket, head) => {
		wss.handleUpgrade(req, socket, head, connected);
	}, own);
	server.on("upgrade", upgrade);
	t.after(() => {
		for (const socket of wss.clients) socket.terminate();
	});
	return (await listen(t, server)).replace("http:", "ws:");
}

const SENT = { traceparent: TRACEPARENT, "raceway-clock": CLOCK };

test("a WebSocket connection is one strand; a message is one by perMessage", async (t) => {
	const { towline: own, recorder } = instance();
	const seen: (Context | undefined)[] = [];
	const url = await sockets(t, own, (socket) => {
		seen.push(current());
		socket.on("message", (data) => {
			seen.push(current());
			socket.send(String(data));
		});
		const each = perMessage(() => void seen.push(current()));
		socket.on("message", each);
	});
	const socket = new WebSocket(url, { headers: SENT });
	await once(socket, "open");
	for (const text of ["one", "two"]) {
		socket.send(text);
		await once(socket, "message");
	}
	const [connection, first, inFirst, second, inSecond] = seen;
	assert.ok(connection && inFirst && inSecond);
	assert.equal(connection.traceId, TRACE_ID);
	assert.deepEqual([first, second], [connection, connection]);
	assert.deepEqual(
		[inFirst.parentId, inSecond.parentId, inFirst.spanId === inSecond.spanId],
		[connection.spanId, connection.spanId, false],
	);
	assert.equal(recorder.ended.length, 2); // the messages
	socket.close();
	await until(() => recorder.ended.length === 3);
	const last = recorder.ended.at(-1);
	assert.deepEqual([last?.spanId, last?.outcome], [connection.spanId, "ok"]);
	assert.equal(own.counters.get("strand_start"), 3);
});

test("calls that messages make belong to the connection's trace, whoever is served meanwhile", async (t) => {
	const { towline: own } = instance();
	const traces: string[] = [];
	const back = await listen(t, (req, res) => {
		traces.push(String(req.headers.traceparent).slice(3, 35));
		res.end();
	});
	const call = wrapFetch(fetch, own);
	const url = await sockets(t, own, (socket) => {
		socket.on(
			"message",
			perMessage(async () => {
				await (await call(back)).text();
				socket.send("done");
			}),
		);
	});
	const ids = ["1", "2", "3"].map((digit) => digit.repeat(32));
	const clients = ids.map((id) => {
		const traceparent = `00-${id}-b7ad6b7169203331-01`;
		return new WebSocket(url, { headers: { traceparent } });
	});
	await Promise.all(clients.map((client) => once(client, "open")));
	for (let round = 0; round < 3; round++) {
		const answers = clients.map((client) => once(client, "message"));
		for (const client of clients) client.send("go");
		await Promise.all(answers);
	}
	assert.deepEqual(traces.sort(), ids.flatMap((id) => [id, id, id]).sort());
	for (const client of clients) client.terminate();
});

test("an upgrade that is refused, or breaks, ends its strand", async (t) => {
	const { towline: own, recorder } = instance();
	const server = createServer();
	const refuse = withTowlineUpgrade((_req, socket) => {
		socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
	}, own);
	server.on("upgrade", refuse);
	const url = (await listen(t, server)).replace("http:", "ws:");
	const socket = new WebSocket(url, { headers: SENT });
	await once(socket, "unexpected-response");
	socket.on("error", () => {});
	socket.terminate();
	await until(() => recorder.ended.length === 1);
});
