/**
 * Strand clocks beside OpenTelemetry: a propagator, a span processor, metrics,
 * and the rules by which both have one span of everything.
 *
 * @packageDocumentation
 */
export { besideOpenTelemetry } from "./otel-beside.js";
export { observeCounters } from "./otel-metrics.js";
export { TowlineSpanProcessor } from "./otel-processor.js";
export { TowlinePropagator } from "./otel-propagator.js";
