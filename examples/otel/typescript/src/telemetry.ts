// OpenTelemetry; `node --require` loads it before anything that it instruments.
import { registerInstrumentations } from "@opentelemetry/instrumentation";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { UndiciInstrumentation } from "@opentelemetry/instrumentation-undici";
import {
	InMemorySpanExporter,
	NodeTracerProvider,
	SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";

export const exporter = new InMemorySpanExporter();

new NodeTracerProvider({
	spanProcessors: [new SimpleSpanProcessor(exporter)],
}).register();
registerInstrumentations({
	instrumentations: [
		new HttpInstrumentation({
			ignoreIncomingRequestHook: (request) => request.url === "/spans",
		}),
		new UndiciInstrumentation(),
	],
});
