package towlineotel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	towline "towline.invalid/go"
)

var quiet = towline.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))

func plainTowline(service string) *towline.Towline {
	return towline.New(towline.WithServiceName(service), towline.WithInstance("1"), quiet)
}

// instrumented is a service with OpenTelemetry's SDK; bridge is nil where it does not know Towline.
type instrumented struct {
	bridge     *Bridge
	spans      *tracetest.SpanRecorder
	provider   *sdktrace.TracerProvider
	propagator propagation.TextMapPropagator
}

func newInstrumented(t *testing.T, withBridge bool, options ...towline.Option) *instrumented {
	t.Helper()
	s := &instrumented{spans: tracetest.NewSpanRecorder(), propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})}
	var processors []sdktrace.TracerProviderOption
	if withBridge {
		s.bridge = New(append([]towline.Option{towline.WithServiceName("middle"), towline.WithInstance("1"), quiet}, options...)...)
		s.propagator = s.bridge.Propagators()
		processors = append(processors, sdktrace.WithSpanProcessor(s.bridge.SpanProcessor()))
	}
	s.provider = sdktrace.NewTracerProvider(append(processors, sdktrace.WithSpanProcessor(s.spans))...)
	t.Cleanup(func() {
		if err := s.provider.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *instrumented) otelOptions() []otelhttp.Option {
	return []otelhttp.Option{otelhttp.WithTracerProvider(s.provider), otelhttp.WithPropagators(s.propagator)}
}

func (s *instrumented) handler(next http.Handler) http.Handler {
	return otelhttp.NewHandler(next, "serve", s.otelOptions()...)
}

func (s *instrumented) transport(base http.RoundTripper) http.RoundTripper {
	return otelhttp.NewTransport(base, s.otelOptions()...)
}

// ended waits for so many spans, and returns them by kind.
func (s *instrumented) ended(t *testing.T, count int) map[trace.SpanKind][]sdktrace.ReadOnlySpan {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for len(s.spans.Ended()) < count && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	out := map[trace.SpanKind][]sdktrace.ReadOnlySpan{}
	for _, span := range s.spans.Ended() {
		out[span.SpanKind()] = append(out[span.SpanKind()], span)
	}
	if len(s.spans.Ended()) != count {
		t.Fatalf("%d spans ended, not %d: %v", len(s.spans.Ended()), count, out)
	}
	return out
}

func clockOf(t *testing.T, span sdktrace.ReadOnlySpan) towline.Clock {
	t.Helper()
	for _, a := range span.Attributes() {
		if a.Key == AttributeClock {
			clock, err := towline.ParseClock(a.Value.AsString())
			if err != nil {
				t.Fatal(err)
			}
			return clock
		}
	}
	t.Fatalf("%s span %s has no clock", span.SpanKind(), span.SpanContext().SpanID())
	return towline.Clock{}
}

func get(ctx context.Context, t *testing.T, transport http.RoundTripper, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Error(err)
	}
	_ = response.Body.Close()
	return response
}

// arrived is what the last service of a chain saw.
type arrived struct {
	header http.Header
	trace  towline.TraceID
	parent towline.SpanID
	state  string
	clock  towline.Clock
}

// lastService is a service with Towline.
func lastService(t *testing.T) (url string, saw *arrived, tow *towline.Towline) {
	t.Helper()
	tow, saw = plainTowline("back"), new(arrived)
	server := httptest.NewServer(tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := towline.FromContext(r.Context())
		*saw = arrived{r.Header.Clone(), place.TraceID(), place.ParentID(), place.Tracestate(), place.Stamp()}
		_, _ = io.WriteString(w, "back")
	})))
	t.Cleanup(server.Close)
	return server.URL, saw, tow
}

