// The parts of both formats meet: the propagator of one, a span that the other has seen.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { defaultTextMapSetter, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { TowlinePropagator } from "towline/otel";

const { TowlineSpanProcessor } = createRequire(import.meta.url)("towline/otel");

const attributes = {};
const span = trace.wrapSpanContext({
	traceId: "0af7651916cd43dd8448eb211c80319c",
	spanId: "b7ad6b7169203331",
	traceFlags: 1,
});
span.setAttribute = (name, value) => {
	attributes[name] = value;
	return span;
};
const processor = new TowlineSpanProcessor({ serviceName: "otel", log() {} });
processor.onStart(span, ROOT_CONTEXT);
const headers = {};
const context = trace.setSpan(ROOT_CONTEXT, span);
new TowlinePropagator().inject(context, headers, defaultTextMapSetter);
assert.match(
	attributes["towline.clock"],
	/^v2;t=1c80319c, otel#.*\/69203331:1$/,
);
assert.match(
	headers["raceway-clock"],
	/^v2;t=1c80319c, otel#.*\/69203331:2;x="2"$/,
);
assert.match(headers.tracestate, /^towline=69203331:2/);
