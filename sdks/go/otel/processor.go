package towlineotel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	towline "towline.invalid/go"
)

// AttributeClock is the attribute of a span that has its strand's clock: when it starts, and of a client
// span what it sends.
const AttributeClock = attribute.Key("towline.clock")

// SpanProcessor returns what runs strands by OpenTelemetry's spans, and puts clocks on them. It has to
// be registered before the processors that export.
func (b *Bridge) SpanProcessor() sdktrace.SpanProcessor { return processor{b} }

type processor struct{ bridge *Bridge }

// OnStart implements [sdktrace.SpanProcessor].
func (p processor) OnStart(parent context.Context, span sdktrace.ReadWriteSpan) {
	sc, b := span.SpanContext(), p.bridge
	live := b.start(parent, span)
	kind := span.SpanKind()
	_, isOurs := parent.Value(ownCallKey{}).(struct{})
	switch {
	case kind == trace.SpanKindClient && !isOurs:
		live.call = live.place.CallAs(towline.SpanID(sc.SpanID()), hostOf(span), false)
		setClock(span, live.call.Clock())
	case kind == trace.SpanKindProducer:
		live.call, live.taken = live.place.CallAs(towline.SpanID(sc.SpanID()), "", true), true
		setClock(span, live.call.Clock())
	case kind == trace.SpanKindClient: // Towline's transport says what it sends
	case live.owns:
		setClock(span, live.place.Stamp().Format())
	default:
		setClock(span, live.place.Event().Format())
	}
	b.remember(sc, live)
}

// start finds the strand that a span belongs to, or starts one.
func (b *Bridge) start(parent context.Context, span sdktrace.ReadOnlySpan) *liveSpan {
	sc, above := span.SpanContext(), span.Parent()
	if place := towline.FromContext(parent); place != nil && place.TraceID() == towline.TraceID(sc.TraceID()) {
		return &liveSpan{place: place}
	}
	if above.IsValid() && !above.IsRemote() {
		if found := b.find(above); found != nil {
			return &liveSpan{place: found.place}
		}
	}
	kind := kindOf(span.SpanKind())
	if came, _ := parent.Value(arrivalKey{}).(*arrival); came != nil && above.IsRemote() && came.remote.SpanID() == above.SpanID() {
		return &liveSpan{place: came.place(b, sc, kind), owns: true}
	}
	return &liveSpan{place: b.adopt(sc, above, kind, nil, ""), owns: true}
}

// OnEnd implements [sdktrace.SpanProcessor]. The SDK takes no attributes any more.
func (p processor) OnEnd(span sdktrace.ReadOnlySpan) {
	live := p.bridge.forget(span.SpanContext())
	if live == nil {
		return
	}
	if live.call != nil && !live.taken {
		live.call.Lost() // whatever came back was not seen
	} else if live.call != nil && span.SpanKind() == trace.SpanKindProducer {
		live.call.Sent()
	}
	if live.owns {
		outcome := towline.OutcomeOK
		if span.Status().Code == codes.Error {
			outcome = towline.OutcomeError
		}
		live.place.End(outcome)
	}
}

// Shutdown implements [sdktrace.SpanProcessor].
func (p processor) Shutdown(context.Context) error {
	p.bridge.mu.Lock()
	defer p.bridge.mu.Unlock()
	clear(p.bridge.live)
	return nil
}

// ForceFlush implements [sdktrace.SpanProcessor].
func (processor) ForceFlush(context.Context) error { return nil }

// setClock puts a clock on a span, where there is one that is not too long to be told.
func setClock(span trace.Span, clock string) {
	if clock != "" && len(clock) <= towline.DefaultLimits().HeaderBytesMax {
		span.SetAttributes(AttributeClock.String(clock))
	}
}

// hostOf is the host that a client span calls, where its attributes say so from the beginning.
func hostOf(span sdktrace.ReadOnlySpan) string {
	for _, a := range span.Attributes() {
		if a.Key == "server.address" || a.Key == "net.peer.name" {
			return a.Value.AsString()
		}
	}
	return ""
}