// callFrom calls a service from one with Towline, and returns the place of the call.
func callFrom(t *testing.T, url string) (front *towline.Towline, place *towline.Place) {
	t.Helper()
	front = plainTowline("front")
	place = front.Begin()
	get(towline.NewContext(t.Context(), place), t, front.Transport(nil), url)
	return front, place
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestPlainServiceInTheMiddleKeepsTraceParentsAndClock(t *testing.T) {
	back, saw, _ := lastService(t)
	middle := newInstrumented(t, false)
	_, place := callFrom(t, serve(t, middle.handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		get(r.Context(), t, middle.transport(http.DefaultTransport), back)
	}))))
	client := middle.ended(t, 2)[trace.SpanKindClient][0]
	if saw.trace != place.TraceID() || saw.parent != towline.SpanID(client.SpanContext().SpanID()) || saw.header.Get("raceway-clock") != "" {
		t.Errorf("saw %+v", saw)
	}
	hops := saw.clock.Hops()
	if len(hops) != 2 || !hops[1].Gap || hops[1].Service != "back" {
		t.Errorf("the clock is %s", saw.clock)
	}
	if order := place.Stamp().Compare(saw.clock); order == towline.After {
		t.Errorf("the front is %s", order)
	}
}

func TestInstrumentedServiceGetsClocksWithoutMiddleware(t *testing.T) {
	back, saw, last := lastService(t)
	middle := newInstrumented(t, true)
	url := serve(t, middle.handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, span := middle.provider.Tracer("test").Start(r.Context(), "work")
		get(ctx, t, middle.transport(http.DefaultTransport), back)
		get(ctx, t, middle.transport(http.DefaultTransport), back)
		span.End()
	})))
	front, place := callFrom(t, url)
	spans := middle.ended(t, 4)
	server, work, client := spans[trace.SpanKindServer][0], spans[trace.SpanKindInternal][0], spans[trace.SpanKindClient]
	if saw.trace != place.TraceID() || saw.parent != towline.SpanID(client[1].SpanContext().SpanID()) || len(saw.header["Raceway-Clock"]) != 1 || len(saw.header["Traceparent"]) != 1 {
		t.Errorf("saw %+v", saw)
	}
	if got := saw.header["Tracestate"]; len(got) != 1 || strings.Count(got[0], "towline=") != 1 {
		t.Errorf("the list is %q", got)
	}
	hops := saw.clock.Hops()
	if len(hops) != 3 || hops[1].Service != "middle" || hops[1].Gap || hops[2].Gap || hops[2].Detached {
		t.Errorf("the clock is %s", saw.clock)
	}
	nonce := server.SpanContext().SpanID()
	if want := fmt.Sprintf("%08x", hops[1].Nonce); want != nonce.String()[8:] {
		t.Errorf("the strand is %s, the span %s", want, nonce)
	}
	started, inside, first, second := clockOf(t, server), clockOf(t, work), clockOf(t, client[0]), clockOf(t, client[1])
	if started.Compare(inside) != towline.Before || inside.Compare(first) != towline.Before || first.Compare(second) != towline.Before || second.Compare(saw.clock) != towline.Before {
		t.Errorf("%s, %s, %s, %s, %s", started, inside, first, second, saw.clock)
	}
	// No answer was seen, so what the first call did cannot be told.
	if !strings.Contains(second.Format(), "~") || first.Compare(second) != towline.Before {
		t.Errorf("the second call carries %s", second)
	}
	if got := front.Counters().Summary(); got.Lost["absent"] != 1 || got.Joined != 0 {
		t.Errorf("the front counted %+v", got)
	}
	if got := middle.bridge.Towline().Counters().Summary(); got.Received != 1 || got.Continued != 1 || got.Sent != 2 || len(got.ClockDropped) > 0 {
		t.Errorf("the middle counted %+v", got)
	}
	if got := last.Counters().Summary(); len(got.ClockDropped) > 0 || got.Continued != 2 {
		t.Errorf("the last counted %+v", got)
	}
	if n := len(middle.bridge.live); n > 0 {
		t.Errorf("%d spans are remembered", n)
	}
}

