import assert from "node:assert/strict";
import { createServer as createTcpServer, type Socket } from "node:net";
import { test } from "node:test";
import * as undici7 from "undici";
import * as undici6 from "undici6";
import {
	current,
	detach,
	fork,
	type Towline,
	wrapFetch,
} from "../src/index.js";
import { interceptor } from "../src/undici.js";
import { inRequest } from "./exchange.js";
import { instance, listen, TRACEPARENT } from "./servers.js";

const SENT = { traceparent: TRACEPARENT };
const FAR = 99_999_999;

/** Within a request that leaves so many milliseconds. */
function within<T>(
	own: Towline,
	milliseconds: number,
	work: () => T | Promise<T>,
) {
	const headers = { ...SENT, "towline-timeout": `${milliseconds}` };
	return inRequest(own, headers, work);
}

test("the time that a caller gives is kept, by its forks too, and sent on lowered", async () => {
	const { towline: own } = instance({ deadlines: true });
	const { result } = await within(own, 60_000, async () => {
		const context = current();
		assert.ok(context);
		const own = context.remaining();
		const near = context.call("localhost").headers["towline-timeout"];
		const far = context.call("example.com").headers["towline-timeout"];
		return {
			own,
			near,
			far,
			forked: await fork(() => current()?.remaining()),
			detached: detach(() => current()?.remaining()),
			detachedCall: detach(() => current()?.call("localhost").headers),
		};
	});
	const { own: left, near, far, forked, detached, detachedCall } = result;
	assert.ok(left !== undefined && left > 1_000 && left <= 60_000);
	assert.ok(Number(near) <= left && /^[0-9]+$/.test(near ?? ""));
	assert.ok(forked !== undefined && forked <= left);
	assert.deepEqual([far, detached], [undefined, undefined]);
	assert.equal(detachedCall?.["towline-timeout"], undefined);
});

test("grpc-timeout is read, what cannot be read is counted, and nothing without the setting", async () => {
	const { towline: own, recorder } = instance({ deadlines: true });
	const left = () => current()?.remaining();
	const grpc = await inRequest(own, { ...SENT, "grpc-timeout": "1M" }, left);
	assert.ok((grpc.result ?? 0) > 1_000 && (grpc.result ?? 0) <= 60_000);
	const twice = { ...SENT, "towline-timeout": ["5", "5"] };
	for (const headers of [twice, { ...SENT, "towline-timeout": "0" }]) {
		assert.equal((await inRequest(own, headers, left)).result, undefined);
	}
	assert.deepEqual(recorder.dropped, [
		"timeout/malformed",
		"timeout/malformed",
	]);
	const off = instance().towline;
	const { result } = await within(off, 5_000, () => [
		current()?.remaining(),
		current()?.call("localhost").headers["towline-timeout"],
	]);
	assert.deepEqual(result, [undefined, undefined]);
});

test("a deadline is brought forward and never put off; a fork's does not change its parent's", async () => {
	const { towline: own } = instance({ deadlines: true });
	const { result } = await within(own, FAR, async () => {
		const context = current();
		const lowered = await fork(() => current()?.withTimeout(1_000).remaining());
		const later = context?.withTimeout(FAR * 2).remaining() ?? 0;
		const sooner = context?.withTimeout(5_000).remaining() ?? 0;
		const raised = context?.withTimeout(50_000).remaining() ?? 0;
		return { lowered: lowered ?? 0, later, sooner, raised };
	});
	assert.ok(result.lowered <= 1_000 && result.lowered > 0);
	assert.ok(result.later > 50_000_000);
	assert.ok(result.sooner <= 5_000 && result.raised <= result.sooner);
});

