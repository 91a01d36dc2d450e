import assert from "node:assert/strict";
import {
	createServer,
	request as httpRequest,
	type RequestListener,
	type ServerResponse,
} from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import express5 from "express";
import express4 from "express4";
import { request as undiciRequest } from "undici";
import { current, towline, withTowline } from "../src/index.js";
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
/** The own hop of an answer, with the end's mark, or without. */
const ENDED = /^ts#1\/[0-9a-f]{8}:\d+;e$/;
const RUNNING = /^ts#1\/[0-9a-f]{8}:\d+$/;

/** How a handler answers, and what its head has: the end's stamp, the clock so far, or none. */
const ANSWERS: Record<string, [(res: ServerResponse) => void, RegExp | null]> =
	{
		"end with data": [(res) => res.end("data"), ENDED],
		"end without data": [(res) => res.end(), ENDED],
		"writeHead, then end": [
			(res) => res.writeHead(201, { a: "b" }).end("data"),
			ENDED,
		],
		"writeHead in raw form, then end": [
			(res) => res.writeHead(201, ["a", "b", "a", "c"]).end("data"),
			ENDED,
		],
		"writeHead, later end": [
			(res) => void turn(res.writeHead(201)).then(() => res.end("data")),
			ENDED,
		],
		"a declared length, then write": [
			(res) => {
				res.setHeader("content-length", 8);
				res.write("data");
				res.end("data");
			},
			ENDED,
		],
		"an answer's clock passed on in writeHead, then end": [
			(res) => res.writeHead(200, { "Raceway-Clock": CLOCK }).end("data"),
			ENDED,
		],
		"a declared length in writeHead, then pipe": [
			(res) =>
				void Readable.from(["da", "ta"]).pipe(
					res.writeHead(200, { "Content-Length": "4" }),
				),
			ENDED,
		],
		"write, then end": [
			(res) => {
				res.write("da");
				res.end("ta");
			},
			RUNNING,
		],
		"writeHead, write, end": [
			(res) => {
				res.writeHead(200, { a: "b" });
				res.write("da");
				res.end("ta");
			},
			RUNNING,
		],
		pipe: [(res) => void Readable.from(["da", "ta"]).pipe(res), RUNNING],
		"flushHeaders, then end": [
			(res) => {
				res.flushHeaders();
				res.end("data");
			},
			RUNNING,
		],
		"cacheable by public": [
			(res) => res.setHeader("Cache-Control", "max-age=3, public").end("x"),
			null,
		],
		"cacheable by s-maxage, in writeHead": [
			(res) => res.writeHead(200, { "cache-control": "s-maxage=9" }).end("x"),
			null,
		],
		"not modified": [(res) => res.writeHead(304).end(), null],
		private: [
			(res) => res.setHeader("Cache-Control", "private").end("x"),
			ENDED,
		],
	};

for (const [name, [answer, pattern]] of Object.entries(ANSWERS)) {
	test(`http: the clock on the answer: ${name}`, async (t) => {
		const { towline: own, recorder } = instance();
		const url = await listen(
			t,
			withTowline((_req, res) => answer(res), own),
		);
		const plain = await fetch(await listen(t, (_req, res) => answer(res)));
		const response = await fetch(url, { headers: SENT });
		const clock = response.headers.get("raceway-clock");
		if (pattern === null) assert.equal(clock, null);
		else {
			assert.match(lastHop(clock), pattern);
			assert.ok(clock?.startsWith("v2;t=1c80319c, up#1/00000001:2, "));
		}
		// All else is as it would have been.
		assert.equal(await response.text(), await plain.text());
		assert.equal(response.status, plain.status);
		const {
			"raceway-clock": _clock,
			date: _a,
			...headers
		} = Object.fromEntries(response.headers);
		const {
			"raceway-clock": _other,
			date: _b,
			...plainHeaders
		} = Object.fromEntries(plain.headers);
		assert.deepEqual(headers, plainHeaders);
		await until(() => recorder.ended.length === 1);
		assert.equal(recorder.ended[0]?.outcome, "ok");
		assert.equal(recorder.ended[0]?.parentId, "b7ad6b7169203331");
	});
}

