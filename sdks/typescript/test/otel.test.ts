import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SpanKind } from "@opentelemetry/api";
import {
	Clock,
	type Context,
	current,
	withTowline,
	wrapFetch,
} from "../src/index.js";
import { instance, listen, until } from "./servers.js";

const SERVICE = fileURLToPath(
	new URL("../../test/otel-service.cjs", import.meta.url),
);

/** A span of the service in the middle. */
interface Span {
	readonly name: string;
	readonly kind: SpanKind;
	readonly attributes: Record<string, unknown>;
	readonly traceId: string;
	readonly spanId: string;
	readonly parentId?: string;
}

/** Starts the service with these parts of Towline; stopped with the test. */
async function start(t: TestContext, parts: string) {
	const env = { PATH: process.env.PATH, TOWLINE_PARTS: parts };
	const child: ChildProcess = spawn(process.execPath, [SERVICE], {
		env,
		stdio: ["ignore", "pipe", "inherit"],
	});
	t.after(async () => {
		child.kill("SIGTERM");
		await once(child, "exit");
	});
	const spans: Span[] = [];
	assert.ok(child.stdout);
	const lines = createInterface({ input: child.stdout });
	const [first] = (await once(lines, "line")) as [string];
	lines.on("line", (line) => spans.push(JSON.parse(line)));
	return { url: `http://127.0.0.1:${JSON.parse(first).port}`, spans };
}

/**
 * One request through three services: Towline, the one in the middle, Towline.
 * `spans` are those of HTTP that the middle made.
 */
async function chain(t: TestContext, parts: string, path: string) {
	const middle = await start(t, parts);
	const back = instance({ serviceName: "back" });
	let context: Context | undefined;
	let received: unknown;
	const backUrl = await listen(
		t,
		withTowline((req, res) => {
			context = current();
			received = req.headers["raceway-clock"];
			res.end("data");
		}, back.towline),
	);
	const front = instance({ serviceName: "front" });
	const call = wrapFetch(fetch, front.towline);
	const url = `${middle.url}${path}?url=${encodeURIComponent(backUrl)}`;
	const frontUrl = await listen(
		t,
		withTowline(async (_req, res) => {
			res.end(await (await call(url)).text());
		}, front.towline),
	);
	const answer = await fetch(frontUrl);
	assert.equal(await answer.text(), "data");
	await until(() => front.recorder.ended.length === 1);
	const isHttp = ({ kind }: Span) => kind !== SpanKind.INTERNAL;
	const count = parts.includes("unsampled") ? 0 : 2;
	await until(() => middle.spans.filter(isHttp).length >= count);
	assert.ok(context);
	const spans = middle.spans.filter(isHttp);
	const server = spans.find(({ kind }) => kind === SpanKind.SERVER);
	const client = spans.find(({ kind }) => kind === SpanKind.CLIENT);
	const all = middle.spans;
	return { front, back, context, received, spans, server, client, all };
}

/** Is `id` that of a span between the server's and the process? */
function isBelow(all: readonly Span[], id: string | undefined, server?: Span) {
	let at = id;
	for (let i = 0; i < all.length && at !== server?.spanId; i++) {
		at = all.find(({ spanId }) => spanId === at)?.parentId;
	}
	return at !== undefined && at === server?.spanId;
}

/** The services of a clock's hops. */
function services(clock: Clock): string[] {
	return clock.hops.map(({ service }) => service);
}

for (const path of ["/http", "/fetch"]) {
	test(`through a plain OpenTelemetry service (${path}): trace, parents, and the clock by tracestate`, async (t) => {
		const { front, context, received, spans, server, client } = await chain(
			t,
			"",
			path,
		);
		const [sent] = front.recorder.sent;
		assert.equal(spans.length, 2);
		assert.ok(spans.every(({ traceId }) => traceId === sent?.traceId));
		assert.equal(server?.parentId, sent?.spanId);
		assert.deepEqual(
			[context.traceId, context.parentId],
			[sent?.traceId, client?.spanId],
		);
		assert.equal(received, undefined);
		const clock = context.stamp();
		assert.deepEqual(
			clock.hops.map(({ gap }) => gap),
			[false, true],
		);
		const before = front.recorder.started[0]?.clock.format() ?? "";
		assert.equal(Clock.parse(before).compare(clock), "before");
		assert.deepEqual(front.towline.counters.summary().lost, { absent: 1 });
	});

	test(`with propagator and span processor alone (${path}): no gap, and clocks on spans`, async (t) => {
		const { front, context, spans, server, client } = await chain(
			t,
			"propagator,processor",
			path,
		);
		assert.equal(spans.length, 2);
		assert.equal(context.parentId, client?.spanId);
		const clock = context.stamp();
		assert.deepEqual(services(clock), ["front", "otel", "back"]);
		assert.ok(clock.hops.every(({ gap }) => !gap));
		assert.equal(clock.hops[1]?.nonce, server?.spanId.slice(8));
		const [sent] = front.recorder.sent;
		assert.equal(server?.parentId, sent?.spanId);
		const ended = Clock.parse(String(server?.attributes["towline.clock"]));
		assert.ok(ended.ended);
		const called = Clock.parse(String(client?.attributes["towline.clock"]));
		assert.match(called.format(), /x="\d+~"$/); // nobody saw the answer
		assert.equal(called.compare(clock), "before");
		assert.deepEqual(front.towline.counters.summary().lost, { absent: 1 });
	});

	test(`with the propagator alone, of spans that nobody records (${path}): the clock goes on`, async (t) => {
		const { context, spans } = await chain(t, "propagator,unsampled", path);
		assert.deepEqual(spans, []);
		assert.deepEqual(services(context.stamp()), ["front", "otel", "back"]);
		assert.equal(context.flags & 1, 0);
	});
}

test("with middleware and SDK nobody gets two of anything, and the answer is joined", async (t) => {
	for (const parts of ["middleware", "propagator,processor,middleware"]) {
		const { front, back, context, spans, server, client, all } = await chain(
			t,
			parts,
			"/fetch",
		);
		assert.equal(spans.length, 2, parts);
		assert.equal(server?.parentId, front.recorder.sent[0]?.spanId);
		await until(() => isBelow(all, client?.parentId, server));
		assert.equal(context.parentId, client?.spanId);
		assert.deepEqual(services(context.stamp()), ["front", "otel", "back"]);
		assert.equal(context.stamp().hops[1]?.nonce, server?.spanId.slice(8));
		assert.equal(client?.attributes["http.response.status_code"], 200);
		assert.equal(client?.attributes["http.request.method"], "GET");
		const answered = front.recorder.answered[0];
		assert.equal(answered?.outcome, "ok");
		const stamped = server?.attributes["towline.clock"];
		if (parts === "middleware") assert.equal(stamped, undefined);
		else assert.ok(Clock.parse(String(stamped)).ended);
		assert.equal(front.towline.counters.summary().joined, 1);
		assert.equal(back.towline.counters.summary().continued, 1);
	}
});