test("the signal of a context aborts when its time is over, and those of its forks", async () => {
	const { towline: own } = instance({ deadlines: true });
	const { result } = await within(own, FAR, async () => {
		const signal = current()?.signal;
		const forked = await fork(() => current()?.signal);
		const detached = detach(() => current()?.signal);
		assert.ok(signal && forked && detached && !signal.aborted);
		const aborted = new Promise((resolve) =>
			signal.addEventListener("abort", resolve),
		);
		current()?.withTimeout(5);
		await aborted;
		return { signal, forked, detached };
	});
	assert.equal(result.signal.reason.name, "TimeoutError");
	assert.equal(result.forked.reason, result.signal.reason);
	assert.equal(result.detached.aborted, false);
});

test("without a millisecond left no call is made: it fails as a timeout of its client", async (t) => {
	const { towline: own, recorder } = instance({ deadlines: true });
	let asked = 0;
	const url = await listen(t, (_req, res) => {
		asked++;
		res.end();
	});
	await within(own, FAR, async () => {
		current()?.withTimeout(0);
		await assert.rejects(wrapFetch(fetch)(url), { name: "TimeoutError" });
		for (const undici of [undici7, undici6 as unknown as typeof undici7]) {
			const plain = new undici.Agent();
			const dispatcher = plain.compose(
				interceptor(),
				undici.interceptors.retry({ minTimeout: 1 }),
			);
			await assert.rejects(undici.request(url, { dispatcher }), {
				code: "UND_ERR_HEADERS_TIMEOUT",
			});
			await plain.close();
		}
	});
	assert.equal(asked, 0);
	assert.equal(recorder.sent.length, 0);
	assert.deepEqual(recorder.dropped, Array(3).fill("timeout/expired"));
});

test("a call is given up when the time is over: before the head, and in the body", async (t) => {
	const { towline: own, recorder } = instance({ deadlines: true });
	const silent = await listen(t, () => {});
	const whole = await listen(t, (_req, res) => res.end("whole"));
	const halting = await listen(t, (_req, res) => void res.write("some"));
	const body = async (url: string) => {
		const answer = await wrapFetch(fetch)(url);
		await answer.text();
	};
	for (const url of [silent, halting]) {
		await within(own, 60, () =>
			assert.rejects(body(url), { name: "TimeoutError" }),
		);
	}
	const signal = new AbortController().signal;
	await within(own, 60, () =>
		assert.rejects(wrapFetch(fetch)(silent, { signal }), {
			name: "TimeoutError",
		}),
	);
	for (const undici of [undici7, undici6 as unknown as typeof undici7]) {
		const plain = new undici.Agent();
		const dispatcher = plain.compose(interceptor());
		const ask = async (url: string) => {
			const answer = await undici.request(url, { dispatcher });
			await answer.body.text();
		};
		await within(own, 60, () =>
			assert.rejects(ask(silent), { code: "UND_ERR_HEADERS_TIMEOUT" }),
		);
		await within(own, 60, () =>
			assert.rejects(ask(halting), { code: "UND_ERR_BODY_TIMEOUT" }),
		);
		await within(own, 10_000, () => assert.doesNotReject(ask(whole)));
		await plain.destroy();
	}
	assert.ok(recorder.answered.every(({ outcome }) => outcome !== "cancelled"));
	assert.equal(
		recorder.answered.filter(({ outcome }) => outcome === "error").length,
		4,
	);
});

test("a call that still waits for a connection is given up as well", async () => {
	const { towline: own } = instance({ deadlines: true });
	const sockets: Socket[] = [];
	const server = createTcpServer((socket) => void sockets.push(socket));
	server.listen(0, "127.0.0.1");
	await new Promise((resolve) => server.once("listening", resolve));
	const { port } = server.address() as { port: number };
	for (const undici of [undici7, undici6 as unknown as typeof undici7]) {
		// TLS is never answered: the request has no connection yet.
		const plain = new undici.Agent();
		const dispatcher = plain.compose(interceptor());
		await within(own, 60, () =>
			assert.rejects(
				undici.request(`https://127.0.0.1:${port}/`, { dispatcher }),
				{ code: "UND_ERR_HEADERS_TIMEOUT" },
			),
		);
		await plain.destroy();
	}
	for (const socket of sockets) socket.destroy();
	server.close();
});