test("http: the end comes in a trailer also where the body is written by methods kept before", async (t) => {
	const { towline: own } = instance();
	const url = await listen(
		t,
		withTowline((_req, res) => {
			// As middleware does that compresses.
			const { write, end } = res;
			res.end = ((data: string) => {
				res.writeHead(200);
				write.call(res, data, "utf8");
				return end.call(res, undefined, "utf8");
			}) as typeof res.end;
			res.end("data");
		}, own),
	);
	const answer = await undiciRequest(url, {
		headers: { ...SENT, te: "trailers" },
	});
	assert.match(lastHop(String(answer.headers["raceway-clock"])), RUNNING);
	assert.equal(await answer.body.text(), "data");
	const trailers = answer.trailers as Record<string, string>;
	assert.match(lastHop(trailers["raceway-clock"]), ENDED);
});

for (const [version, express] of [
	["4", express4],
	["5", express5],
] as const) {
	test(`Express ${version}: json, send, stream, errors and routers`, async (t) => {
		const { towline: own, recorder } = instance();
		const app = express();
		app.use(towline(own));
		app.use(express.json());
		app.get(
			"/json",
			(_req, res) => void res.json({ trace: current()?.traceId }),
		);
		app.get("/send", (_req, res) => void res.send("text"));
		app.get("/stream", (_req, res) => void Readable.from(["a", "b"]).pipe(res));
		app.post(
			"/body",
			(req, res) => void res.json({ got: req.body, trace: current()?.traceId }),
		);
		app.get("/throw", () => {
			throw new Error("on purpose");
		});
		const router = express.Router();
		router.use(towline(own)); // a second one steps aside
		router.get("/x", (_req, res) => void res.json({ span: current()?.spanId }));
		app.use("/router", router);
		app.use(
			((_error, _req, res, _next) =>
				void res
					.status(500)
					.json({ error: "told" })) as express5.ErrorRequestHandler,
		);
		const url = await listen(t, app as unknown as RequestListener);

		const json = await fetch(`${url}/json`, { headers: SENT });
		assert.match(lastHop(json.headers.get("raceway-clock")), ENDED);
		assert.deepEqual(await json.json(), { trace: TRACE_ID });
		const send = await fetch(`${url}/send`, { headers: SENT });
		assert.match(lastHop(send.headers.get("raceway-clock")), ENDED);
		const stream = await fetch(`${url}/stream`, { headers: SENT });
		assert.match(lastHop(stream.headers.get("raceway-clock")), RUNNING);
		assert.equal(await stream.text(), "ab");
		const body = await fetch(`${url}/body`, {
			method: "POST",
			headers: { ...SENT, "content-type": "application/json" },
			body: '{"a":1}',
		});
		assert.deepEqual(await body.json(), { got: { a: 1 }, trace: TRACE_ID });
		assert.equal((await fetch(`${url}/throw`, { headers: SENT })).status, 500);
		await until(() => recorder.ended.length === 5);
		assert.deepEqual(
			recorder.ended.map((e) => e.outcome),
			["ok", "ok", "ok", "ok", "error"],
		);

		const routed = await fetch(`${url}/router/x`, { headers: SENT });
		await until(() => recorder.ended.length === 6);
		assert.equal(recorder.started.length, 6);
		assert.deepEqual(await routed.json(), { span: recorder.ended[5]?.spanId });
	});
}

