import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { test } from "node:test";
import { Agent, request } from "undici";
import * as undici6 from "undici6";
import {
	current,
	type Towline,
	type TowlineOptions,
	withTowline,
	wrapFetch,
} from "../src/index.js";
import { isProbeAllowed, probeMode } from "../src/probe-mode.js";
import { Probing } from "../src/probing.js";
import { interceptor } from "../src/undici.js";
import { CLOCK, instance, listen, TRACE_ID, TRACEPARENT } from "./servers.js";

const SENT = { traceparent: TRACEPARENT, "raceway-clock": CLOCK };

/** How a service calls another. */
type Caller = (url: string) => Promise<unknown>;

/** A service that calls others when it is asked to. */
function service(own: Towline, call: Caller, urls: readonly string[]) {
	return withTowline(async (_req: IncomingMessage, res) => {
		for (const url of urls) await call(url).catch(() => {});
		res.end();
	}, own);
}

const six = undici6 as unknown as {
	Agent: typeof Agent;
	request: typeof request;
};
const agents = [new Agent(), new six.Agent()];

/** Each client, of an instance. */
const clients: [string, (own: Towline) => Caller][] = [
	[
		"fetch",
		(own) => {
			const traced = wrapFetch(fetch, own);
			return async (url) => (await traced(url)).text();
		},
	],
	[
		"undici 7",
		(own) => {
			const dispatcher = agents[0]?.compose(interceptor(own)) as Agent;
			return async (url) => (await request(url, { dispatcher })).body.dump();
		},
	],
	[
		"undici 6",
		(own) => {
			const dispatcher = agents[1]?.compose(interceptor(own)) as Agent;
			return async (url) =>
				(await six.request(url, { dispatcher })).body.dump();
		},
	],
];

test.after(() => Promise.all(agents.map((agent) => agent.close())));

for (const [client, callerOf] of clients) {
	test(`${client}: who asks what was seen is told, of all services on the way`, async (t) => {
		const back = instance({ serviceName: "bäck", probe: "t0ken" });
		const backUrl = await listen(
			t,
			service(back.towline, async () => {}, []),
		);
		const plain = await listen(t, (_req, res) => res.end());
		const front = instance({ probe: "t0ken" });
		const closed = createServer();
		const gone = await listen(t, closed);
		closed.close();
		const urls = [backUrl, plain, gone];
		const caller = callerOf(front.towline);
		const url = await listen(t, service(front.towline, caller, urls));

		const answer = await fetch(url, {
			headers: { ...SENT, "towline-probe": "t0ken" },
		});
		await answer.text();
		const text = answer.headers.get("towline-hops") ?? "";
		assert.match(text, /^[\x20-\x7e]+$/);
		const record = JSON.parse(text);
		const { span_id, calls, ...own } = record;
		assert.deepEqual(own, {
			service: "ts",
			instance: "1",
			trace_id: TRACE_ID,
			parent_id: TRACEPARENT.slice(36, 52),
			flags: "03",
			restarted: null,
			clock: "continued",
		});
		assert.equal(span_id, front.recorder.started[0]?.spanId);
		const [first, second, third] = calls;
		assert.deepEqual(
			[first.host, first.status, first.answer],
			[new URL(backUrl).host, 200, "joined"],
		);
		assert.equal(first.hops.service, "bäck");
		assert.equal(first.hops.parent_id, first.span_id);
		assert.deepEqual(first.hops.calls, []);
		assert.deepEqual(
			[second.status, second.answer, second.hops],
			[200, "lost", null],
		);
		assert.deepEqual(
			[third.status, third.answer, third.hops],
			[null, null, null],
		);
	});
}

test("nobody is told without the token, and nothing is asked of hosts outside", async (t) => {
	const cases: [TowlineOptions, string | string[] | undefined, boolean][] = [
		[{}, "1", true],
		[{}, " 1 ", true],
		[{}, "2", false],
		[{}, undefined, false],
		[{ probe: "off" }, "1", false],
		[{ probe: "OFF" }, "OFF", false],
		[{ probe: "t0ken" }, "t0ken", true],
		[{ probe: "t0ken" }, "T0ken", false],
		[{ probe: "t0ken" }, "1", false],
		[{ disabled: true }, "1", false],
	];
	for (const [options, value, isTold] of cases) {
		const { towline: own } = instance(options);
		const sent: unknown[] = [];
		const url = await listen(
			t,
			withTowline((_req, res) => {
				for (const host of ["localhost", "example.com"]) {
					sent.push(current()?.call(host).headers["towline-probe"]);
				}
				res.end();
			}, own),
		);
		const probe = value === undefined ? {} : { "towline-probe": value };
		const answer = await fetch(url, {
			headers: { ...SENT, ...probe } as never,
		});
		assert.equal(answer.headers.has("towline-hops"), isTold, String(value));
		const passed = isTold ? String(value).trim() : undefined;
		assert.deepEqual(sent, [passed, undefined]);
	}
});

