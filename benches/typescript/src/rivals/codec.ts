import assert from "node:assert/strict";
import {
	type Context,
	defaultTextMapGetter,
	ROOT_CONTEXT,
	trace,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { codec } from "../codec";
import { inbounds } from "../inbound";
import type { Workload } from "../measure";

/** Reads a `traceparent`, as OpenTelemetry does. */
export function extract(): Workload {
	const all = inbounds(0);
	const propagator = new W3CTraceContextPropagator();
	return codec(
		all.map(({ traceparent }) => ({ traceparent })),
		(carrier) =>
			propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter),
		(output, i) => {
			const context = trace.getSpanContext(output as Context);
			assert.equal(context?.traceId, all[i]?.traceId);
			assert.equal(context?.spanId, all[i]?.parentId);
		},
	);
}