test("a request that asks for no clock gets none, and one that was refused neither", async (t) => {
	const { towline: own, recorder } = instance();
	const url = await listen(
		t,
		withTowline((_req, res) => res.end(), own),
	);
	const cases: [Record<string, string>, string[]][] = [
		[{}, ["traceparent/absent"]],
		[{ traceparent: TRACEPARENT }, []],
		[{ traceparent: "00-x" }, ["traceparent/malformed"]],
		[
			{ "raceway-clock": CLOCK },
			["traceparent/absent", "clock/no_traceparent"],
		],
		[
			{
				traceparent: TRACEPARENT,
				"raceway-clock": CLOCK.replace("1c80319c", "1c80319d"),
			},
			["clock/other_trace"],
		],
		[
			{ traceparent: TRACEPARENT, "raceway-clock": "v2;t=1c80319c, nonsense" },
			["clock/malformed"],
		],
		[{ traceparent: TRACEPARENT, "raceway-clock": "v9;" }, ["clock/version"]],
		[
			{
				traceparent: TRACEPARENT,
				"raceway-clock": CLOCK + " ".repeat(5) + "a".repeat(5000),
			},
			["clock/too_long"],
		],
		[
			{
				traceparent: TRACEPARENT,
				"raceway-clock":
					'v2;t=1c80319c, a#1/00000001:2147483647;x="1-2147483647"',
			},
			["clock/over_limits"],
		],
		[
			{ traceparent: TRACEPARENT, tracestate: "towline=nonsense" },
			["member/malformed"],
		],
		[{ traceparent: TRACEPARENT, tracestate: "A=1" }, ["tracestate/malformed"]],
		[
			{
				traceparent: TRACEPARENT,
				tracestate: Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(),
			},
			["tracestate/too_many_members"],
		],
	];
	for (const [headers, dropped] of cases) {
		recorder.dropped.length = 0;
		const response = await fetch(url, { headers });
		assert.equal(response.status, 200);
		assert.equal(response.headers.get("raceway-clock"), null);
		assert.deepEqual(recorder.dropped, dropped);
		for (const name of dropped)
			assert.ok(own.counters.get(name as "clock/version") > 0);
	}
});

test("two fields of a name are seen as two, whichever way Node joins them", async (t) => {
	const { towline: own, recorder } = instance();
	const url = await listen(
		t,
		withTowline((_req, res) => res.end(), own),
	);
	const send = (headers: [string, string][]) =>
		new Promise<void>((resolve, reject) => {
			const req = httpRequest(
				url,
				{ headers: headers.flat() as never },
				(res) => res.resume().on("end", resolve),
			);
			req.on("error", reject).end();
		});
	await send([
		["Host", "x"],
		["traceparent", TRACEPARENT],
		["Traceparent", TRACEPARENT],
	]);
	await send([
		["Host", "x"],
		["traceparent", TRACEPARENT],
		["raceway-clock", CLOCK],
		["Raceway-Clock", CLOCK],
	]);
	assert.deepEqual(recorder.dropped, [
		"traceparent/duplicate",
		"clock/duplicate",
	]);
	assert.equal(recorder.started[1]?.traceId, TRACE_ID);
});

