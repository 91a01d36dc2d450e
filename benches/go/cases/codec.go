package cases

import (
	"fmt"
	"net/http"

	"towline.invalid/benches/go/measure"
	"towline.invalid/go"
)

// codecs are reading and writing alone. They stand over nothing.
func codecs() []measure.Case {
	out := []measure.Case{
		{Group: "codec", Name: "towline, read traceparent", Start: readTraceparent},
		{Group: "codec", Name: "towline, write traceparent", Start: writeTraceparent},
	}
	for _, hops := range []int{1, 4, 16, 64} {
		out = append(out, measure.Case{Group: "codec", Name: "towline, read a clock of " + hopCount(hops), Start: func() (*measure.Work, error) {
			return readClock(hops), nil
		}})
	}
	return out
}

func readTraceparent() (*measure.Work, error) {
	sets := Sets(0)
	headers := make([]http.Header, len(sets))
	for i := range sets {
		headers[i] = sets[i].Header()
	}
	read := func(i int) (towline.TraceContext, error) {
		return towline.ParseTraceContext(headers[i]["Traceparent"], headers[i]["Tracestate"])
	}
	check := func() error {
		for i, set := range sets {
			if c, err := read(i); err != nil || c.TraceID.String() != set.TraceID || c.ParentID.String() != set.ParentID {
				return fmt.Errorf("reads %v, %v of %q", c, err, set.Traceparent)
			}
		}
		return nil
	}
	return &measure.Work{Check: check, Each: func(i int) {
		if _, err := read(i); err != nil {
			panic(err)
		}
	}}, nil
}

func writeTraceparent() (*measure.Work, error) {
	sets := Sets(0)
	read := make([]towline.TraceContext, len(sets))
	out := make(http.Header)
	for i, set := range sets {
		var err error
		if read[i], err = towline.ParseTraceContext([]string{set.Traceparent}, nil); err != nil {
			return nil, err
		}
	}
	each := func(i int) { out["Traceparent"] = []string{read[i].Traceparent(read[i].ParentID)} }
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

func readClock(hops int) *measure.Work {
	sets := Sets(hops)
	check := func() error {
		for _, set := range sets {
			c, err := towline.ParseClock(set.Clock)
			if err != nil || c.Format() != set.Clock || len(c.Hops()) != hops {
				return fmt.Errorf("reads %q, %v of %q", c, err, set.Clock)
			}
		}
		return nil
	}
	return &measure.Work{Check: check, Each: func(i int) {
		if _, err := towline.ParseClock(sets[i].Clock); err != nil {
			panic(err)
		}
	}}
}
