// Package towlineotel lets Towline and OpenTelemetry work in one process, so that nobody gets two of
// anything. A service that is instrumented already gets strand clocks without any middleware of
// Towline, by its propagator and its span processor:
//
//	bridge := towlineotel.New()
//	otel.SetTextMapPropagator(bridge.Propagators())
//	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(bridge.SpanProcessor()), exporter)
//
// One that has both wraps its handlers and transports by the instance of [Bridge.Towline], inside those
// of otelhttp: Towline then stands at OpenTelemetry's spans, and sees answers too, which no propagator
// does.
//
// Source: spec/edge.md, "OpenTelemetry in the same process".
package towlineotel
