import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { Agent, createServer, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import {
	bind,
	current,
	detach,
	fork,
	perMessage,
	withTowline,
	wrapFetch,
} from "../src/index.js";
import { inRequest } from "./exchange.js";
import {
	CLOCK,
	instance,
	lastHop,
	listen,
	TRACE_ID,
	TRACEPARENT,
	until,
} from "./servers.js";

const SENT = { traceparent: TRACEPARENT, "raceway-clock": CLOCK };
const here = () => current()?.traceId;

test("timers, promises and microtasks keep the context", async () => {
	const { towline: own } = instance();
	const { result } = await inRequest(own, SENT, async () => {
		const seen: (string | undefined)[] = [];
		const see = (resolve: () => void) => () => {
			seen.push(here());
			resolve();
		};
		await new Promise<void>((resolve) => setTimeout(see(resolve), 1));
		await new Promise<void>((resolve) => setImmediate(see(resolve)));
		await new Promise<void>((resolve) => process.nextTick(see(resolve)));
		await new Promise<void>((resolve) => queueMicrotask(see(resolve)));
		await new Promise<void>((resolve) => {
			const timer = setInterval(() => {
				clearInterval(timer);
				see(resolve)();
			}, 1);
		});
		return seen;
	});
	assert.deepEqual(result, Array(5).fill(TRACE_ID));
});

test("an emitter calls back in the context of who emits, by bind in that of who listens", async () => {
	const { towline: own } = instance();
	const emitter = new EventEmitter();
	const seen: Record<string, unknown[]> = { plain: [], bound: [], each: [] };
	await inRequest(own, SENT, () => {
		emitter.on("event", () => seen.plain?.push(here()));
		emitter.on(
			"event",
			bind(() => seen.bound?.push(here())),
		);
		emitter.on(
			"event",
			perMessage(() => seen.each?.push(current()?.kind, here())),
		);
	});
	emitter.emit("event");
	assert.deepEqual(seen, {
		plain: [undefined],
		bound: [TRACE_ID],
		each: ["internal", TRACE_ID],
	});
});

/** A pool of one resource, as those of databases are: who waits is called back by who releases. */
class Pool {
	private isFree = true;
	private readonly waiting: (() => void)[] = [];

	get waitingCount(): number {
		return this.waiting.length;
	}

	acquire(callback: () => void): void {
		if (this.isFree) {
			this.isFree = false;
			callback();
		} else this.waiting.push(callback);
	}

	release(): void {
		const next = this.waiting.shift();
		if (next) next();
		else this.isFree = true;
	}
}

test("a pool that calls back from another request's code keeps the context by bind, or by await", async () => {
	const { towline: own } = instance();
	const pool = new Pool();
	const acquired = () =>
		new Promise<void>((resolve) => pool.acquire(() => resolve()));
	const seen: { plain?: unknown; bound?: unknown; awaited?: unknown } = {};
	const first = "1".repeat(32);
	const traceparent = `00-${first}-b7ad6b7169203331-01`;
	await inRequest(own, { traceparent }, async () => {
		await acquired();
		const waiting = inRequest(own, SENT, async () => {
			const plain = new Promise<void>((resolve) =>
				pool.acquire(() => {
					seen.plain = here();
					pool.release();
					resolve();
				}),
			);
			const bound = new Promise<void>((resolve) =>
				pool.acquire(
					bind(() => {
						seen.bound = here();
						pool.release();
						resolve();
					}),
				),
			);
			const awaited = acquired().then(() => {
				seen.awaited = here();
			});
			await Promise.all([plain, bound, awaited]);
		});
		await until(() => pool.waitingCount === 3);
		pool.release();
		await waiting;
	});
	// What a pool that does not bind gets wrong, and bind cures.
	assert.deepEqual(seen, { plain: first, bound: TRACE_ID, awaited: TRACE_ID });
});

test("a worker thread goes on with the trace that a message brings", async (t) => {
	const { towline: own } = instance();
	const library = new URL("../src/index.js", import.meta.url).href;
	const code = `
		import { parentPort } from "node:worker_threads";
		import { Towline, current } from ${JSON.stringify(library)};
		const towline = new Towline({ serviceName: "worker", log: () => {} });
		parentPort.on("message", ({ headers }) =>
			towline.receiveMessage(headers).handle(() => {
				const { traceId, parentId } = current();
				parentPort.postMessage({ traceId, parentId, clock: current().stamp().format() });
			}),
		);`;
	const worker = new Worker(
		new URL(`data:text/javascript,${encodeURIComponent(code)}`),
	);
	t.after(() => worker.terminate());
	const { result } = await inRequest(own, SENT, async () => {
		const headers = new Map<string, string>();
		const spanId = current()?.sendMessage(headers);
		const answer = once(worker, "message");
		worker.postMessage({ headers });
		const [told] = await answer;
		return { told, spanId, clock: current()?.stamp() };
	});
	assert.deepEqual(
		[result.told.traceId, result.told.parentId],
		[TRACE_ID, result.spanId],
	);
	assert.match(result.told.clock, /, worker#[0-9a-f]{8}\/[0-9a-f]{8}:1;d$/);
});

test("a body that is streamed is produced in its context, and the strand ends with it", async (t) => {
	const { towline: own, recorder } = instance();
	const seen: unknown[] = [];
	const url = await listen(
		t,
		withTowline(async (req, res) => {
			const upper = new Transform({
				transform(chunk, _encoding, done) {
					seen.push(here());
					assert.equal(recorder.ended.length, 0);
					done(null, String(chunk).toUpperCase());
				},
			});
			await pipeline(req, upper, res);
		}, own),
	);
	const answer = await fetch(url, {
		method: "POST",
		headers: SENT,
		body: Readable.toWeb(Readable.from(["one", "two"])) as ReadableStream,
		duplex: "half",
	} as RequestInit);
	assert.equal(await answer.text(), "ONETWO");
	await until(() => recorder.ended.length === 1);
	assert.ok(seen.length > 0 && seen.every((id) => id === TRACE_ID));
	assert.equal(recorder.ended[0]?.outcome, "ok");
});

test("server-sent events: the strand lives until its reader leaves", async (t) => {
	const { towline: own, recorder } = instance();
	const seen: unknown[] = [];
	const url = await listen(
		t,
		withTowline((_req, res) => {
			res.writeHead(200, { "content-type": "text/event-stream" });
			const timer = setInterval(() => {
				seen.push(here());
				res.write(`data: ${seen.length}\n\n`);
			}, 2);
			current()?.signal.addEventListener("abort", () => clearInterval(timer));
		}, own),
	);
	const abort = new AbortController();
	const answer = await fetch(url, { headers: SENT, signal: abort.signal });
	assert.match(lastHop(answer.headers.get("raceway-clock")), /:1$/);
	const reader = answer.body?.getReader();
	for (let i = 0; i < 3; i++) await reader?.read();
	assert.equal(recorder.ended.length, 0);
	abort.abort();
	await until(() => recorder.ended.length === 1);
	assert.equal(recorder.ended[0]?.outcome, "cancelled");
	assert.ok(seen.every((id) => id === TRACE_ID));
});

test("a connection that is kept alive does not keep its first request's context", async (t) => {
	const { towline: own, recorder } = instance();
	const seen: unknown[] = [];
	const ports = new Set<number | undefined>();
	const back = await listen(t, (req, res) => {
		seen.push(String(req.headers.traceparent).slice(3, 35));
		ports.add(req.socket.remotePort);
		res.end("data");
	});
	const keep = new Agent({ keepAlive: true, maxSockets: 1 });
	t.after(() => keep.destroy());
	const ask = async () => {
		const call = current()?.call("127.0.0.1");
		assert.ok(call);
		const req = request(back, { agent: keep, headers: { ...call.headers } });
		const [res] = (await once(req.end(), "response")) as [IncomingMessage];
		call.answered(res.headers["raceway-clock"] as string, res.statusCode);
		res.resume();
		await once(res, "end");
		call.bodyEnded();
	};
	const traced = wrapFetch(fetch, own);
	const ids = ["1", "2", "3"].map((digit) => digit.repeat(32));
	const server = createServer(
		withTowline(async (_req, res) => {
			await ask();
			await (await traced(back)).text();
			res.end();
		}, own),
	);
	const front = new URL(await listen(t, server));
	// One connection to the front, too: requests of three traces, one behind the other.
	const socket = connect(Number(front.port), "127.0.0.1");
	t.after(() => socket.destroy());
	for (const id of ids) {
		const ended = recorder.ended.length;
		socket.write(
			`GET / HTTP/1.1\r\nHost: x\r\ntraceparent: 00-${id}-b7ad6b7169203331-01\r\n\r\n`,
		);
		await until(() => recorder.ended.length > ended);
	}
	assert.deepEqual(
		seen,
		ids.flatMap((id) => [id, id]),
	);
	assert.ok(ports.size <= 2); // fetch has a connection of its own
	assert.equal(here(), undefined);
});

test("a large upload keeps its context from the first byte to the last", async (t) => {
	const { towline: own, recorder } = instance();
	const bytes = 32 * 1024 * 1024;
	let strangers = 0;
	const url = await listen(
		t,
		withTowline((req, res) => {
			let received = 0;
			req.on("data", (chunk: Buffer) => {
				if (here() !== TRACE_ID) strangers++;
				received += chunk.length;
			});
			req.on("end", () => res.end(`${received} ${here()}`));
		}, own),
	);
	const chunk = Buffer.alloc(65_536);
	const body = Readable.from(
		(function* () {
			for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk;
		})(),
	);
	const answer = await fetch(url, {
		method: "POST",
		headers: SENT,
		body: Readable.toWeb(body) as ReadableStream,
		duplex: "half",
	} as RequestInit);
	assert.equal(await answer.text(), `${bytes} ${TRACE_ID}`);
	assert.equal(strangers, 0);
	await until(() => recorder.ended.length === 1);
	assert.equal(recorder.ended[0]?.outcome, "ok");
});

test("work that goes on after the answer is a strand of its own, and what has no context is counted", async (t) => {
	const { towline: own, recorder } = instance();
	const back = await listen(t, (_req, res) => res.end());
	const call = wrapFetch(fetch, own);
	let after: Promise<unknown> | undefined;
	await inRequest(own, SENT, async () => {
		after = detach(async () => {
			await until(() => recorder.ended.length > 0);
			await (await call(back)).text();
		});
		await fork(async () => {});
	});
	await after;
	assert.equal(recorder.sent[0]?.traceId, TRACE_ID);
	await (await call(back)).text();
	assert.equal(own.counters.summary().noContext, 1);
});
