package towlineotel

import (
	"context"
	"sync"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	towline "towline.invalid/go"
)

const (
	headerClock      = "raceway-clock"
	headerTracestate = "tracestate"
	memberKey        = "towline"
)

// Propagator returns what reads and writes clocks beside the propagator of Trace Context, which has to
// stand before it.
func (b *Bridge) Propagator() propagation.TextMapPropagator { return propagator{b} }

// Propagators returns the propagators of Trace Context, baggage and Towline, in the order that works.
func (b *Bridge) Propagators() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}, b.Propagator())
}

type propagator struct{ bridge *Bridge }

// Fields implements [propagation.TextMapPropagator].
func (propagator) Fields() []string { return []string{headerClock, headerTracestate} }

// Extract implements [propagation.TextMapPropagator].
func (p propagator) Extract(ctx context.Context, carrier propagation.TextMapCarrier) context.Context {
	remote := trace.SpanContextFromContext(ctx)
	if !remote.IsValid() || !remote.IsRemote() {
		return ctx
	}
	came := &arrival{remote: remote, member: remote.TraceState().Get(memberKey), clocks: valuesOf(carrier, headerClock)}
	return context.WithValue(ctx, arrivalKey{}, came)
}

// Inject implements [propagation.TextMapPropagator].
func (p propagator) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return
	}
	if span := p.bridge.find(sc); span != nil && span.call != nil {
		span.call.InjectClock(carrier)
		return
	}
	place := p.bridge.placeOf(ctx, sc)
	if place == nil {
		return
	}
	// Nobody will see what becomes of it.
	call := place.CallAs(towline.SpanID(sc.SpanID()), "", false)
	call.InjectClock(carrier)
	call.Lost()
}

func valuesOf(carrier propagation.TextMapCarrier, name string) []string {
	if several, ok := carrier.(propagation.ValuesGetter); ok {
		return several.Values(name)
	}
	if value := carrier.Get(name); value != "" {
		return []string{value}
	}
	return nil
}

type arrivalKey struct{}

// arrival is what a propagator read of a request. Its strand starts when the first span needs it.
type arrival struct {
	remote trace.SpanContext
	clocks []string
	member string

	once sync.Once
	made *towline.Place
}

// place makes the place of the span that the request starts; later ones stand at the same place.
func (a *arrival) place(b *Bridge, sc trace.SpanContext, kind towline.Kind) *towline.Place {
	a.once.Do(func() {
		a.made = b.adopt(sc, a.remote, kind, a.clocks, a.member)
	})
	return a.made
}

// adopt makes a place of a span.
func (b *Bridge) adopt(sc, parent trace.SpanContext, kind towline.Kind, clocks []string, member string) *towline.Place {
	origin := towline.Origin{
		TraceID: towline.TraceID(sc.TraceID()), SpanID: towline.SpanID(sc.SpanID()), Flags: towline.Flags(sc.TraceFlags()),
		Tracestate: sc.TraceState().Delete(memberKey).String(), Kind: kind, Clocks: clocks, Member: member,
	}
	if parent.IsValid() {
		origin.ParentID = towline.SpanID(parent.SpanID())
	}
	return b.towline.Adopt(origin)
}
