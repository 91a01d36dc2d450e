package towlineotel

import (
	"context"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	towline "towline.invalid/go"
)

// Bridge joins one instance of Towline with OpenTelemetry. It is safe for concurrent use.
type Bridge struct {
	towline *towline.Towline

	mu   sync.Mutex
	live map[spanKey]*liveSpan // spans that started here and have not ended
}

// New makes a bridge, with an instance of Towline of these options and the environment.
func New(options ...towline.Option) *Bridge {
	b := &Bridge{live: map[spanKey]*liveSpan{}}
	b.towline = towline.New(append(options[:len(options):len(options)], towline.WithSpans(spans{b}))...)
	return b
}

// Towline returns the bridge's instance, whose handlers and transports know of OpenTelemetry's spans.
func (b *Bridge) Towline() *towline.Towline { return b.towline }

// spanKey names a span in this process.
type spanKey struct {
	trace trace.TraceID
	span  trace.SpanID
}

func keyOf(sc trace.SpanContext) spanKey { return spanKey{sc.TraceID(), sc.SpanID()} }

// liveSpan is what is known of a span between its start and its end.
type liveSpan struct {
	place *towline.Place
	owns  bool          // the place is this span's: its strand ends with it
	call  *towline.Call // of a client or producer span
	taken bool          // Towline's transport sees what becomes of the call
}

// spansMax bounds what spans that never end can make this take.
const spansMax = 1 << 16

func (b *Bridge) remember(sc trace.SpanContext, span *liveSpan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.live) < spansMax {
		b.live[keyOf(sc)] = span
	}
}

// find returns a span that started here and has not ended; nil where there is none.
func (b *Bridge) find(sc trace.SpanContext) *liveSpan {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.live[keyOf(sc)]
}

func (b *Bridge) forget(sc trace.SpanContext) *liveSpan {
	b.mu.Lock()
	defer b.mu.Unlock()
	span := b.live[keyOf(sc)]
	delete(b.live, keyOf(sc))
	return span
}

// take gives the call of a client span to who sees its answer, once.
func (b *Bridge) take(sc trace.SpanContext) (call *towline.Call, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	span := b.live[keyOf(sc)]
	if span == nil || span.call == nil {
		return nil, false
	}
	if span.taken {
		return nil, true
	}
	span.taken = true
	return span.call, true
}

// placeOf returns the place at which code with this context stands; nil where there is none. That of
// Towline wins, which may be a fork; then that of the current span; then what a propagator brought.
func (b *Bridge) placeOf(ctx context.Context, sc trace.SpanContext) *towline.Place {
	if place := towline.FromContext(ctx); place != nil && place.TraceID() == towline.TraceID(sc.TraceID()) {
		return place
	}
	if span := b.find(sc); span != nil {
		return span.place
	}
	if came, _ := ctx.Value(arrivalKey{}).(*arrival); came != nil && came.remote.TraceID() == sc.TraceID() {
		return came.place(b, sc, towline.KindServer)
	}
	return nil
}

// kindOf is the kind of strand that a span of that kind starts.
func kindOf(kind trace.SpanKind) towline.Kind {
	switch kind {
	case trace.SpanKindServer:
		return towline.KindServer
	case trace.SpanKindConsumer:
		return towline.KindConsumer
	default:
		return towline.KindInternal
	}
}

// isRecording returns the span of the SDK that is current, with what it says of itself.
func isRecording(ctx context.Context) (sdktrace.ReadOnlySpan, bool) {
	span, ok := trace.SpanFromContext(ctx).(sdktrace.ReadOnlySpan)
	return span, ok
}
