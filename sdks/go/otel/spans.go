package towlineotel

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	towline "towline.invalid/go"
)

// scope names the tracer of the client spans that Towline's transport makes.
const scope = "towline.invalid/go/otel"

// spans are OpenTelemetry's, for Towline's middleware.
type spans struct{ bridge *Bridge }

// ownCallKey marks the start of a span of which Towline's transport makes the call.
type ownCallKey struct{}

// Serving implements [towline.Spans].
func (s spans) Serving(r *http.Request) *towline.Place {
	ctx := r.Context()
	span, ok := isRecording(ctx)
	if !ok || span.SpanKind() != trace.SpanKindServer {
		return nil
	}
	sc, parent := span.SpanContext(), span.Parent()
	came, err := towline.ParseTraceContext(r.Header["Traceparent"], r.Header["Tracestate"])
	if parent.IsValid() && (!parent.IsRemote() || err != nil || came.ParentID != towline.SpanID(parent.SpanID())) {
		return nil // of another request, that this one's context came from
	}
	if live := s.bridge.find(sc); live != nil {
		return live.place
	}
	if !parent.IsValid() {
		return s.bridge.adopt(sc, parent, towline.KindServer, nil, "")
	}
	return s.bridge.adopt(sc, parent, towline.KindServer, r.Header["Raceway-Clock"], came.Own)
}

// Calling implements [towline.Spans].
func (s spans) Calling(r *http.Request) *towline.SpanCall {
	ctx := r.Context()
	current := trace.SpanFromContext(ctx)
	sc := current.SpanContext()
	if !sc.IsValid() {
		return nil
	}
	if span, ok := isRecording(ctx); ok && span.SpanKind() == trace.SpanKindClient {
		call, known := s.bridge.take(sc)
		if call != nil {
			return &towline.SpanCall{Call: call, Context: ctx}
		}
		if place := s.bridge.placeOf(ctx, sc); place != nil && !known {
			return &towline.SpanCall{Place: place, SpanID: towline.SpanID(sc.SpanID()), Context: ctx}
		}
	}
	return s.child(r, current, sc)
}

// child makes a client span below the current one, through OpenTelemetry.
func (s spans) child(r *http.Request, current trace.Span, above trace.SpanContext) *towline.SpanCall {
	place := s.bridge.placeOf(r.Context(), above)
	if place == nil {
		return nil
	}
	marked := context.WithValue(r.Context(), ownCallKey{}, struct{}{})
	_, span := current.TracerProvider().Tracer(scope).Start(marked, r.Method, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", r.Method), attribute.String("server.address", r.URL.Hostname())))
	sc := span.SpanContext()
	if !sc.IsValid() || sc.SpanID() == above.SpanID() {
		return nil // there is no SDK that makes one
	}
	return &towline.SpanCall{
		Place: place, SpanID: towline.SpanID(sc.SpanID()), Context: trace.ContextWithSpan(r.Context(), span),
		Sent: func(c *towline.Call) { setClock(span, c.Clock()) },
		Ended: func(status int, outcome towline.Outcome) {
			if status != 0 {
				span.SetAttributes(attribute.Int("http.response.status_code", status))
			}
			if status >= http.StatusBadRequest || outcome == towline.OutcomeError {
				span.SetStatus(codes.Error, "")
			}
			span.End()
		},
	}
}
