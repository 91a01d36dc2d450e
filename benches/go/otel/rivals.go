package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"

	"towline.invalid/benches/go/cases"
	"towline.invalid/benches/go/measure"
)

// exporter takes spans and counts them.
type exporter struct{ spans atomic.Int64 }

// ExportSpans implements [trace.SpanExporter].
func (e *exporter) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	e.spans.Add(int64(len(spans)))
	return nil
}

// Shutdown implements [trace.SpanExporter].
func (e *exporter) Shutdown(context.Context) error { return nil }

// instrumentation is OpenTelemetry as its documentation sets it up, without metrics.
type instrumentation struct {
	provider *trace.TracerProvider
	exporter exporter
	sampled  bool
	seen     int64 // spans counted so far
}

func instrumented(sampled bool) *instrumentation {
	o := &instrumentation{sampled: sampled}
	sampler := trace.NeverSample()
	if sampled {
		sampler = trace.AlwaysSample()
	}
	o.provider = trace.NewTracerProvider(trace.WithSampler(sampler), trace.WithBatcher(&o.exporter))
	return o
}

var propagator = propagation.TraceContext{}

func (o *instrumentation) options() []otelhttp.Option {
	return []otelhttp.Option{otelhttp.WithTracerProvider(o.provider), otelhttp.WithPropagators(propagator),
		otelhttp.WithMeterProvider(metric.NewMeterProvider())}
}

func (o *instrumentation) server() cases.Server {
	s := cases.Server{Flags: "02", Done: o.done}
	if o.sampled {
		s.Flags = "03"
	}
	s.Wrap = func(next http.Handler) http.Handler { return otelhttp.NewHandler(next, "items", o.options()...) }
	s.Out = func(ctx context.Context) http.Header {
		out := http.Header{}
		propagator.Inject(ctx, propagation.HeaderCarrier(out))
		return out
	}
	return s
}

func (o *instrumentation) client() cases.Client {
	return cases.Client{Server: o.server(), URL: cases.Near, Wrap: func(base http.RoundTripper) http.RoundTripper {
		return otelhttp.NewTransport(base, o.options()...)
	}}
}

// done finds fault where less than count spans were exported since the last time: what is dropped costs
// less than what is exported.
func (o *instrumentation) done(count int) error {
	if err := o.provider.ForceFlush(context.Background()); err != nil {
		return err
	}
	now := o.exporter.spans.Load()
	got := now - o.seen
	o.seen = now
	if o.sampled && got < int64(count) || !o.sampled && got > 0 {
		return fmt.Errorf("%d spans exported of %d", got, count)
	}
	return nil
}

const (
	sampled   = "opentelemetry, sampled"
	unsampled = "opentelemetry, not sampled"
)

func rivals() []measure.Case {
	var out []measure.Case
	for _, name := range []string{sampled, unsampled} {
		start := func() *instrumentation { return instrumented(name == sampled) }
		out = append(out,
			measure.Case{Group: "server", Name: name, Over: cases.Bare, Rival: true, Start: func() (*measure.Work, error) {
				s := start().server()
				return s.Recorded(), nil
			}},
			measure.Case{Group: "loopback", Name: name, Over: cases.Bare, Rival: true, Start: func() (*measure.Work, error) {
				s := start().server()
				return s.Listening(), nil
			}},
			measure.Case{Group: "client", Name: name, Over: cases.Bare, Rival: true, Start: func() (*measure.Work, error) {
				c := start().client()
				return c.Work(), nil
			}})
	}
	return append(out,
		measure.Case{Group: "codec", Name: "opentelemetry, read traceparent", Start: readTraceparent},
		measure.Case{Group: "codec", Name: "opentelemetry, write traceparent", Start: writeTraceparent})
}
