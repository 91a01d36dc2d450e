import assert from "node:assert/strict";
import { context, propagation, ROOT_CONTEXT } from "@opentelemetry/api";
import { ExportResultCode } from "@opentelemetry/core";
import { registerInstrumentations } from "@opentelemetry/instrumentation";
import { ExpressInstrumentation } from "@opentelemetry/instrumentation-express";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { UndiciInstrumentation } from "@opentelemetry/instrumentation-undici";
import {
	AlwaysOffSampler,
	AlwaysOnSampler,
	BatchSpanProcessor,
	NodeTracerProvider,
	type SpanExporter,
} from "@opentelemetry/sdk-trace-node";
import type { Instrument } from "../instrument";

/**
 * OpenTelemetry's SDK and its official instrumentation, with their defaults;
 * spans are batched, and exported to nowhere. To be made before the modules
 * that it patches are loaded.
 */
export function openTelemetry(isSampled: boolean): Instrument {
	let exported = 0;
	const exporter: SpanExporter = {
		export(spans, done) {
			exported += spans.length;
			done({ code: ExportResultCode.SUCCESS });
		},
		shutdown: async () => {},
	};
	const provider = new NodeTracerProvider({
		sampler: isSampled ? new AlwaysOnSampler() : new AlwaysOffSampler(),
		spanProcessors: [new BatchSpanProcessor(exporter)],
	});
	provider.register();
	registerInstrumentations({
		tracerProvider: provider,
		instrumentations: [
			new HttpInstrumentation(),
			new ExpressInstrumentation(),
			new UndiciInstrumentation(),
		],
	});
	return {
		listener: (handler) => handler,
		fetch: (fetch) => fetch,
		dispatcher: (to) => to,
		outgoing: () => {
			const headers: Record<string, string> = {};
			propagation.inject(context.active(), headers);
			return headers;
		},
		entered: ({ traceparent }) => {
			const caller = propagation.extract(ROOT_CONTEXT, { traceparent });
			return (work) => context.with(caller, work);
		},
		flags: isSampled ? "01" : "00",
		finish: async () => {
			await provider.forceFlush();
			assert.ok(isSampled ? exported > 0 : exported === 0, "exported spans");
		},
	};
}