func TestMiddlewareAndSDKMakeOneSpanOfEverything(t *testing.T) {
	for name, c := range map[string]struct{ otelClient, outside bool }{
		"both clients":                  {true, true},
		"Towline's transport alone":     {false, true},
		"Towline's handler outside":     {true, false},
		"Towline's handler, and client": {false, false},
	} {
		t.Run(name, func(t *testing.T) {
			back, saw, _ := lastService(t)
			middle := newInstrumented(t, true)
			tow := middle.bridge.Towline()
			transport := tow.Transport(nil)
			if c.otelClient {
				transport = middle.transport(transport)
			}
			var inside *towline.Place
			next := http.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				inside = towline.FromContext(r.Context())
				get(r.Context(), t, transport, back)
			}))
			if c.outside {
				next = middle.handler(tow.Handler(next))
			} else {
				next = tow.Handler(middle.handler(next))
			}
			front, place := callFrom(t, serve(t, next))
			spans := middle.ended(t, 2)
			server, client := spans[trace.SpanKindServer][0], spans[trace.SpanKindClient][0]
			if client.Parent().SpanID() != server.SpanContext().SpanID() {
				t.Errorf("the client span is of %s", client.Parent().SpanID())
			}
			if c.outside && inside.SpanID() != towline.SpanID(server.SpanContext().SpanID()) {
				t.Errorf("the place is %s, the span %s", inside.SpanID(), server.SpanContext().SpanID())
			}
			if saw.trace != place.TraceID() || saw.parent != towline.SpanID(client.SpanContext().SpanID()) || len(saw.header["Traceparent"]) != 1 || len(saw.header["Raceway-Clock"]) != 1 {
				t.Errorf("saw %+v", saw)
			}
			sent := clockOf(t, client)
			if sent.Format() != saw.header.Get("Raceway-Clock") || len(saw.clock.Hops()) != 3 || clockOf(t, server).Compare(sent) != towline.Before {
				t.Errorf("sent %s, started %s", sent, clockOf(t, server))
			}
			for who, t2 := range map[string]*towline.Towline{"front": front, "middle": tow} {
				if got := t2.Counters().Summary(); got.Sent != 1 || got.Joined != 1 || len(got.Lost) > 0 {
					t.Errorf("the %s counted %+v", who, got)
				}
			}
			if got := tow.Counters(); got.Get("strand_start") != 1 || got.Get("strand_end") != 1 || got.Get("call_sent") != 1 || got.Summary().Received != 1 {
				t.Errorf("the middle counted %+v", got.All())
			}
			// One strand, no fork left open.
			if stamp := place.Stamp().Format(); strings.Contains(stamp, "x=") {
				t.Errorf("the front knows %s", stamp)
			}
		})
	}
}

func TestServerSpanOfAnotherRequestIsNotOurs(t *testing.T) {
	middle := newInstrumented(t, true)
	carrier := propagation.MapCarrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	other, span := middle.provider.Tracer("test").Start(middle.propagator.Extract(t.Context(), carrier), "other", trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	for came, ours := range map[string]bool{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": true,
		"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01": false,
		"": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil).WithContext(other)
		if came != "" {
			r.Header.Set("traceparent", came)
		}
		var place *towline.Place
		middle.bridge.Towline().Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { place = towline.FromContext(r.Context()) })).
			ServeHTTP(httptest.NewRecorder(), r)
		if got := place.SpanID() == towline.SpanID(span.SpanContext().SpanID()); got != ours {
			t.Errorf("%q stands at the other's span: %t", came, got)
		}
	}
}

func TestEachAttemptBelowOneClientSpanHasASpan(t *testing.T) {
	back, _, _ := lastService(t)
	middle := newInstrumented(t, true)
	inner := middle.bridge.Towline().Transport(nil)
	twice := roundTrip(func(r *http.Request) (*http.Response, error) {
		response, err := inner.RoundTrip(r.Clone(r.Context()))
		if err != nil {
			return nil, err
		}
		_ = response.Body.Close()
		return inner.RoundTrip(r.Clone(r.Context()))
	})
	ctx, span := middle.provider.Tracer("test").Start(t.Context(), "job")
	get(ctx, t, middle.transport(twice), back)
	span.End()
	spans := middle.ended(t, 3)
	clients := spans[trace.SpanKindClient]
	if len(clients) != 2 || clients[0].Parent().SpanID() != clients[1].SpanContext().SpanID() {
		t.Errorf("client spans %+v", clients)
	}
	if got := middle.bridge.Towline().Counters().Summary(); got.Sent != 2 || got.Joined != 2 {
		t.Errorf("counted %+v", got)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestPropagatorAloneCarriesClocks(t *testing.T) {
	back, saw, _ := lastService(t)
	middle := newInstrumented(t, false)
	bridge := New(towline.WithServiceName("middle"), quiet)
	middle.propagator = bridge.Propagators()
	_, place := callFrom(t, serve(t, middle.handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		get(r.Context(), t, middle.transport(http.DefaultTransport), back)
		get(r.Context(), t, middle.transport(http.DefaultTransport), back)
	}))))
	hops := saw.clock.Hops()
	if saw.trace != place.TraceID() || len(hops) != 3 || hops[1].Service != "middle" || hops[1].Gap || hops[2].Fork != 3 {
		t.Errorf("saw %s", saw.clock)
	}
	if !slices.Equal(bridge.Propagator().Fields(), []string{"raceway-clock", "tracestate"}) {
		t.Errorf("fields %q", bridge.Propagator().Fields())
	}
}

