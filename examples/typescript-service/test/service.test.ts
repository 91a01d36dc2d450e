import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Clock, Strand } from "towline";

const START = fileURLToPath(new URL("../../start.sh", import.meta.url));
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const PARENT_ID = "b7ad6b7169203331";
const CLOCK = 'v2;t=1c80319c, up#1/00000001:2;x="2"';
const SENT = {
	traceparent: `00-${TRACE_ID}-${PARENT_ID}-01`,
	tracestate: "foo=1",
	"raceway-clock": CLOCK,
};

interface Answer {
	[name: string]: unknown;
	receivedHeaders: Record<string, string>;
	calls: (Record<string, unknown> & {
		sentHeaders: Record<string, string>;
		answerHeaders: Record<string, string>;
	})[];
}

const started: ChildProcess[] = [];

/** Starts the service; gives its URL once it listens. */
async function start(
	fault = "",
	environment: Record<string, string> = {},
): Promise<string> {
	const { PATH = "" } = process.env;
	const env = { PATH, PORT: "0", TOWLINE_DEMO_FAULT: fault, ...environment };
	const service = spawn(START, { env, stdio: ["ignore", "pipe", "inherit"] });
	started.push(service);
	for await (const line of createInterface({ input: service.stdout })) {
		const port = /^(\S+) listening on 127\.0\.0\.1:(\d+)$/.exec(line)?.[2];
		if (port) return `http://127.0.0.1:${port}`;
	}
	throw new Error("the service did not start");
}

async function post(
	url: string,
	body: unknown,
	headers: Record<string, string> = SENT,
) {
	const response = await fetch(url, {
		method: "POST",
		headers,
		body: JSON.stringify(body),
	});
	return { response, answer: (await response.json()) as Answer };
}

/** A callee that keeps what it is asked, and answers with what it is told. */
const asked: { headers: IncomingHttpHeaders; body: unknown }[] = [];
const callee = createServer(async (req, res) => {
	let body = "";
	for await (const chunk of req) body += chunk;
	asked.push({ headers: req.headers, body: JSON.parse(body) });
	const header = req.headers["raceway-clock"];
	if (header) {
		const sender = Clock.parse(String(header));
		const strand = Strand.start({
			service: "d",
			instance: "1",
			nonce: "0000000d",
			sender,
		});
		res.setHeader("raceway-clock", strand.end().format());
	}
	res.end(req.url === "/text" ? "text" : '{"service":"stub"}');
});
let calleeUrl = "";
let plain = "";

before(async () => {
	callee.listen(0, "127.0.0.1");
	await once(callee, "listening");
	calleeUrl = `http://127.0.0.1:${(callee.address() as AddressInfo).port}`;
	plain = await start();
});

after(async () => {
	callee.close();
	callee.closeAllConnections();
	for (const service of started) {
		if (service.exitCode !== null) continue;
		service.kill("SIGTERM");
		const [code] = await once(service, "exit");
		assert.equal(code, 0);
	}
});

test("health tells who it is, untraced", async () => {
	const response = await fetch(`${plain}/health`, { headers: SENT });
	assert.deepEqual(await response.json(), {
		service: "typescript",
		instance: "ts-1",
		status: "healthy",
	});
	assert.equal(response.headers.get("raceway-clock"), null);
});

test("the status counts what was asked, and a probe is told what was seen", async () => {
	const url = await start();
	const body = { payload: "p", calls: [{ url: `${calleeUrl}/process` }] };
	const { response } = await post(`${url}/process`, body, {
		...SENT,
		"towline-probe": "1",
	});
	const record = JSON.parse(response.headers.get("towline-hops") ?? "");
	assert.equal(record.service, "typescript");
	assert.equal(record.calls[0].host, new URL(calleeUrl).host);
	assert.equal(record.calls[0].answer, "joined");
	const status = await fetch(`${url}/.well-known/towline`);
	const { service, counters } = (await status.json()) as {
		service: string;
		counters: Record<string, unknown>;
	};
	assert.equal(service, "typescript");
	assert.deepEqual(
		[counters.received, counters.continued, counters.sent, counters.joined],
		[1, 1, 1, 1],
	);
});