test("only peers on this machine are told without a token", () => {
	const allowed = (address: string, values = ["1"]) =>
		isProbeAllowed(probeMode(undefined), values, () => address);
	for (const address of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) {
		assert.ok(allowed(address), address);
	}
	for (const address of [
		"10.0.0.1",
		"::ffff:10.0.0.1",
		"::2",
		"",
		"localhost",
	]) {
		assert.ok(!allowed(address), address);
	}
	assert.ok(!allowed("127.0.0.1", ["1", "1"]));
});

test("a record says what became of the trace and the clock", async (t) => {
	const { towline: own } = instance();
	const url = await listen(
		t,
		withTowline((_req, res) => res.end(), own),
	);
	const state = "towline=00000001:2";
	const cases: [Record<string, string>, unknown, string, boolean][] = [
		[{}, "absent", "first", false],
		[{ traceparent: "x" }, "malformed", "first", false],
		[{ "raceway-clock": CLOCK }, "absent", "no_traceparent", false],
		[{ traceparent: TRACEPARENT }, null, "first", true],
		[{ traceparent: TRACEPARENT, tracestate: state }, null, "member", true],
		[
			{ ...SENT, "raceway-clock": "v2;t=00000000, a#1/00000001:2" },
			null,
			"other_trace",
			true,
		],
		[{ ...SENT, "raceway-clock": `${CLOCK}!` }, null, "malformed", true],
	];
	for (const [headers, restarted, clock, hasParent] of cases) {
		const answer = await fetch(url, {
			headers: { ...headers, "towline-probe": "1" },
		});
		const record = JSON.parse(answer.headers.get("towline-hops") ?? "");
		assert.deepEqual([record.restarted, record.clock], [restarted, clock]);
		assert.equal(record.parent_id !== null, hasParent);
	}
	const untrusting = instance({ trust: () => "ignore" }).towline;
	const edge = await listen(
		t,
		withTowline((_req, res) => res.end(), untrusting),
	);
	const answer = await fetch(edge, {
		headers: { ...SENT, "towline-probe": "1" },
	});
	const record = JSON.parse(answer.headers.get("towline-hops") ?? "");
	assert.deepEqual(
		[record.restarted, record.clock, record.parent_id],
		["untrusted", "untrusted", TRACEPARENT.slice(36, 52)],
	);
});

test("answers that shared caches keep have no record; one that is passed on is not ours", async (t) => {
	const { towline: own } = instance();
	const url = await listen(
		t,
		withTowline((req, res) => {
			if (req.url === "/shared") res.setHeader("cache-control", "public");
			res.writeHead(200, { "Towline-Hops": "theirs" });
			res.end("data");
		}, own),
	);
	const hopsOf = async (path: string) => {
		const headers = { ...SENT, "towline-probe": "1" };
		return (await fetch(url + path, { headers })).headers.get("towline-hops");
	};
	assert.equal(await hopsOf("/shared"), "theirs");
	assert.equal(JSON.parse((await hopsOf("/")) ?? "").service, "ts");
});

test("a record is bounded, and what is no record is left out", () => {
	const verdict = { restarted: undefined, clock: "first", parentId: undefined };
	const owner = {
		service: "s",
		instance: "i",
		traceId: TRACE_ID,
		spanId: "b7ad6b7169203331",
		flags: 3,
	};
	const call = { host: "h", spanId: "b7ad6b7169203331", status: 200 };
	const probing = new Probing("1", verdict);
	const hops = ["", "[]", "1", "{", '{"a":"ä"}', `{"a":"${"x".repeat(6000)}"}`];
	for (const text of hops) {
		probing.add({ ...call, answer: "lost", hops: text });
	}
	probing.add({ ...call, answer: "joined", hops: '{"service":"x"}' });
	const record = JSON.parse(probing.record(owner) ?? "");
	assert.deepEqual(
		record.calls.map((entry: { hops: unknown }) => entry.hops),
		[null, null, null, null, null, null, { service: "x" }],
	);
	for (let i = 0; i < 100; i++) {
		probing.add({ ...call, answer: "joined", hops: '{"service":"x"}' });
	}
	const cut = probing.record(owner) ?? "";
	assert.ok(cut.length <= 6000);
	assert.deepEqual([JSON.parse(cut).calls, JSON.parse(cut).cut], [[], true]);
	const long = { ...owner, service: "ü".repeat(2000) };
	assert.equal(probing.record(long), undefined);
});
