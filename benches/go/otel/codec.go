package main

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"towline.invalid/benches/go/cases"
	"towline.invalid/benches/go/measure"
)

func readTraceparent() (*measure.Work, error) {
	sets := cases.Sets(0)
	headers := make([]http.Header, len(sets))
	for i := range sets {
		headers[i] = sets[i].Header()
	}
	read := func(i int) trace.SpanContext {
		return trace.SpanContextFromContext(propagator.Extract(context.Background(), propagation.HeaderCarrier(headers[i])))
	}
	check := func() error {
		for i, set := range sets {
			if c := read(i); c.TraceID().String() != set.TraceID || c.SpanID().String() != set.ParentID {
				return fmt.Errorf("reads %v of %q", c, set.Traceparent)
			}
		}
		return nil
	}
	return &measure.Work{Check: check, Each: func(i int) {
		if c := read(i); !c.IsValid() {
			panic(c)
		}
	}}, nil
}

func writeTraceparent() (*measure.Work, error) {
	sets := cases.Sets(0)
	contexts := make([]context.Context, len(sets))
	for i := range sets {
		contexts[i] = propagator.Extract(context.Background(), propagation.HeaderCarrier(sets[i].Header()))
	}
	out := http.Header{}
	each := func(i int) { propagator.Inject(contexts[i], propagation.HeaderCarrier(out)) }
	check := func() error {
		for i, set := range sets {
			each(i)
			if got := out.Get("Traceparent"); got != set.Traceparent {
				return fmt.Errorf("writes %q for %q", got, set.Traceparent)
			}
		}
		return nil
	}
	return &measure.Work{Check: check, Each: each}, nil
}