test("a strand starts from the tracestate member where no clock came, with the mark of a gap", async (t) => {
	const { towline: own } = instance();
	const url = await listen(
		t,
		withTowline((_req, res) => res.end(current()?.stamp().format()), own),
	);
	const headers = {
		traceparent: TRACEPARENT,
		tracestate: "foo=1,towline=a3f9c21b:2x2",
	};
	const clock = await (await fetch(url, { headers })).text();
	assert.match(clock, /^v2;t=1c80319c, _#\/a3f9c21b:2, ts#1\/[0-9a-f]{8}:1;g$/);
	const refused = { ...headers, "raceway-clock": "v2;t=1c80319c, nonsense" };
	assert.match(
		await (await fetch(url, { headers: refused })).text(),
		/^v2;t=1c80319c, ts#1/,
	);
});

test("the caller goes while the handler works: the strand ends once, as cancelled", async (t) => {
	const { towline: own, recorder } = instance();
	let isIn = false;
	let later: (() => void) | undefined;
	const url = await listen(
		t,
		withTowline((_req, _res) => {
			isIn = true;
			later = () => current()?.event();
			const context = current();
			later = () => context?.event();
		}, own),
	);
	const { port } = new URL(url);
	const socket = connect(Number(port), "127.0.0.1");
	socket.write(
		`GET / HTTP/1.1\r\nhost: x\r\ntraceparent: ${TRACEPARENT}\r\n\r\n`,
	);
	await until(() => isIn);
	socket.destroy();
	await until(() => recorder.ended.length > 0);
	assert.deepEqual(
		recorder.ended.map((e) => e.outcome),
		["cancelled"],
	);
	later?.(); // the handler goes on: a strand of its own
	assert.deepEqual(
		recorder.started.map((e) => e.kind),
		["server", "internal"],
	);
	assert.equal(recorder.started[1]?.parentId, recorder.started[0]?.spanId);
});

test("a body that breaks off ends the strand as cancelled", async (t) => {
	const { towline: own, recorder } = instance();
	const url = await listen(
		t,
		withTowline((_req, res) => void res.write("a"), own),
	);
	const abort = new AbortController();
	const response = await fetch(url, { headers: SENT, signal: abort.signal });
	assert.match(lastHop(response.headers.get("raceway-clock")), RUNNING);
	abort.abort();
	await until(() => recorder.ended.length > 0);
	assert.deepEqual(
		recorder.ended.map((e) => e.outcome),
		["cancelled"],
	);
	await assert.rejects(response.text());
});

test("a handler that throws or rejects ends the strand as an error, and the error goes on", async (t) => {
	const { towline: own, recorder } = instance();
	const seen: unknown[] = [];
	const throwing = withTowline(() => {
		throw new Error("thrown");
	}, own);
	const rejecting = withTowline(async () => {
		await turn();
		throw new Error("rejected");
	}, own);
	const url = await listen(t, async (req, res) => {
		try {
			await (req.url === "/throw" ? throwing : rejecting)(req, res as never);
		} catch (error) {
			seen.push((error as Error).message);
			res.writeHead(500).end();
		}
	});
	for (const path of ["/throw", "/reject"]) {
		const response = await fetch(url + path, { headers: SENT });
		assert.equal(response.status, 500);
		assert.match(lastHop(response.headers.get("raceway-clock")), ENDED);
	}
	assert.deepEqual(seen, ["thrown", "rejected"]);
	assert.deepEqual(
		recorder.ended.map((e) => e.outcome),
		["error", "error"],
	);
});

test("the context is current for the body's events, and never for another request of the connection", async (t) => {
	const { towline: own } = instance();
	const seen: (string | undefined)[] = [];
	const server = createServer((req, res) => {
		seen.push(current()?.traceId);
		withTowline((inner, response) => {
			inner.on("data", () => seen.push(current()?.traceId));
			inner.on("end", () => {
				seen.push(current()?.traceId);
				response.on("finish", () => seen.push(current()?.traceId));
				response.end();
			});
		}, own)(req, res);
	});
	const url = await listen(t, server);
	const ids = ["1".repeat(32), "2".repeat(32), "3".repeat(32)];
	for (const id of ids) {
		const traceparent = `00-${id}-b7ad6b7169203331-01`;
		const response = await fetch(url, {
			method: "POST",
			body: "x",
			headers: { traceparent },
		});
		await response.text();
	}
	await until(() => seen.length === 12);
	assert.deepEqual(
		seen,
		ids.flatMap((id) => [undefined, id, id, id]),
	);
	assert.equal(current(), undefined);
});

test("work after the answer is one strand of its own, from the end's stamp", async (t) => {
	const { towline: own, recorder } = instance();
	let after: Promise<void> | undefined;
	const url = await listen(
		t,
		withTowline((_req, res) => {
			res.end();
			after = turn().then(() => {
				current()?.event();
				const call = current()?.call("localhost");
				call?.failed();
			});
		}, own),
	);
	await fetch(url, { headers: SENT });
	await until(() => after !== undefined);
	await after;
	const [server, later, ...more] = recorder.started;
	assert.equal(more.length, 0);
	assert.equal(later?.kind, "internal");
	assert.equal(later?.parentId, server?.spanId);
	assert.match(
		later?.clock.format() ?? "",
		/ts#1\/[0-9a-f]{8}:2;e, ts#1\/[0-9a-f]{8}:1;d$/,
	);
	assert.equal(recorder.sent[0]?.parentId, later?.spanId);
	assert.match(recorder.sent[0]?.clock?.format() ?? "", /:3;d;x="3"$/);
});

test("trust: a peer's trace is continued, restarted with a link, or ignored", async (t) => {
	for (const mode of [
		"continue",
		"restart",
		"ignore",
		"throws",
		"nothing",
	] as const) {
		const { towline: own, recorder } = instance({
			trust: ({ address, port, socket }) => {
				assert.ok(socket && port > 0);
				assert.equal(address, "127.0.0.1");
				if (mode === "throws") throw new Error("cannot tell");
				if (mode === "nothing") return undefined as never;
				return mode;
			},
		});
		let link: string | undefined;
		const url = await listen(
			t,
			withTowline((_req, res) => {
				link = current()?.link?.traceId;
				res.end(current()?.traceId);
			}, own),
		);
		const response = await fetch(url, {
			headers: { ...SENT, tracestate: "foo=1" },
		});
		const isContinued = mode === "continue";
		assert.equal((await response.text()) === TRACE_ID, isContinued);
		assert.equal(response.headers.has("raceway-clock"), isContinued);
		assert.equal(link, mode === "restart" ? TRACE_ID : undefined);
		assert.deepEqual(
			recorder.dropped,
			isContinued
				? []
				: ["traceparent/untrusted", "tracestate/untrusted", "clock/untrusted"],
		);
	}
});

test("trust: a peer's tracestate can be dropped alone", async (t) => {
	const { towline: own, recorder } = instance({
		trust: () => ({ mode: "continue", dropTracestate: true }),
	});
	const url = await listen(
		t,
		withTowline((_req, res) => res.end(String(current()?.tracestate)), own),
	);
	const response = await fetch(url, {
		headers: { ...SENT, tracestate: "foo=1" },
	});
	assert.equal(await response.text(), "undefined");
	assert.ok(response.headers.has("raceway-clock"));
	assert.deepEqual(recorder.dropped, ["tracestate/untrusted"]);
});

test("trace_response is added to what the application set", async (t) => {
	const { towline: own, recorder } = instance({ traceResponse: true });
	const url = await listen(
		t,
		withTowline((req, res) => {
			if (req.url === "/implicit")
				res.setHeader("server-timing", "db;dur=1").end();
			else res.writeHead(200, { "Server-Timing": "db;dur=1" }).end();
		}, own),
	);
	for (const path of ["/implicit", "/explicit"]) {
		const { headers } = await fetch(url + path, { headers: SENT });
		const span = recorder.started.at(-1)?.spanId;
		const value = `00-${TRACE_ID}-${span}-03`;
		assert.equal(headers.get("traceresponse"), value);
		assert.equal(headers.get("server-timing"), `db;dur=1, trace;desc=${value}`);
	}
});

test("disabled and filtered requests pass untouched", async (t) => {
	const off = instance({ disabled: true });
	const some = instance({
		filter: (method, path) => !(method === "GET" && path === "/health"),
	});
	const broken = instance({
		filter: () => {
			throw new Error("broken");
		},
	});
	for (const [{ towline: own, recorder }, path, count] of [
		[off, "/", 0],
		[some, "/health?x=1", 0],
		[some, "/other", 1],
		[broken, "/", 1],
	] as const) {
		const url = await listen(
			t,
			withTowline((_req, res) => res.end(String(current() !== undefined)), own),
		);
		const response = await fetch(url + path, { headers: SENT });
		assert.equal(await response.text(), String(count === 1));
		assert.equal(response.headers.has("raceway-clock"), count === 1);
		assert.equal(recorder.started.length, count);
	}
	assert.deepEqual(off.towline.counters.all(), {});
	assert.match(off.lines[0] ?? "", /disabled/);
});

test("observers that throw or reject break nothing", async (t) => {
	const angry = () => {
		throw new Error("angry");
	};
	const sulky = (async () => angry()) as () => never;
	const { towline: own } = instance({
		observers: [
			{
				onStrandStart: angry,
				onStrandEnd: angry,
				onDropped: angry,
				onCallSent: angry,
				onCallAnswered: angry,
			},
			{ onStrandStart: sulky, onStrandEnd: sulky, onDropped: sulky },
		],
	});
	const url = await listen(
		t,
		withTowline((_req, res) => {
			current()?.call("localhost").failed();
			res.end();
		}, own),
	);
	assert.equal((await fetch(url)).status, 200);
	await until(() => own.counters.get("strand_end") === 1);
	assert.equal(own.counters.get("call_answered"), 1);
	assert.equal(own.counters.get("traceparent/absent"), 1);
});

test("an answer whose clock cannot be sent goes without, and is counted", async (t) => {
	const { towline: own, recorder } = instance({ headerBytesMax: 50 });
	const url = await listen(
		t,
		withTowline((_req, res) => res.end(), own),
	);
	const clock = 'v2;t=1c80319c, upstream#1/00000001:2;x="2"';
	const response = await fetch(url, {
		headers: { ...SENT, "raceway-clock": clock },
	});
	assert.equal(response.headers.get("raceway-clock"), null);
	assert.deepEqual(recorder.dropped, ["send/too_long"]);
});