func TestOthersInTheListStayAndOursIsNew(t *testing.T) {
	bridge := New(quiet)
	in := propagation.MapCarrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1,towline=69203331:2x2,b=2"}
	ctx := bridge.Propagators().Extract(t.Context(), in)
	out := propagation.MapCarrier{}
	bridge.Propagators().Inject(ctx, out)
	own, rest, _ := strings.Cut(out["tracestate"], ",")
	if rest != "a=1,b=2" || !strings.HasPrefix(own, "towline=69203331:2/69203331:2g") || out["traceparent"] != in["traceparent"] || !strings.HasPrefix(out["raceway-clock"], "v2;t=1c80319c, _#/69203331:2, ") {
		t.Errorf("out %v", out)
	}
	for name, carrier := range map[string]propagation.MapCarrier{"nothing": {}, "a clock alone": {"raceway-clock": "v2;t=1c80319c, a#1/00000001:1"}} {
		out := propagation.MapCarrier{}
		bridge.Propagators().Inject(bridge.Propagators().Extract(t.Context(), carrier), out)
		if len(out) > 0 {
			t.Errorf("%s: out %v", name, out)
		}
	}
}

func TestMessagesAreDetachedForks(t *testing.T) {
	producer, consumer := newInstrumented(t, true), newInstrumented(t, true)
	ctx, job := producer.provider.Tracer("test").Start(t.Context(), "job")
	send, span := producer.provider.Tracer("test").Start(ctx, "send", trace.WithSpanKind(trace.SpanKindProducer))
	message := propagation.MapCarrier{}
	producer.propagator.Inject(send, message)
	span.End()
	_, later := producer.provider.Tracer("test").Start(ctx, "later")
	later.End()
	job.End()
	_, work := consumer.provider.Tracer("test").Start(consumer.propagator.Extract(t.Context(), message), "work", trace.WithSpanKind(trace.SpanKindConsumer))
	work.SetStatus(2, "failed")
	work.End()
	spans := producer.ended(t, 3)
	handled := clockOf(t, consumer.ended(t, 1)[trace.SpanKindConsumer][0])
	sent := clockOf(t, spans[trace.SpanKindProducer][0])
	var after towline.Clock
	for _, s := range spans[trace.SpanKindInternal] {
		if s.Name() == "later" {
			after = clockOf(t, s)
		}
	}
	hops := handled.Hops()
	if len(hops) != 2 || !hops[1].Detached || sent.Compare(handled) != towline.Before || after.Compare(handled) != towline.Concurrent || strings.Contains(after.Format(), "x=") {
		t.Errorf("sent %s, later %s, handled %s", sent, after, handled)
	}
	if got := producer.bridge.Towline().Counters(); got.Get("call_sent") != 1 || got.Get("call_answered") != 1 || got.Summary().Sent != 0 {
		t.Errorf("counted %v", got.All())
	}
}

func TestForkOfTowlineIsTheStrandOfSpansInIt(t *testing.T) {
	middle := newInstrumented(t, true)
	tracer := middle.provider.Tracer("test")
	next := middle.bridge.Towline().Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		wait := towline.Go(r.Context(), func(ctx context.Context) error {
			_, span := tracer.Start(ctx, "fork")
			span.End()
			return nil
		})
		_, span := tracer.Start(r.Context(), "self")
		span.End()
		if err := wait(); err != nil {
			t.Error(err)
		}
	}))
	callFrom(t, serve(t, middle.handler(next)))
	clocks := map[string]towline.Clock{}
	for _, span := range middle.ended(t, 3)[trace.SpanKindInternal] {
		clocks[span.Name()] = clockOf(t, span)
	}
	if len(clocks["fork"].Hops()) != 3 || len(clocks["self"].Hops()) != 2 || clocks["fork"].Compare(clocks["self"]) != towline.Concurrent {
		t.Errorf("%v", clocks)
	}
}