test("names can be changed by the settings", async () => {
	const url = await start("", {
		OTEL_RESOURCE_ATTRIBUTES: "service.name=other,service.instance.id=o-2",
	});
	const health = await (await fetch(`${url}/health`)).json();
	assert.deepEqual(health, {
		service: "other",
		instance: "o-2",
		status: "healthy",
	});
});

test("process calls others in the order of the request, and tells what was on the wire", async () => {
	for (const mode of ["sequential", "parallel"]) {
		asked.length = 0;
		const inner = [{ url: "http://x/y" }];
		const calls = [
			{ url: calleeUrl, calls: inner, mode: "parallel" },
			{ url: `${calleeUrl}/process`, payload: "own" },
		];
		const { response, answer } = await post(`${plain}/process`, {
			payload: "p",
			calls,
			mode,
		});
		assert.equal(response.status, 200);
		assert.match(
			response.headers.get("raceway-clock") ?? "",
			/^v2;t=1c80319c, up#1\/00000001:2, typescript#ts-1\/[0-9a-f]{8}:6;e$/,
		);
		const { span_id, calls: made, clock, ...rest } = answer;
		assert.deepEqual(rest, {
			service: "typescript",
			instance: "ts-1",
			payload: "p",
			trace_id: TRACE_ID,
			parent_id: PARENT_ID,
			flags: "01",
			receivedHeaders: SENT,
			downstream: null,
		});
		assert.match(
			String(clock),
			new RegExp(`, typescript#ts-1/${String(span_id).slice(8)}:5$`),
		);
		assert.equal(made.length, 2);
		for (const [i, call] of made.entries()) {
			assert.equal(call.url, `${calleeUrl}/process`);
			assert.equal(
				call.sentHeaders.traceparent,
				`00-${TRACE_ID}-${call.span_id}-01`,
			);
			assert.deepEqual(
				[call.status, call.answer, call.error],
				[200, { service: "stub" }, null],
			);
			assert.match(
				call.answerHeaders["raceway-clock"] ?? "",
				/d#1\/0000000d:2;e$/,
			);
			const wire = asked.find(
				({ headers }) => headers.traceparent === call.sentHeaders.traceparent,
			);
			assert.deepEqual(
				wire?.body,
				i === 0
					? { payload: "p", calls: inner, mode: "parallel" }
					: { payload: "own", calls: [], mode: "sequential" },
			);
			for (const [name, value] of Object.entries(call.sentHeaders))
				assert.equal(wire?.headers[name], value);
			assert.deepEqual(Object.keys(call.sentHeaders), [
				"traceparent",
				"tracestate",
				"raceway-clock",
			]);
		}
	}
});

test("the second form makes a chain, one call at each", async () => {
	asked.length = 0;
	const body = {
		payload: "p",
		downstream: calleeUrl,
		next_downstream: "http://a/",
		next_next_downstream: "http://b/",
	};
	const { answer } = await post(`${plain}/process`, body);
	assert.deepEqual(answer.downstream, { service: "stub" });
	assert.deepEqual(
		answer.calls.map((call) => [call.answer, call.status, call.error]),
		[[null, 200, null]],
	);
	assert.deepEqual(asked[0]?.body, {
		payload: "p",
		downstream: "http://a/",
		next_downstream: "http://b/",
	});
});

test("a callee that is not there, or answers no JSON, is told of", async () => {
	const calls = [{ url: "http://127.0.0.1:1/" }, { url: `${calleeUrl}/text` }];
	const { answer } = await post(
		`${plain}/process`,
		{ payload: "p", calls },
		{},
	);
	assert.equal(answer.parent_id, null);
	assert.deepEqual(
		answer.calls.map((call) => [call.status, call.answer, typeof call.error]),
		[
			[null, null, "string"],
			[200, null, "string"],
		],
	);
});

