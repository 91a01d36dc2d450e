/**
 * A service that OpenTelemetry has instrumented: Express, `http` and undici. What
 * it has of Towline are the words of `TOWLINE_PARTS`: `propagator`, `processor`,
 * `middleware`; without any it is plain. Each span that ends is a line of its
 * standard output.
 *
 * GET /http?url=…: the answer of that URL, asked by `http.get`; /fetch: by
 * `fetch`, of Towline where there is middleware.
 */
const {
	CompositePropagator,
	W3CTraceContextPropagator,
} = require("@opentelemetry/core");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const {
	ExpressInstrumentation,
} = require("@opentelemetry/instrumentation-express");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const {
	UndiciInstrumentation,
} = require("@opentelemetry/instrumentation-undici");
const {
	AlwaysOffSampler,
	AlwaysOnSampler,
	NodeTracerProvider,
} = require("@opentelemetry/sdk-trace-node");

const parts = new Set((process.env.TOWLINE_PARTS ?? "").split(","));
const has = (part) => parts.has(part);

/** Prints what it is given. */
const printing = {
	onStart() {},
	onEnd(span) {
		const { name, kind, attributes, parentSpanContext } = span;
		const { traceId, spanId } = span.spanContext();
		const parentId = parentSpanContext?.spanId;
		const line = { name, kind, attributes, traceId, spanId, parentId };
		console.log(JSON.stringify(line));
	},
	forceFlush: async () => {},
	shutdown: async () => {},
};

const spanProcessors = [printing];
const propagators = [new W3CTraceContextPropagator()];
let instance;
if (parts.size > 0 && !has("")) {
	const { Towline } = require("towline");
	const otel = require("towline/otel");
	instance = new Towline({ serviceName: "otel", instance: "1", log: () => {} });
	if (has("processor"))
		spanProcessors.unshift(new otel.TowlineSpanProcessor(instance));
	if (has("propagator")) propagators.push(new otel.TowlinePropagator(instance));
	if (has("middleware")) otel.besideOpenTelemetry();
}
const sampler = has("unsampled")
	? new AlwaysOffSampler()
	: new AlwaysOnSampler();
const provider = new NodeTracerProvider({ sampler, spanProcessors });
provider.register({ propagator: new CompositePropagator({ propagators }) });
registerInstrumentations({
	instrumentations: [
		new HttpInstrumentation(),
		new ExpressInstrumentation(),
		new UndiciInstrumentation(),
	],
});

const http = require("node:http");
const express = require("express");
const app = express();
let call = fetch;
if (has("middleware")) {
	const { towline, wrapFetch } = require("towline");
	app.use(towline(instance));
	call = wrapFetch(fetch, instance);
}
app.get("/http", (req, res) => {
	http.get(req.query.url, (answer) => answer.pipe(res));
});
app.get("/fetch", async (req, res) => {
	const answer = await call(req.query.url);
	res.send(await answer.text());
});
const server = app.listen(0, "127.0.0.1", () => {
	console.log(JSON.stringify({ port: server.address().port }));
});
process.once("SIGTERM", () => {
	server.close();
	server.closeAllConnections();
});
