package towline

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// plainCarrier has only what a carrier has to have.
type plainCarrier struct{ fields map[string]string }

func (p plainCarrier) Get(key string) string { return p.fields[key] }
func (p plainCarrier) Set(key, value string) { p.fields[key] = value }
func (p plainCarrier) Keys() []string        { return keysOf(p.fields) }

func TestMessageIsADetachedForkWithAProducerSpan(t *testing.T) {
	for name, carrier := range map[string]Carrier{
		"map":     MapCarrier{"Traceparent": "old", "RACEWAY-CLOCK": "old", "other": "1"},
		"headers": HeaderCarrier{"traceparent": {"old", "old"}, "Other": {"1"}},
		"http":    HeaderCarrier(http.Header{"Tracestate": {"old=1"}}),
		"plain":   plainCarrier{map[string]string{"TraceParent": "old", "other": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			tow, seen := newTowline()
			ctx, place := inPlace(t, tow)
			span := SendMessage(ctx, carrier)
			sent := Event(ctx)
			if e := seen.sent[0]; e.Kind != KindProducer || e.SpanID != span || e.ParentID != place.SpanID() || e.Host != "" || e.Clock.IsZero() {
				t.Errorf("sent %+v", e)
			}
			if e := seen.done[0]; e.Kind != KindProducer || e.Outcome != OutcomeOK {
				t.Errorf("ended %+v", e)
			}
			if strings.Contains(sent.Format(), ";x=") {
				t.Errorf("somebody waits: %q", sent)
			}
			consumer, seenThere := newTowline(WithServiceName("consumer"))
			there, handling := consumer.ReceiveMessage(t.Context(), carrier)
			if FromContext(there) != handling || handling.TraceID().String() != testTrace || handling.ParentID() != span || handling.Tracestate() != "a=1" || handling.kind != KindConsumer {
				t.Errorf("received %+v", handling)
			}
			work := Event(there)
			hops := work.Hops()
			if last := hops[len(hops)-1]; !last.Detached || last.Gap || last.Service != "consumer" {
				t.Errorf("the consumer is %+v", last)
			}
			if seen.sent[0].Clock.Compare(work) != Before || sent.Compare(work) != Concurrent {
				t.Errorf("the sending is %s, what follows it %s", seen.sent[0].Clock.Compare(work), sent.Compare(work))
			}
			handling.End(OutcomeOK)
			if e := seenThere.endedStrand(t); e.Kind != KindConsumer || len(seenThere.drops) > 0 {
				t.Errorf("ended %+v, dropped %q", e, seenThere.drops)
			}
			if got := consumer.Counters().Summary(); got.Received != 1 || got.Continued != 1 {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

func TestMessageFieldsAreFoundInAnyCase(t *testing.T) {
	tow, seen := newTowline()
	_, place := tow.ReceiveMessage(t.Context(), MapCarrier{"TRACEPARENT": testParent, "traceState": "b=2", "Raceway-CLOCK": testClock, "BAGGAGE": "a=1"})
	if place.TraceID().String() != testTrace || place.Tracestate() != "b=2" || len(place.Stamp().Hops()) != 2 || place.Baggage() != "a=1" || len(seen.drops) > 0 {
		t.Errorf("received %+v, dropped %q", place, seen.drops)
	}
}

func TestMessageThatCannotBeReadBeginsATrace(t *testing.T) {
	for want, carrier := range map[string]Carrier{
		"traceparent/absent":    MapCarrier{},
		"traceparent/malformed": MapCarrier{"traceparent": "x"},
		"traceparent/duplicate": MapCarrier{"traceparent": testParent, "Traceparent": testParent},
		"clock/malformed":       HeaderCarrier{"traceparent": {testParent}, "raceway-clock": {testClock + ";"}},
		"clock/duplicate":       HeaderCarrier{"traceparent": {testParent}, "raceway-clock": {testClock, testClock}},
	} {
		tow, seen := newTowline(WithTrust(func(*http.Request) Trust { t.Error("a message has no peer"); return Trust{} }))
		_, place := tow.ReceiveMessage(t.Context(), carrier)
		if !slices.Equal(seen.drops, []string{want}) || place.Stamp().IsZero() {
			t.Errorf("dropped %q, not %q", seen.drops, want)
		}
	}
}

func TestBatchLinksItsMessages(t *testing.T) {
	tow, seen := newTowline()
	message := func(n int) Carrier {
		return MapCarrier{"traceparent": fmt.Sprintf("00-%032x-%016x-01", n, n), "tracestate": "a=1,towline=no"}
	}
	ctx, place := tow.ReceiveBatch(t.Context(), message(1), nil, MapCarrier{}, message(2), HeaderCarrier{"Traceparent": {"x"}})
	links := place.Links()
	if len(links) != 2 || links[0].TraceID.String() != fmt.Sprintf("%032x", 1) || links[1].ParentID.String() != fmt.Sprintf("%016x", 2) || links[1].Tracestate != "a=1" {
		t.Errorf("links %+v", links)
	}
	if FromContext(ctx) != place || place.TraceID() == links[0].TraceID || !place.ParentID().IsZero() || len(place.Stamp().Hops()) != 1 || place.kind != KindConsumer {
		t.Errorf("received %+v", place)
	}
	if !slices.Equal(seen.drops, []string{"traceparent/absent", "traceparent/malformed"}) || len(seen.started) != 1 {
		t.Errorf("dropped %q", seen.drops)
	}
	if got := tow.Counters().Summary(); got.Received != 4 || got.Continued != 0 {
		t.Errorf("counted %+v", got)
	}
	child, join := Fork(ctx)
	defer join()
	if len(FromContext(child).Links()) != 2 || len((*Place)(nil).Links()) != 0 {
		t.Error("a fork has no links")
	}
}

func TestMessageWithoutAPlaceBeginsATrace(t *testing.T) {
	tow, seen := newTowline()
	carrier := MapCarrier{}
	span := tow.SendMessage(t.Context(), carrier)
	came, err := ParseTraceContext([]string{carrier["traceparent"]}, nil)
	if err != nil || came.ParentID != span || !slices.Equal(seen.drops, []string{"context/none"}) {
		t.Errorf("sent %v, %v, dropped %q", carrier, err, seen.drops)
	}
	if e := seen.endedStrand(t); e.Kind != KindProducer || e.TraceID != came.TraceID || e.Outcome != OutcomeOK {
		t.Errorf("ended %+v", e)
	}
	if SendMessage(context.Background(), MapCarrier{}).IsZero() {
		t.Error("the default instance sends nothing")
	}
}

func TestMessageByEachClock(t *testing.T) {
	for mode, want := range map[ClockMode]string{ClockAuto: "v2;", ClockV2: "v2;", ClockOnV1: "v1;", ClockOff: ""} {
		tow, _ := newTowline(WithClock(mode))
		carrier := MapCarrier{"raceway-clock": "old", "tracestate": "old=1"}
		SendMessage(NewContext(t.Context(), tow.Begin()), carrier)
		_, hasState := carrier["tracestate"]
		if got := carrier["raceway-clock"]; !strings.HasPrefix(got, want) || want == "" && got != "" || carrier["traceparent"] == "" || hasState != (want == "v2;") {
			t.Errorf("%s: %v", mode, carrier)
		}
	}
}

func TestCarriersThatTakeNothingHarmNobody(t *testing.T) {
	tow, _ := newTowline()
	ctx := NewContext(t.Context(), tow.Begin())
	for _, carrier := range []Carrier{nil, MapCarrier(nil), HeaderCarrier(nil)} {
		if span := SendMessage(ctx, carrier); !span.IsZero() {
			t.Errorf("%#v took it", carrier)
		}
	}
	if there, place := tow.ReceiveMessage(ctx, nil); place != nil || there != ctx {
		t.Error("nothing is received as something")
	}
	off, _ := newTowline(WithDisabled(true))
	carrier := MapCarrier{"traceparent": testParent}
	if there, place := off.ReceiveMessage(ctx, carrier); place != nil || there != ctx || !off.SendMessage(t.Context(), carrier).IsZero() || carrier["traceparent"] != testParent {
		t.Error("a disabled instance reads or writes")
	}
	if there, place := off.ReceiveBatch(ctx, carrier); place != nil || there != ctx {
		t.Error("a disabled instance reads a batch")
	}
}

func TestDefaultInstanceReceives(t *testing.T) {
	_, one := ReceiveMessage(t.Context(), MapCarrier{"traceparent": testParent})
	_, many := ReceiveBatch(t.Context(), MapCarrier{"traceparent": testParent})
	if one.TraceID().String() != testTrace || len(many.Links()) != 1 || one.towline != Default() {
		t.Errorf("received %+v, %+v", one, many)
	}
}
