import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
	ClockV1,
	type ClockV1Sender,
	current,
	fork,
	type Towline,
	withTowline,
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

type Answer = (
	url: URL,
	init: RequestInit,
	headers: Headers,
) => Response | Promise<Response>;

/** A `fetch` that we own, for hosts that are not there; keeps what it was asked. */
function fake(answer: Answer = () => new Response("ok")) {
	const asked: {
		url: string;
		method: string;
		headers: Headers;
		body: unknown;
		redirect: string | undefined;
	}[] = [];
	const fetch: typeof globalThis.fetch = async (input, init = {}) => {
		const request = new Request(input, {
			...init,
			...(init.body ? { duplex: "half" } : {}),
		} as RequestInit);
		const { url, method, headers, redirect } = request;
		const body = request.body ? await request.text() : null;
		asked.push({ url, method, headers, body, redirect });
		return answer(new URL(url), init, headers);
	};
	return { fetch, asked };
}

/** Runs `work` inside of a request that came with `headers`; gives what it gives. */
async function inRequest<T>(
	own: Towline,
	headers: Record<string, string>,
	work: () => Promise<T>,
): Promise<T> {
	let result: T | undefined;
	const handler = withTowline(async (_req, res) => {
		try {
			result = await work();
		} finally {
			res.end();
		}
	}, own);
	let failed: unknown;
	const { createServer } = await import("node:http");
	const server = createServer(async (req, res) => {
		await Promise.resolve(handler(req, res as never)).catch(
			(error: unknown) => {
				failed = error;
			},
		);
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as { port: number };
	await (await fetch(`http://127.0.0.1:${port}`, { headers })).text();
	server.close();
	server.closeAllConnections();
	if (failed) throw failed;
	return result as T;
}

const SENT = {
	traceparent: TRACEPARENT,
	tracestate: "foo=1",
	"raceway-clock": CLOCK,
};

test("an attempt carries the trace, others' tracestate and the clock, in the place of what was set by hand", async () => {
	const { towline: own, recorder } = instance();
	const forms: [Parameters<typeof fetch>[0], RequestInit | undefined][] = [
		["http://a.internal/x?y", undefined],
		[
			new URL("http://a.internal/x?y"),
			{ headers: { Traceparent: "mine", "Raceway-Clock": "mine", own: "1" } },
		],
		[
			"http://a.internal/x?y",
			{
				headers: [
					["TRACESTATE", "mine"],
					["own", "1"],
				],
			},
		],
		[
			"http://a.internal/x?y",
			{ headers: new Headers({ traceparent: TRACEPARENT, own: "1" }) },
		],
		[
			new Request("http://a.internal/x?y", {
				headers: { traceparent: TRACEPARENT, own: "1" },
			}),
			undefined,
		],
	];
	for (const [input, init] of forms) {
		const { fetch, asked } = fake();
		await inRequest(own, SENT, () => wrapFetch(fetch)(input, init));
		const [{ url, headers } = assert.fail("not asked")] = asked;
		const span = recorder.sent.at(-1)?.spanId;
		const parent = recorder.started.at(-1)?.spanId ?? "";
		assert.equal(url, "http://a.internal/x?y");
		assert.equal(headers.get("traceparent"), `00-${TRACE_ID}-${span}-03`);
		assert.equal(
			headers.get("raceway-clock"),
			`v2;t=1c80319c, up#1/00000001:2, ts#1/${parent.slice(8)}:2;x="2"`,
		);
		assert.equal(
			headers.get("tracestate"),
			`towline=00000001:2/${parent.slice(8)}:2x2,foo=1`,
		);
		if (init?.headers) assert.equal(headers.get("own"), "1");
		assert.equal(recorder.sent.at(-1)?.parentId, parent);
		assert.equal(recorder.answered.at(-1)?.outcome, "lost");
	}
	assert.equal(own.counters.get("answer/absent"), forms.length);
});

test("a call without a context begins a trace, and is counted", async () => {
	const { towline: own, recorder } = instance({ sampled: false });
	const { fetch, asked } = fake();
	await wrapFetch(fetch, own)("http://a.internal/");
	const [{ headers } = assert.fail("not asked")] = asked;
	assert.match(
		headers.get("traceparent") ?? "",
		/^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/,
	);
	assert.match(
		headers.get("raceway-clock") ?? "",
		/, ts#1\/[0-9a-f]{8}:2;x="2"$/,
	);
	assert.deepEqual(recorder.dropped, ["context/none", "answer/absent"]);
	assert.deepEqual(
		recorder.started.map((e) => [e.kind, e.parentId]),
		[["client", undefined]],
	);
	assert.deepEqual(
		recorder.ended.map((e) => e.outcome),
		["ok"],
	);
	assert.equal(recorder.sent[0]?.parentId, recorder.started[0]?.spanId);
});

test("clocks go to listed hosts only; traceparent and others' tracestate to all, or to those listed", async () => {
	const {
		towline: own,
		recorder,
		lines,
	} = instance({ propagateTo: ["example.com", "203.0.113.0/24"] });
	const hosts: [string, boolean][] = [
		["localhost", true],
		["LOCALHOST:81", true],
		["127.1.2.3", true],
		["[::1]:8080", true],
		["10.1.1.1", true],
		["172.31.0.1", true],
		["172.32.0.1", false],
		["192.168.0.1", true],
		["169.254.9.9", true],
		["8.8.8.8", false],
		["[::ffff:10.0.0.1]", true],
		["[::ffff:8.8.8.8]", false],
		["[fd00::1]", true],
		["[fe80::1]", true],
		["[2001:db8::1]", false],
		["cart", true],
		["cart.local", true],
		["a.cart.internal.", true],
		["cart.svc", true],
		["x.svc.cluster.local", true],
		["example.com", true],
		["api.EXAMPLE.com.", true],
		["badexample.com", false],
		["example.com.evil.org", false],
		["203.0.113.7", true],
		["203.0.114.7", false],
		["2130706433", true],
		["134744072", false],
	];
	for (const [host, isListed] of hosts) {
		const { fetch, asked } = fake();
		await inRequest(own, SENT, () => wrapFetch(fetch)(`http://${host}/`));
		const [{ headers } = assert.fail("not asked")] = asked;
		assert.equal(headers.has("raceway-clock"), isListed, host);
		assert.equal(headers.has("traceparent"), true);
		assert.equal(
			headers.get("tracestate")?.includes("towline="),
			isListed,
			host,
		);
		assert.ok(headers.get("tracestate")?.endsWith("foo=1"));
	}
	const withheld = recorder.sent.filter(({ clock }) => clock === undefined);
	assert.equal(own.counters.get("send/withheld"), withheld.length);
	const told = lines.filter((line) => line.includes("no clock is sent to"));
	assert.equal(told.length, new Set(withheld.map(({ host }) => host)).size);

	const narrow = instance({ traceparentTo: ["example.com"] });
	const { fetch, asked } = fake();
	await inRequest(narrow.towline, SENT, async () => {
		await wrapFetch(fetch)("http://localhost/");
		await wrapFetch(fetch)("http://example.com/");
	});
	assert.deepEqual([...(asked[0]?.headers.keys() ?? [])], []);
	assert.deepEqual(
		[...(asked[1]?.headers.keys() ?? [])],
		["traceparent", "tracestate"],
	);
});

test("answers: the callee's clock is received; what cannot be used is lost, and counted", async () => {
	const callee = (headers: Headers, own: string) =>
		(headers.get("raceway-clock") ?? "").replace(
			/;x="\d+"$/,
			`, d#1/0000000d:${own}`,
		);
	const cases: [string, (headers: Headers) => string | null, string, RegExp][] =
		[
			["ended", (h) => callee(h, "3;e"), "", /ts#1\/.{8}:3$/],
			[
				"with calls of its own in flight",
				(h) => callee(h, '3;e;x="2"'),
				"",
				/:3;x="2\.3!\(2\)"$/,
			],
			["not ended", (h) => callee(h, "3"), "", /:3;x="2\.3~"$/],
			["absent", () => null, "answer/absent", /:2;x="2~"$/],
			[
				"duplicate",
				(h) => `${callee(h, "3;e")}, ${callee(h, "3;e")}`,
				"answer/duplicate",
				/:2;x="2~"$/,
			],
			["malformed", (h) => callee(h, "x"), "answer/malformed", /:2;x="2~"$/],
			["version", () => "v1;e30", "answer/version", /:2;x="2~"$/],
			[
				"other trace",
				(h) => callee(h, "3;e").replace("1c80319c", "1c80319d"),
				"answer/other_trace",
				/:2;x="2~"$/,
			],
			[
				"over limits",
				(h) => callee(h, "2147483648;e"),
				"answer/over_limits",
				/:2;x="2~"$/,
			],
			[
				"too long",
				() => `v2;t=1c80319c, ${"a".repeat(5000)}#1/00000001:1`,
				"answer/too_long",
				/:2;x="2~"$/,
			],
			[
				"the caller's own",
				(h) => h.get("raceway-clock"),
				"answer/other_strand",
				/:2;x="2~"$/,
			],
			[
				"detached",
				(h) => callee(h, "3;d;e"),
				"answer/other_strand",
				/:2;x="2~"$/,
			],
			[
				"below the callee",
				(h) => callee(h, "3, e#1/0000000e:2;e"),
				"answer/other_strand",
				/:2;x="2~"$/,
			],
			[
				"another caller's",
				(h) => callee(h, "3;e").replace(/ts#1\/.{8}/, "ts#1/00000bad"),
				"answer/other_strand",
				/:2;x="2~"$/,
			],
			[
				"another first strand's",
				(h) => callee(h, "3;e").replace("00000001", "00000bad"),
				"answer/other_strand",
				/:2;x="2~"$/,
			],
			[
				"the caller's future",
				(h) => callee(h, "3;e").replace(/(ts#1\/.{8}):2/, "$1:9;f=2"),
				"answer/other_strand",
				/:2;x="2~"$/,
			],
			[
				"with news from above",
				(h) => callee(h, "3;e").replace("00000001:2", "00000001:5;f=2"),
				"",
				/00000001:5;f=2, ts#1\/.{8}:3$/,
			],
		];
	for (const [name, answer, dropped, stamp] of cases) {
		const { towline: own, recorder } = instance();
		const { fetch } = fake((_url, _init, headers) => {
			const clock = answer(headers);
			return new Response("ok", {
				headers: clock === null ? {} : { "raceway-clock": clock },
			});
		});
		await inRequest(own, SENT, async () => {
			await wrapFetch(fetch)("http://localhost/");
			assert.match(current()?.stamp().format() ?? "", stamp, name);
		});
		assert.deepEqual(recorder.dropped, dropped ? [dropped] : [], name);
		assert.equal(recorder.answered[0]?.outcome, dropped ? "lost" : "ok", name);
		assert.equal(recorder.answered[0]?.status, 200);
	}
});

test("no answer leaves the fork open, and each retry is an attempt of its own", async (t) => {
	const { towline: own, recorder } = instance();
	const url = await listen(t, (req) => req.socket.destroy());
	const silent = await listen(t, () => {});
	await inRequest(own, SENT, async () => {
		const call = wrapFetch(fetch);
		await assert.rejects(call(url));
		await assert.rejects(call(url));
		const abort = new AbortController();
		const given = call(silent, { signal: abort.signal });
		await turn();
		abort.abort();
		await assert.rejects(given, { name: "AbortError" });
		assert.match(current()?.stamp().format() ?? "", /:4;x="2-4"$/);
	});
	assert.deepEqual(
		recorder.answered.map((e) => e.outcome),
		["error", "error", "cancelled"],
	);
	assert.equal(new Set(recorder.sent.map((e) => e.spanId)).size, 3);
});

test("redirects are attempts of their own, and a clock goes to no host that is not listed", async () => {
	const { towline: own, recorder } = instance();
	const { fetch, asked } = fake((url) =>
		url.host === "a.internal"
			? new Response(null, {
					status: 307,
					headers: { location: "https://example.org/b#there" },
				})
			: url.pathname === "/b"
				? new Response(null, {
						status: 302,
						headers: { location: "http://c.internal/c" },
					})
				: new Response("done"),
	);
	const response = await inRequest(own, SENT, () =>
		wrapFetch(fetch)("http://a.internal/", {
			method: "POST",
			body: "body",
			headers: { authorization: "secret", "content-type": "text/x", own: "1" },
		}),
	);
	assert.equal(await response.text(), "done");
	assert.equal(response.redirected, true);
	assert.deepEqual(
		asked.map(({ url, method, body, headers, redirect }) => [
			...[
				url,
				method,
				body,
				redirect,
				headers.get("authorization"),
				headers.get("content-type"),
				headers.get("own"),
			],
			headers.has("raceway-clock"),
		]),
		[
			[
				"http://a.internal/",
				"POST",
				"body",
				"manual",
				"secret",
				"text/x",
				"1",
				true,
			],
			[
				"https://example.org/b#there",
				"POST",
				"body",
				"manual",
				null,
				"text/x",
				"1",
				false,
			],
			[
				"http://c.internal/c#there",
				"GET",
				null,
				"manual",
				null,
				null,
				"1",
				true,
			],
		],
	);
	assert.equal(
		new Set(asked.map(({ headers }) => headers.get("traceparent"))).size,
		3,
	);
	assert.deepEqual(
		recorder.answered.map((e) => [e.host, e.status]),
		[
			["a.internal", 307],
			["example.org", 302],
			["c.internal", 200],
		],
	);
});

test("redirects go on as fetch itself follows them", async (t) => {
	const url = await listen(t, (req, res) => {
		const { pathname, searchParams } = new URL(req.url ?? "", "http://x");
		let body = "";
		req.on("data", (chunk: Buffer) => {
			body += chunk;
		});
		req.on("end", () => {
			if (pathname === "/end") {
				const type = req.headers["content-type"] ?? null;
				const length = req.headers["content-length"] ?? null;
				res.end(JSON.stringify([req.method, body, type, length]));
				return;
			}
			const to = searchParams.get("to");
			if (to !== null) res.setHeader("location", to);
			res.writeHead(Number(pathname.slice(1))).end("redirect");
		});
	});
	const traced = wrapFetch(fetch, instance().towline);
	const form = () => {
		const data = new FormData();
		data.set("a", "b");
		return data;
	};
	const text = { "content-type": "text/x" };
	const inputs: (() => [Parameters<typeof fetch>[0], RequestInit?])[] = [];
	for (const status of [301, 302, 303, 307, 308, 300, 200]) {
		const from = `${url}/${status}?to=/end`;
		inputs.push(() => [from]);
		inputs.push(() => [from, { method: "post", body: "b", headers: text }]);
		inputs.push(() => [from, { method: "PUT", body: "b", headers: text }]);
		inputs.push(() => [from, { method: "HEAD" }]);
		inputs.push(() => [
			new Request(from, { method: "POST", body: "b", headers: text }),
		]);
		inputs.push(() => [new Request(from, { method: "PUT", body: "b" })]);
		inputs.push(() => [
			from,
			{ method: "POST", body: new URLSearchParams({ a: "b" }) },
		]);
		inputs.push(() => [
			new Request(`${url}/307?to=${encodeURIComponent(`/${status}?to=/end`)}`, {
				method: "POST",
				body: "twice",
			}),
		]);
		inputs.push(() => [from, { redirect: "manual" }]);
		inputs.push(() => [from, { redirect: "error" }]);
		inputs.push(() => [new Request(from, { redirect: "manual" })]);
		inputs.push(() => [
			from,
			{
				method: "POST",
				body: new Blob(["b"]).stream(),
				duplex: "half",
			} as RequestInit,
		]);
	}
	inputs.push(() => [`${url}/307?to=`, { method: "POST", body: form() }]);
	inputs.push(
		() => [`${url}/302`],
		() => [`${url}/302?to=ftp://x/`],
		() => [`${url}/302?to=http://:bad`],
	);
	inputs.push(
		() => [`${url}/302?to=%2F302`],
		() => ["data:,x"],
		() => ["/relative"],
		() => ["http://u:p@127.0.0.1/"],
	);
	for (const input of inputs) {
		assert.deepEqual(
			await outcome(traced, input()),
			await outcome(fetch, input()),
			JSON.stringify(input()),
		);
	}
	// Node 20's own fetch fails to send bytes again.
	const bytes: RequestInit = { method: "PUT", body: new Uint8Array([98]) };
	for (const input of [
		new Request(`${url}/307?to=/end`, bytes),
		`${url}/308?to=/end`,
	]) {
		const response = await traced(
			input,
			typeof input === "string" ? bytes : undefined,
		);
		assert.deepEqual(await response.json(), ["PUT", "b", null, "1"]);
	}
	const integrity = "sha256-w9tnaixO4zxixSMPF8Zj1Ykjzv4wW4uA3JZEK0kEnEg=";
	const data = await traced(`${url}/302?to=/end`, { integrity }).catch(
		(error: Error) => error.name,
	);
	assert.deepEqual(
		data,
		await fetch(`${url}/302?to=/end`, { integrity }).catch(
			(error: Error) => error.name,
		),
	);
});

async function outcome(
	call: typeof fetch,
	[input, init]: [Parameters<typeof fetch>[0], RequestInit?],
): Promise<unknown> {
	try {
		const response = await call(input, init);
		const { status, url, redirected, ok, type } = response;
		return { status, url, redirected, ok, type, text: await response.text() };
	} catch (error) {
		assert.ok(error instanceof Error);
		return error.name;
	}
}

test("a loop of redirects ends after twenty", async () => {
	const { towline: own } = instance();
	const { fetch, asked } = fake(
		() => new Response(null, { status: 302, headers: { location: "/" } }),
	);
	await assert.rejects(wrapFetch(fetch, own)("http://localhost/"), {
		name: "TypeError",
		message: "fetch failed",
	});
	assert.equal(asked.length, 21);
});

test("wrapped twice, an attempt has one span", async () => {
	const { towline: own, recorder } = instance();
	const other = instance();
	const { fetch, asked } = fake(() => new Response("ok"));
	const retrying: typeof globalThis.fetch = async (input, init) => {
		await wrapFetch(fetch, other.towline)(input, init);
		return wrapFetch(fetch, other.towline)(input, init); // a retry below the outer wrapper
	};
	await inRequest(own, SENT, async () => {
		await wrapFetch(wrapFetch(fetch))("http://localhost/");
		assert.equal(recorder.sent.length, 1);
		assert.equal(asked.length, 1);
		assert.ok(
			asked[0]?.headers
				.get("traceparent")
				?.includes(recorder.sent[0]?.spanId ?? "-"),
		);
		await wrapFetch(retrying)("http://localhost/");
	});
	assert.equal(
		new Set(asked.map(({ headers }) => headers.get("traceparent"))).size,
		3,
	);
	assert.equal(recorder.sent.length, 2);
	assert.equal(other.recorder.sent.length, 1);
});

test("a server in the same process that passes headers on by hand has spans of its own", async (t) => {
	const front = instance();
	const back = instance({ serviceName: "back" });
	const seen: unknown[] = [];
	const last = await listen(t, (req, res) => {
		seen.push(req.headers.traceparent);
		res.end();
	});
	const url = await listen(
		t,
		withTowline(async (req, res) => {
			const { traceparent = "" } = req.headers;
			await wrapFetch(fetch)(last, {
				headers: { traceparent: String(traceparent) },
			});
			res.end();
		}, back.towline),
	);
	await inRequest(front.towline, SENT, () => wrapFetch(fetch)(url));
	await wrapFetch(fetch, front.towline)(url);
	assert.equal(back.recorder.sent.length, 2);
	const spans = back.recorder.sent.map((e) => `00-${e.traceId}-${e.spanId}-03`);
	assert.deepEqual(seen, spans);
});

test("disabled, a call is what it was", async () => {
	const { towline: own } = instance({ disabled: true });
	const { fetch, asked } = fake();
	await wrapFetch(fetch, own)("http://localhost/", {
		headers: { traceparent: TRACEPARENT },
	});
	assert.deepEqual(
		[...(asked[0]?.headers ?? [])],
		[["traceparent", TRACEPARENT]],
	);
	assert.equal(asked[0]?.redirect, "follow");
});

test("v1: goes on where it came, where it is asked for, and nowhere else", async () => {
	const sender: ClockV1Sender = {
		traceId: TRACE_ID,
		spanId: "b7ad6b7169203331",
		parentSpanId: "00f067aa0ba902b7",
		service: "up",
		instance: "u",
	};
	const v1 = new ClockV1().send("up#u").write(sender);
	const read = (header: string | null | undefined) =>
		Object.fromEntries(ClockV1.read(header ?? "", TRACE_ID).vector);
	const cases = [
		[
			"auto",
			v1,
			[
				{ "up#u": 1, "ts#1": 1 },
				{ "up#u": 1, "ts#1": 2 },
			],
		],
		[
			"v1",
			v1,
			[
				{ "up#u": 1, "ts#1": 1 },
				{ "up#u": 1, "ts#1": 2 },
			],
		],
		["v1", CLOCK, [{ "ts#1": 1 }, { "ts#1": 2 }]],
		["v2", v1, "v2"],
		["auto", CLOCK, "v2"],
		["off", CLOCK, "none"],
		["off", v1, "none"],
	] as const;
	for (const [clock, came, expected] of cases) {
		const { towline: own, recorder } = instance({ clock });
		const { fetch, asked } = fake();
		await inRequest(own, { ...SENT, "raceway-clock": came }, async () => {
			await fork(() => wrapFetch(fetch)("http://localhost/"));
			await wrapFetch(fetch)("http://localhost/");
		});
		const sent = asked.map(({ headers }) => headers.get("raceway-clock"));
		if (expected === "none") assert.deepEqual(sent, [null, null]);
		else if (expected === "v2")
			assert.ok(sent.every((s) => s?.startsWith("v2;t=1c80319c, ")));
		else {
			assert.deepEqual(sent.map(read), expected);
			assert.ok(
				asked.every(({ headers }) => headers.get("tracestate") === "foo=1"),
			);
			const payload = JSON.parse(
				Buffer.from(sent[1]?.slice(3) ?? "", "base64url").toString(),
			);
			assert.equal(payload.span_id, recorder.sent[1]?.spanId);
			assert.equal(payload.parent_span_id, recorder.sent[1]?.parentId);
			assert.deepEqual(recorder.dropped, []);
		}
	}
	const { towline: own, recorder } = instance();
	await inRequest(own, { ...SENT, "raceway-clock": "v1;!!" }, async () => {});
	assert.deepEqual(recorder.dropped, ["clock/malformed"]);
});

test("our member is left out where it is turned off or does not fit, and taken out always", async () => {
	for (const [tracestate, came, sent, dropped] of [
		[false, "towline=x,foo=1", "foo=1", []],
		[
			true,
			`a=${"v".repeat(250)},b=${"v".repeat(250)}`,
			`a=${"v".repeat(250)},b=${"v".repeat(250)}`,
			["tracestate/too_long"],
		],
	] as const) {
		const { towline: own, recorder } = instance({ tracestate });
		const { fetch, asked } = fake((_u, _i, h) => {
			const clock =
				h.get("raceway-clock")?.replace(/;x=.*/, ", d#1/0000000d:2;e") ?? "";
			return new Response(null, { headers: { "raceway-clock": clock } });
		});
		await inRequest(own, { ...SENT, tracestate: came }, () =>
			wrapFetch(fetch)("http://localhost/"),
		);
		assert.equal(asked[0]?.headers.get("tracestate"), sent);
		assert.deepEqual(recorder.dropped, dropped);
	}
});

test("a thousand requests, fifty at once, through two servers: no context is lost or mixed up", async (t) => {
	const back = instance({ serviceName: "back" });
	const backUrl = await listen(
		t,
		withTowline(async (_req, res) => {
			const context = current();
			await turn();
			assert.equal(current(), context);
			res.end(JSON.stringify([context?.traceId, context?.parentId]));
		}, back.towline),
	);
	const front = instance({ serviceName: "front" });
	const traced = wrapFetch(fetch);
	const frontUrl = await listen(
		t,
		withTowline(async (_req, res) => {
			const first = await (await traced(backUrl)).json();
			const context = current();
			const second = await (await traced(backUrl)).json();
			res.end(
				JSON.stringify([
					context?.traceId,
					context?.parentId,
					context?.spanId,
					first,
					second,
				]),
			);
		}, front.towline),
	);
	let next = 0;
	const worker = async () => {
		for (let i = next++; i < 1000; i = next++) {
			const traceId = (i + 1).toString(16).padStart(32, "0");
			const parentId = (i + 7).toString(16).padStart(16, "0");
			const headers = { traceparent: `00-${traceId}-${parentId}-01` };
			const [trace, parent, span, ...calls] = (await (
				await fetch(frontUrl, { headers })
			).json()) as [string, string, string, [string, string], [string, string]];
			assert.deepEqual([trace, parent], [traceId, parentId]);
			const sent = front.recorder.sent.filter((e) => e.traceId === traceId);
			assert.deepEqual(
				calls,
				sent.map((e) => [traceId, e.spanId]),
			);
			assert.deepEqual(
				sent.map((e) => e.parentId),
				[span, span],
			);
		}
	};
	await Promise.all(Array.from({ length: 50 }, worker));
	await until(
		() =>
			front.recorder.ended.length === 1000 &&
			back.recorder.ended.length === 2000,
	);
	assert.ok(front.recorder.answered.every((e) => e.outcome === "ok"));
	assert.ok(
		front.recorder.ended.every((e) => /:5;e$|:6;e$/.test(e.clock.format())),
	);
	assert.deepEqual(front.towline.counters.all(), {
		strand_start: 1000,
		strand_end: 1000,
		call_sent: 2000,
		call_answered: 2000,
		received: 1000,
		continued: 1000,
		sent: 2000,
		joined: 2000,
	});
	assert.equal(current(), undefined);
});

test("a call gives a client without middleware its headers", () => {
	const { towline: own, recorder } = instance();
	const call = own.call("localhost:80");
	assert.equal(call.outcome, undefined);
	call.answered(undefined, 204);
	call.answered("late");
	call.failed();
	assert.equal(call.outcome, "lost");
	assert.deepEqual(
		recorder.answered.map((e) => [e.outcome, e.status]),
		[["lost", 204]],
	);
	assert.deepEqual(Object.keys(call.headers), [
		"traceparent",
		"tracestate",
		"raceway-clock",
	]);
	assert.equal(current(), undefined);
});