func TestClockDoesNotReachFarHosts(t *testing.T) {
	middle := newInstrumented(t, true)
	var sent http.Header
	base := middle.bridge.Towline().Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return nil, errors.New("no answer")
	}))
	ctx, span := middle.provider.Tracer("test").Start(t.Context(), "job")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://far.example.org/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := middle.transport(base).RoundTrip(r); err == nil {
		t.Error("there is an answer")
	}
	span.End()
	if sent.Get("Raceway-Clock") != "" || strings.Contains(sent.Get("Tracestate"), "towline=") || sent.Get("Traceparent") == "" {
		t.Errorf("sent %v", sent)
	}
	if got := middle.bridge.Towline().Counters().Summary(); got.NotSent["withheld"] != 1 {
		t.Errorf("counted %+v", got)
	}
}

func TestNamesAreHiddenFromHostsThatOnlyASettingAllows(t *testing.T) {
	for _, mode := range []towline.ClockMode{towline.ClockV2, towline.ClockOnV1} {
		middle := newInstrumented(t, true, towline.WithHashLabels(true), towline.WithPropagateTo("partner.example.org"), towline.WithClock(mode))
		var sent string
		base := middle.bridge.Towline().Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = r.Header.Get("Raceway-Clock")
			clock, err := towline.ParseClock(sent)
			if err != nil {
				return nil, err
			}
			answer := towline.StartStrandFrom(clock, "partner", "1", 7, false).End().Format()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Raceway-Clock": {answer}}, Body: http.NoBody, Request: r}, nil
		}))
		ctx, span := middle.provider.Tracer("test").Start(t.Context(), "job")
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://partner.example.org/", nil)
		if err != nil {
			t.Fatal(err)
		}
		// The host of the client span is not known when it starts.
		begun, client := middle.provider.Tracer("test").Start(ctx, "call", trace.WithSpanKind(trace.SpanKindClient))
		response, err := base.RoundTrip(r.WithContext(begun))
		client.End()
		span.End()
		got := middle.bridge.Towline().Counters().Summary()
		if mode == towline.ClockOnV1 {
			if sent != "" || got.NotSent["withheld"] != 1 {
				t.Errorf("v1: sent %q, counted %+v", sent, got)
			}
			continue
		}
		if err != nil || response.StatusCode != http.StatusOK || sent == "" || strings.Contains(sent, "middle") || got.Joined != 1 {
			t.Errorf("sent %q, counted %+v, %v", sent, got, err)
		}
	}
}

func TestSpansThatNeverEndAreBounded(t *testing.T) {
	middle := newInstrumented(t, true)
	tracer := middle.provider.Tracer("test")
	for range spansMax + 10 {
		tracer.Start(t.Context(), "lost")
	}
	if n := len(middle.bridge.live); n != spansMax {
		t.Errorf("%d spans are remembered", n)
	}
	if err := middle.bridge.SpanProcessor().ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	if err := middle.provider.Shutdown(t.Context()); err != nil || len(middle.bridge.live) > 0 {
		t.Errorf("after the shutdown %d: %v", len(middle.bridge.live), err)
	}
}

func TestCountersAreMetrics(t *testing.T) {
	tow := plainTowline("metrics")
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	registration, err := RegisterMetrics(provider.Meter("test"), tow)
	if err != nil {
		t.Fatal(err)
	}
	place := tow.Begin()
	place.Call("far.example.org")
	place.Call("localhost").Answered(200, nil)
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
				reason, _ := point.Attributes.Value(attribute.Key("reason"))
				got[m.Name+" "+reason.AsString()] = point.Value
			}
		}
	}
	for key, want := range map[string]int64{"towline.sent ": 1, "towline.not_sent withheld": 1, "towline.lost absent": 1, "towline.joined ": 0} {
		if n, there := got[key]; !there || n != want {
			t.Errorf("%s is %d, %t", key, n, there)
		}
	}
	if err := registration.Unregister(); err != nil {
		t.Error(err)
	}
}
