// Compiled, not run: the types need OpenTelemetry's API, and nothing of its SDK.
import type { TextMapPropagator } from "@opentelemetry/api";
import { metrics } from "@opentelemetry/api";
import { Towline } from "towline";
import {
	besideOpenTelemetry,
	observeCounters,
	TowlinePropagator,
	TowlineSpanProcessor,
} from "towline/otel";

const instance = new Towline({ propagators: ["tracecontext", "b3"] });
export const propagator: TextMapPropagator = new TowlinePropagator(instance);
export const processor: { shutdown(): Promise<void> } =
	new TowlineSpanProcessor(instance);
besideOpenTelemetry();
observeCounters(instance, metrics.getMeter("types"));
