import assert from "node:assert/strict";
import { test } from "node:test";
import {
	context,
	defaultTextMapGetter,
	defaultTextMapSetter,
	propagation,
	ROOT_CONTEXT,
	type Span,
	SpanKind,
	trace,
} from "@opentelemetry/api";
import {
	CompositePropagator,
	W3CTraceContextPropagator,
} from "@opentelemetry/core";
import {
	AggregationTemporality,
	InMemoryMetricExporter,
	MeterProvider,
	PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
	InMemorySpanExporter,
	NodeTracerProvider,
	type ReadableSpan,
	SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { Clock, current, withContext, wrapFetch } from "../src/index.js";
import {
	besideOpenTelemetry,
	observeCounters,
	TowlinePropagator,
	TowlineSpanProcessor,
} from "../src/otel.js";
import { CLOCK, instance, TRACE_ID, TRACEPARENT } from "./servers.js";

const { towline: own, recorder } = instance({ hashLabels: false });
const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({
	spanProcessors: [
		new TowlineSpanProcessor(own),
		new SimpleSpanProcessor(exporter),
	],
});
const propagators = [
	new W3CTraceContextPropagator(),
	new TowlinePropagator(own),
];
provider.register({ propagator: new CompositePropagator({ propagators }) });
besideOpenTelemetry();
const tracer = trace.getTracer("test");

test.beforeEach(() => {
	exporter.reset();
	recorder.sent.length = 0;
	recorder.dropped.length = 0;
});

/** Runs `work` under a span. */
function under<T>(
	kind: SpanKind,
	work: (span: Span) => T,
	attributes = {},
	parent = context.active(),
): T {
	return tracer.startActiveSpan("span", { kind, attributes }, parent, work);
}

function injected(): Record<string, string> {
	const headers: Record<string, string> = {};
	propagation.inject(context.active(), headers, defaultTextMapSetter);
	return headers;
}

function extracted(headers: Record<string, string>) {
	return propagation.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
}

const clockOf = (span: ReadableSpan | undefined) =>
	Clock.parse(String(span?.attributes["towline.clock"]));

test("spans of one process share a strand; those that leave are forks, detached ones of messages", () => {
	const sent = { traceparent: TRACEPARENT, "raceway-clock": CLOCK };
	const clocks: Record<string, string> = {};
	under(
		SpanKind.SERVER,
		(server) => {
			under(SpanKind.INTERNAL, (internal) => internal.end());
			for (const kind of [SpanKind.CLIENT, SpanKind.PRODUCER]) {
				under(kind, (span) => {
					const header = injected()["raceway-clock"] ?? "";
					clocks[SpanKind[kind]] = header;
					span.end();
				});
			}
			server.end();
		},
		{},
		extracted(sent),
	);
	const spans = exporter.getFinishedSpans();
	const server = spans.find(({ kind }) => kind === SpanKind.SERVER);
	const nonce = server?.spanContext().spanId.slice(8);
	assert.equal(server?.spanContext().traceId, TRACE_ID);
	for (const span of spans) {
		assert.equal(clockOf(span).hops.at(-1)?.nonce, nonce);
	}
	assert.match(clocks.CLIENT ?? "", /;x="[0-9]+"$/);
	assert.match(clocks.PRODUCER ?? "", /;x="[0-9]+~"$/); // only the call is open
	assert.ok(clockOf(server).ended);
	const { traceId } = own.receiveMessage({
		traceparent: TRACEPARENT,
		"raceway-clock": clocks.PRODUCER,
	});
	assert.equal(traceId, TRACE_ID);
});

test("a clock goes to no host that is not listed, and what came does not go on in its place", () => {
	const tracestate = "towline=00000001:2,foo=1";
	const parent = extracted({ traceparent: TRACEPARENT, tracestate });
	const sent = ["localhost", "example.com"].map((host) =>
		under(SpanKind.CLIENT, injected, { "server.address": host }, parent),
	);
	assert.ok(sent[0]?.["raceway-clock"]);
	assert.match(sent[0]?.tracestate ?? "", /^towline=[^,]+,foo=1$/);
	assert.deepEqual(
		[sent[1]?.["raceway-clock"], sent[1]?.tracestate],
		[undefined, "foo=1"],
	);
	assert.deepEqual(recorder.dropped, ["send/withheld"]);
});

test("what cannot be read is counted, and never breaks a request", () => {
	const cases: [Record<string, string>, string][] = [
		[{ "raceway-clock": CLOCK }, "clock/no_traceparent"],
		[
			{ traceparent: TRACEPARENT, "raceway-clock": "nonsense" },
			"clock/version",
		],
		[
			{ traceparent: TRACEPARENT, tracestate: "towline=nonsense" },
			"member/malformed",
		],
	];
	for (const [headers, dropped] of cases) {
		recorder.dropped.length = 0;
		under(SpanKind.SERVER, (span) => span.end(), {}, extracted(headers));
		assert.deepEqual(recorder.dropped, [dropped]);
	}
	const [first] = exporter.getFinishedSpans();
	assert.equal(clockOf(first).hops.length, 1);
});

const answering: typeof fetch = async () => new Response("x", { status: 503 });

test("a current client span is used as it is, for one attempt; others are its children", async () => {
	const call = wrapFetch(answering, own);
	const client = await under(SpanKind.CLIENT, async (span) => {
		await call("http://localhost/");
		await call("http://localhost/");
		span.end();
		return span.spanContext();
	});
	const [first, second] = recorder.sent;
	assert.equal(first?.spanId, client.spanId);
	assert.equal(second?.parentId, client.spanId);
	const spans = exporter.getFinishedSpans();
	assert.deepEqual(
		spans.map((span) => [span.name, span.spanContext().spanId]),
		[
			["GET", second?.spanId],
			["span", client.spanId],
		],
	);
	const made = spans[0]?.attributes;
	assert.deepEqual(
		[made?.["http.response.status_code"], made?.["error.type"]],
		[503, "503"],
	);
});

test("a call under spans of OpenTelemetry alone belongs to them, with what their tracestate said", async () => {
	const tracestate = "foo=1";
	const parent = extracted({ traceparent: TRACEPARENT, tracestate });
	let headers = new Headers();
	const call = wrapFetch(async (_input, init) => {
		headers = new Headers(init?.headers);
		return new Response("x");
	}, own);
	const before = own.counters.get("context/none");
	const server = await under(
		SpanKind.SERVER,
		async (span) => {
			await call("http://localhost/");
			span.end();
			return span.spanContext();
		},
		{},
		parent,
	);
	assert.equal(own.counters.get("context/none"), before);
	const [sent] = recorder.sent;
	assert.deepEqual([sent?.traceId, sent?.parentId], [TRACE_ID, server.spanId]);
	const traceparent = headers.get("traceparent");
	assert.equal(traceparent, `00-${TRACE_ID}-${sent?.spanId}-01`);
	assert.match(headers.get("tracestate") ?? "", /,foo=1$/);
	const hop = Clock.parse(headers.get("raceway-clock") ?? "").hops.at(-1);
	assert.equal(hop?.nonce, server.spanId.slice(8));
	assert.equal(current(), undefined);
});

test("a context of Towline alone is not mixed up with a span of another trace", async () => {
	const context = own.newTrace("server");
	await under(SpanKind.SERVER, (span) => {
		const answer = withContext(context, () =>
			wrapFetch(answering, own)("http://localhost/"),
		);
		span.end();
		return answer;
	});
	const [sent] = recorder.sent;
	assert.deepEqual(
		[sent?.traceId, sent?.parentId],
		[context.traceId, context.spanId],
	);
});

test("the counters are metrics, with their reasons", async () => {
	const { towline: counted } = instance();
	counted.receiveMessage({});
	counted.receiveMessage({ traceparent: TRACEPARENT, "raceway-clock": "x" });
	const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
	const reader = new PeriodicExportingMetricReader({ exporter: metrics });
	const meters = new MeterProvider({ readers: [reader] });
	observeCounters(counted, meters.getMeter("towline"));
	await reader.forceFlush();
	const all = metrics
		.getMetrics()
		.flatMap(({ scopeMetrics }) => scopeMetrics)
		.flatMap(({ metrics }) => metrics)
		.flatMap(({ descriptor, dataPoints }) =>
			dataPoints.map(({ value, attributes }) => [
				descriptor.name,
				value,
				attributes,
			]),
		);
	const has = (...point: unknown[]) =>
		all.some((other) => JSON.stringify(other) === JSON.stringify(point));
	assert.ok(has("towline.received", 2, {}));
	assert.ok(has("towline.continued", 1, {}));
	assert.ok(has("towline.restarted", 1, { reason: "absent" }));
	assert.ok(has("towline.clock_dropped", 1, { reason: "version" }));
	await meters.shutdown();
});