test("a body that is not of the form is refused", async () => {
	const many = Array.from({ length: 65 }, () => ({ url: calleeUrl }));
	for (const body of [
		1,
		[],
		{},
		{ payload: 1 },
		{ payload: "p", calls: {} },
		{ payload: "p", calls: [1] },
		{ payload: "p", calls: [{ url: "x" }] },
		{ payload: "p", calls: [{ url: "ftp://x" }] },
		{ payload: "p", mode: "x" },
		{ payload: "p", calls: many },
		{ payload: "p", downstream: 5 },
		{ payload: "p".repeat(1 << 20) },
	]) {
		const { response, answer } = await post(`${plain}/process`, body);
		assert.equal(response.status, 400);
		assert.equal(typeof answer.error, "string");
	}
});

test("test calls each url in turn, whatever it answers", async () => {
	asked.length = 0;
	const list = [
		{ url: `${calleeUrl}/text`, arguments: [1] },
		{ url: "http://127.0.0.1:1/", arguments: null },
		{ url: calleeUrl, arguments: { a: 1 } },
	];
	const { response, answer } = await post(`${plain}/test`, list);
	assert.equal(response.status, 200);
	assert.deepEqual(answer, {});
	assert.deepEqual(
		asked.map(({ body }) => body),
		[[1], { a: 1 }],
	);
	assert.ok(
		asked.every(({ headers }) =>
			String(headers.traceparent).startsWith(`00-${TRACE_ID}-`),
		),
	);
	assert.equal((await post(`${plain}/test`, {})).response.status, 400);
});

/** What a fault changes: of the call, what was sent; or of the answer. */
const FAULTS: Record<string, (answer: Answer, header: string | null) => void> =
	{
		"drop-traceparent": ({ calls: [call] }) => {
			assert.equal(call?.sentHeaders.traceparent, undefined);
			assert.match(String(call?.span_id), /^[0-9a-f]{16}$/);
		},
		"new-trace": (answer) => {
			assert.notEqual(answer.trace_id, TRACE_ID);
			assert.equal(answer.receivedHeaders.traceparent, SENT.traceparent);
		},
		"drop-clock": ({ calls: [call] }) =>
			assert.equal(call?.sentHeaders["raceway-clock"], undefined),
		"stale-clock": ({ calls: [call] }) =>
			assert.equal(call?.sentHeaders["raceway-clock"], CLOCK),
		"drop-clock-answer": (_answer, header) => assert.equal(header, null),
		"stale-clock-answer": (_answer, header) => assert.equal(header, CLOCK),
		"wrong-parent": ({ calls: [call] }) => {
			assert.equal(call?.sentHeaders.traceparent, SENT.traceparent);
			assert.notEqual(call?.span_id, PARENT_ID);
		},
		"flip-sampled": ({ calls: [call] }) =>
			assert.match(call?.sentHeaders.traceparent ?? "", /-00$/),
		"drop-tracestate": ({ calls: [call] }) =>
			assert.equal(call?.sentHeaders.tracestate, undefined),
	};

for (const [fault, check] of Object.entries(FAULTS)) {
	test(`fault ${fault}`, async () => {
		asked.length = 0;
		const url = await start(`other:drop-clock, typescript:${fault}`);
		const { response, answer } = await post(`${url}/process`, {
			payload: "p",
			calls: [{ url: calleeUrl }],
		});
		check(answer, response.headers.get("raceway-clock"));
		const [wire] = asked;
		for (const name of ["traceparent", "tracestate", "raceway-clock"]) {
			assert.equal(wire?.headers[name], answer.calls[0]?.sentHeaders[name]);
		}
		const health = await fetch(`${url}/health`);
		assert.equal(health.status, 200);
	});
}

test("a fault that nobody knows keeps the service from starting", async () => {
	for (const fault of [
		"typescript:nonsense",
		"typescript",
		"typescript:drop-clock:x",
		"other:nonsense",
	]) {
		const { PATH = "" } = process.env;
		const env = { PATH, PORT: "0", TOWLINE_DEMO_FAULT: fault };
		const service = spawn(START, { env, stdio: ["ignore", "ignore", "pipe"] });
		let told = "";
		service.stderr.on("data", (chunk) => {
			told += chunk;
		});
		const [code] = await once(service, "close");
		assert.notEqual(code, 0);
		assert.match(told, /TOWLINE_DEMO_FAULT/);
	}
});
