package towline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

// wire is a transport that records what it gets, and answers by a function.
type wire struct {
	mu       sync.Mutex
	requests []*http.Request
	answer   func(*http.Request) (*http.Response, error)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.requests = append(w.requests, r)
	w.mu.Unlock()
	if w.answer == nil {
		return answered(r, http.NoBody), nil
	}
	return w.answer(r)
}

func answered(r *http.Request, body io.ReadCloser, clocks ...string) *http.Response {
	header := http.Header{}
	if len(clocks) > 0 {
		header[keyClock] = clocks
	}
	return &http.Response{StatusCode: http.StatusOK, Header: header, Body: body, Request: r}
}

// calleeOf starts the strand that a request would start.
func calleeOf(t *testing.T, r *http.Request) *Strand {
	t.Helper()
	return StartStrandFrom(mustParse(t, r.Header.Get(keyClock)), "callee", "c-1", 0xabcdef01, false)
}

// inPlace is a context whose place continues the trace of the tests.
func inPlace(t *testing.T, tow *Towline) (context.Context, *Place) {
	t.Helper()
	var ctx context.Context
	tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		// A place of its own: that of the request ends with it.
		ctx = Detach(r.Context())
	})).ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/", keyTracestate, "a=1"))
	return ctx, FromContext(ctx)
}

func TestCallCarriesTheTrace(t *testing.T) {
	tow, seen := newTowline()
	ctx, place := inPlace(t, tow)
	below := &wire{answer: func(r *http.Request) (*http.Response, error) {
		return answered(r, http.NoBody, calleeOf(t, r).End().Format()), nil
	}}
	r := newRequest(t, http.MethodGet, "http://127.0.0.1:9/").WithContext(ctx)
	r.Header["traceparent"] = []string{"by hand"}
	r.Header["RACEWAY-CLOCK"] = []string{"by hand"}
	r.Header.Set(keyTracestate, "by=hand")
	r.Header.Set("X-Other", "1")
	before := r.Header.Clone()
	response, err := tow.Transport(below).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.Header, before) {
		t.Errorf("the caller's header became %v", r.Header)
	}
	got := below.requests[0].Header
	call := seen.endedCall(t)
	own := fmt.Sprintf("%08x", place.spanID.nonce())
	server := fmt.Sprintf("%08x", place.parentID.nonce())
	clock := "v2;t=1c80319c, probe#p/69203331:2, go#g-1/" + server + ":2, go#g-1/" + own + `:2;d;x="2"`
	want := http.Header{
		"X-Other":      {"1"},
		"Te":           {"trailers"},
		keyTraceparent: {"00-" + testTrace + "-" + call.SpanID.String() + "-01"},
		keyTracestate:  {"towline=69203331:2/" + server + ":2/" + own + ":2dx2,a=1"},
		keyClock:       {clock},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sent %v,\nnot %v", got, want)
	}
	if len(seen.sent) != 1 || seen.sent[0].Clock.Format() != clock || seen.sent[0].ParentID != place.SpanID() || call.Host != "127.0.0.1" {
		t.Errorf("told of %+v", seen.sent)
	}
	if call.Outcome != OutcomeOK || call.Status != 200 || call.Clock != place.Stamp() || strings.Contains(call.Clock.Format(), `x="2"`) || place.Stamp().Tick() != 3 {
		t.Errorf("ended %+v", call)
	}
	if response.Header.Get(keyClock) == "" {
		t.Error("the answer lost its header")
	}
}

func TestAnswersThatCannotBeUsed(t *testing.T) {
	other := "v2;t=1c80319c, probe#p/69203331:2, other#o/00000001:2;e"
	for name, c := range map[string]struct {
		answer func(*testing.T, *http.Request) []string
		drop   string
	}{
		"none": {func(*testing.T, *http.Request) []string { return nil }, "answer/absent"},
		"two": {func(t *testing.T, r *http.Request) []string {
			e := calleeOf(t, r).End().Format()
			return []string{e, e}
		}, "answer/duplicate"},
		"too long": {func(t *testing.T, r *http.Request) []string { return []string{strings.Repeat(" ", 5000)} }, "answer/too_long"},
		"v1":       {func(t *testing.T, r *http.Request) []string { return []string{"v1;e30"} }, "answer/version"},
		"of another trace": {func(t *testing.T, r *http.Request) []string {
			return []string{strings.Replace(other, "1c80", "1c81", 1)}
		}, "answer/other_trace"},
		"malformed": {func(t *testing.T, r *http.Request) []string { return []string{other + ";"} }, "answer/malformed"},
		"over the limits": {func(t *testing.T, r *http.Request) []string {
			return []string{strings.Replace(other, ":2,", ":2147483648,", 1)}
		},
			"answer/over_limits"},
		"of another strand": {func(t *testing.T, r *http.Request) []string { return []string{other} }, "answer/other_strand"},
		"of a sibling": {func(t *testing.T, r *http.Request) []string {
			s := mustParse(t, r.Header.Get(keyClock))
			return []string{strings.Replace(s.Format(), `;x="2"`, `, x#y/00000002:1;d;e`, 1)}
		}, "answer/other_strand"},
		"echoed": {func(t *testing.T, r *http.Request) []string { return r.Header[keyClock] }, "answer/other_strand"},
		"of a clone": {func(t *testing.T, r *http.Request) []string {
			return []string{strings.Replace(calleeOf(t, r).End().Format(), "/69203331", "/69203332", 1)}
		}, "answer/other_strand"},
		"that claims": {func(t *testing.T, r *http.Request) []string {
			return []string{strings.Replace(calleeOf(t, r).End().Format(), ":2;d,", ":9;f=2;d,", 1)}
		}, "answer/other_strand"},
	} {
		t.Run(name, func(t *testing.T) {
			tow, seen := newTowline()
			ctx, place := inPlace(t, tow)
			below := &wire{answer: func(r *http.Request) (*http.Response, error) { return answered(r, http.NoBody, c.answer(t, r)...), nil }}
			if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/").WithContext(ctx)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(seen.drops, []string{c.drop}) {
				t.Errorf("dropped %q, not %q", seen.drops, c.drop)
			}
			if e := seen.endedCall(t); e.Outcome != OutcomeLost || !strings.HasSuffix(place.Stamp().Format(), `:2;d;x="2~"`) {
				t.Errorf("ended %s with %q", e.Outcome, place.Stamp())
			}
		})
	}
}

func TestAnswerWithNewsOfTheHopsAboveIsLearnedWhole(t *testing.T) {
	tow, seen := newTowline()
	ctx, place := inPlace(t, tow)
	below := &wire{answer: func(r *http.Request) (*http.Response, error) {
		callee := calleeOf(t, r)
		if err := callee.Receive(mustParse(t, "v2;t=1c80319c, probe#p/69203331:5")); err != nil {
			t.Error(err)
		}
		return answered(r, http.NoBody, callee.End().Format()), nil
	}}
	if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/").WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	if got := place.Stamp().Format(); seen.endedCall(t).Outcome != OutcomeOK || !strings.HasPrefix(got, "v2;t=1c80319c, probe#p/69203331:5;f=2, go#g-1/") || !strings.HasSuffix(got, ":3;d") {
		t.Errorf("knows %q", got)
	}
	// What is learned later goes on from there.
	if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/").WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	if got := place.Stamp().Format(); !strings.HasPrefix(got, "v2;t=1c80319c, probe#p/69203331:5;f=2, ") || !strings.HasSuffix(got, ":5;d") {
		t.Errorf("knows %q", got)
	}
}

type failing struct {
	io.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func TestStreamedAnswerEndsWithItsBody(t *testing.T) {
	for name, c := range map[string]struct {
		read    func(*testing.T, *http.Response)
		body    io.Reader
		trailer bool
		want    Outcome
		knows   string
	}{
		"trailer":    {readAll, strings.NewReader("body"), true, OutcomeOK, `:4;d`},
		"no trailer": {readAll, strings.NewReader("body"), false, OutcomeLost, `:3;d;x="2.1~"`},
		"given up":   {func(*testing.T, *http.Response) {}, strings.NewReader("body"), true, OutcomeLost, `:3;d;x="2.1~"`},
		"cut off": {func(t *testing.T, r *http.Response) { _, _ = io.ReadAll(r.Body) }, failing{strings.NewReader("body"), io.ErrUnexpectedEOF}, true,
			OutcomeLost, `:3;d;x="2.1~"`},
	} {
		t.Run(name, func(t *testing.T) {
			tow, seen := newTowline()
			ctx, place := inPlace(t, tow)
			below := &wire{answer: func(r *http.Request) (*http.Response, error) {
				callee := calleeOf(t, r)
				response := answered(r, io.NopCloser(c.body), callee.Stamp().Format())
				if c.trailer {
					response.Trailer = http.Header{keyClock: {callee.End().Format()}}
				}
				return response, nil
			}}
			response, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/").WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			if got := place.Stamp().Format(); !strings.HasSuffix(got, `:3;d;x="2.1"`) || len(seen.done) > 0 {
				t.Errorf("with the head: %q, %+v", got, seen.done)
			}
			c.read(t, response)
			for range 2 {
				if err := response.Body.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if e := seen.endedCall(t); e.Outcome != c.want || !strings.HasSuffix(place.Stamp().Format(), c.knows) {
				t.Errorf("ended %s with %q", e.Outcome, place.Stamp())
			}
		})
	}
}

func readAll(t *testing.T, r *http.Response) {
	t.Helper()
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != "body" {
		t.Errorf("read %q, %v", body, err)
	}
}

func TestCallWithoutAnAnswerStaysOpen(t *testing.T) {
	for want, err := range map[Outcome]error{OutcomeError: io.ErrUnexpectedEOF, OutcomeCancelled: fmt.Errorf("given up: %w", context.Canceled)} {
		tow, seen := newTowline()
		ctx, place := inPlace(t, tow)
		below := &wire{answer: func(*http.Request) (*http.Response, error) { return nil, err }}
		for range 2 { // a retry is a call of its own
			if _, got := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/").WithContext(ctx)); got != err {
				t.Errorf("the error became %v", got)
			}
		}
		if seen.done[0].Outcome != want || seen.done[0].Status != 0 || seen.done[0].SpanID == seen.done[1].SpanID {
			t.Errorf("ended %+v", seen.done)
		}
		if got := place.Stamp().Format(); !strings.HasSuffix(got, `:3;d;x="2-3"`) {
			t.Errorf("knows %q", got)
		}
	}
}

func TestCallWithoutAContextBeginsATrace(t *testing.T) {
	tow, seen := newTowline()
	below := new(wire)
	if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/")); err != nil {
		t.Fatal(err)
	}
	got, err := ParseTraceContext(below.requests[0].Header[keyTraceparent], nil)
	if err != nil || got.Flags != Sampled|Random {
		t.Fatalf("sent %v, %v", below.requests[0].Header, err)
	}
	clock := mustParse(t, below.requests[0].Header.Get(keyClock))
	if clock.Trace() != got.TraceID.Tail() || len(clock.Hops()) != 1 || clock.Tick() != 2 {
		t.Errorf("sent %q", clock)
	}
	if len(seen.started) != 1 || seen.started[0].Kind != KindClient || seen.started[0].TraceID != got.TraceID || seen.sent[0].ParentID != seen.started[0].SpanID {
		t.Errorf("started %+v, sent %+v", seen.started, seen.sent)
	}
	if e := seen.endedStrand(t); e.Outcome != OutcomeOK || e.SpanID != seen.started[0].SpanID {
		t.Errorf("ended %+v", e)
	}
	if tow.Counters().Get("context/none") != 1 {
		t.Errorf("counted %v", tow.Counters().All())
	}
}

func TestWhereThingsGo(t *testing.T) {
	const tp, ts, clock, member = "traceparent", "tracestate", "clock", "member"
	for name, c := range map[string]struct {
		host    string
		options []Option
		want    []string
		drops   []string
	}{
		"nearby":                   {"10.1.2.3", nil, []string{tp, ts, clock, member}, nil},
		"far":                      {"example.com", nil, []string{tp, ts}, []string{"send/withheld"}},
		"far, allowed":             {"api.Example.com.", []Option{WithPropagateTo("example.com")}, []string{tp, ts, clock, member}, nil},
		"no member":                {"10.1.2.3", []Option{WithTracestate(false)}, []string{tp, ts, clock}, nil},
		"clock off":                {"10.1.2.3", []Option{WithClock(ClockOff)}, []string{tp, ts}, nil},
		"traceparent narrowed":     {"10.1.2.3", []Option{WithTraceparentTo("example.com")}, nil, []string{"send/withheld"}},
		"too long even when cut":   {"10.1.2.3", []Option{WithHeaderBytesMax(70)}, []string{tp, ts}, []string{"send/too_long"}},
		"more levels than allowed": {"10.1.2.3", []Option{WithLevelsMax(2)}, []string{tp, ts}, []string{"send/over_limits", "send/over_limits"}},
	} {
		t.Run(name, func(t *testing.T) {
			tow, seen := newTowline(c.options...)
			plain, _ := newTowline()
			ctx, place := inPlace(t, plain)
			if c.drops != nil && c.drops[0] == "send/over_limits" {
				place = place.child(place.strand.Send(true), nil) // of an instance without such limits
				place.towline = tow
				ctx = NewContext(ctx, place)
				c.drops = c.drops[:1]
			}
			below := new(wire)
			r := newRequest(t, http.MethodGet, "http://"+c.host+":8080/", "raceway-clock", "by hand").WithContext(ctx)
			if _, err := tow.Transport(below).RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			header := below.requests[0].Header
			var got []string
			if header.Get(keyTraceparent) != "" {
				got = append(got, tp)
			}
			if strings.HasSuffix(header.Get(keyTracestate), "a=1") {
				got = append(got, ts)
			}
			if header.Get(keyClock) != "" {
				got = append(got, clock)
			}
			if strings.HasPrefix(header.Get(keyTracestate), "towline=") {
				got = append(got, member)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q went, not %q", got, c.want)
			}
			drops := slices.DeleteFunc(seen.drops, func(d string) bool { return d == "answer/absent" })
			if !slices.Equal(drops, c.drops) {
				t.Errorf("dropped %q, not %q", drops, c.drops)
			}
			if !slices.Contains(c.want, clock) {
				// No clock went, so this was a plain event, and nothing is in flight.
				if e := seen.endedCall(t); e.Outcome != OutcomeLost || strings.Contains(place.Stamp().Format(), "x=") {
					t.Errorf("ended %s with %q", e.Outcome, place.Stamp())
				}
			}
		})
	}
}

func TestMemberThatDoesNotFitIsLeftOut(t *testing.T) {
	tow, seen := newTowline()
	others := strings.Repeat("k=v,", 31) + "k=v"
	var sent string
	tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		call := FromContext(r.Context()).Call("localhost")
		header := http.Header{}
		call.Inject(header)
		sent = header.Get(keyTracestate)
		call.Failed(io.EOF)
	})).ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/", keyTracestate, others))
	if sent != others || !slices.Equal(seen.drops, []string{"tracestate/too_long"}) {
		t.Errorf("sent %q, dropped %q", sent, seen.drops)
	}
}

func TestClockThatIsCutIsCounted(t *testing.T) {
	tow, seen := newTowline(WithHeaderBytesMax(160))
	ctx, place := inPlace(t, tow)
	for i := range 100 {
		call := place.Call("localhost")
		if i%2 == 0 {
			call.place.strand.joinStrand(call.sent.tick, calleeStrand(t, call.sent.text))
		}
	}
	below := new(wire)
	if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/").WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	if got := below.requests[0].Header.Get(keyClock); len(got) > 160 || !strings.Contains(got, "~") {
		t.Errorf("sent %q", got)
	}
	if !slices.Contains(seen.drops, "send/cut") {
		t.Errorf("dropped %q", seen.drops)
	}
	// What was cut comes back with the answer, as calls of which nothing can be told.
	call := place.Call("localhost")
	if call.Answered(200, http.Header{keyClock: {calleeStrand(t, call.sent.text).Stamp().Format()}}) || call.place.Stamp().Tick() != 154 {
		t.Errorf("after the answer: %q", place.Stamp())
	}
	if open := place.strand.own.Open; len(open) == 0 || !open[0].Lossy {
		t.Errorf("after the answer: %+v", open)
	}
}

func calleeStrand(t *testing.T, header string) *Strand {
	t.Helper()
	s := StartStrandFrom(mustParse(t, header), "callee", "c-1", 0xabcdef01, false)
	s.End()
	return s
}

func TestRedirectIsDecidedAnewForItsHost(t *testing.T) {
	tow, seen := newTowline()
	var got []http.Header
	far := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Clone()) }))
	address := far.Listener.Addr().String()
	near := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Clone())
		http.Redirect(w, r, "http://far.example.com/", http.StatusFound)
	}))
	base := &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		if strings.HasPrefix(to, "far.example.com") {
			to = address
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}}
	defer base.CloseIdleConnections()
	ctx, _ := inPlace(t, tow)
	do(t, &http.Client{Transport: tow.Transport(base)}, newRequest(t, http.MethodGet, near.URL).WithContext(ctx))
	if len(got) != 2 || got[0].Get(keyClock) == "" || got[1].Get(keyClock) != "" || got[0].Get(keyTraceparent) == got[1].Get(keyTraceparent) || got[1].Get(keyTraceparent) == "" {
		t.Errorf("sent %v", got)
	}
	if len(seen.done) != 2 || seen.done[1].Host != "far.example.com" {
		t.Errorf("ended %+v", seen.done)
	}
}

func TestTransportsAroundOneAnotherMakeOneSpan(t *testing.T) {
	tow, seen := newTowline()
	inner, seenInside := newTowline()
	ctx, _ := inPlace(t, tow)
	below := new(wire)
	token := inner.Transport(new(wire))
	// Between them, something that needs a request of its own with the same context.
	between := roundTrip(func(r *http.Request) (*http.Response, error) {
		if _, err := token.RoundTrip(newRequest(t, http.MethodGet, "http://localhost/token").WithContext(r.Context())); err != nil {
			t.Error(err)
		}
		return inner.Transport(below).RoundTrip(r.Clone(r.Context()))
	})
	if _, err := tow.Transport(between).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/").WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	if len(seen.sent) != 1 || len(seenInside.sent) != 1 || seenInside.sent[0].SpanID == seen.sent[0].SpanID {
		t.Errorf("outside %+v, inside %+v", seen.sent, seenInside.sent)
	}
	want := "00-" + testTrace + "-" + seen.sent[0].SpanID.String() + "-01"
	if got := below.requests[0].Header[keyTraceparent]; !slices.Equal(got, []string{want}) {
		t.Errorf("sent %q, not %q", got, want)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestDisabledTransportIsItsBase(t *testing.T) {
	tow, _ := newTowline(WithDisabled(true))
	below := new(wire)
	if tow.Transport(below) != http.RoundTripper(below) || tow.Transport(nil) != http.DefaultTransport {
		t.Error("something is around the base")
	}
}

func TestV1GoesOnAsV1(t *testing.T) {
	trace := idOf(t, testTrace)
	came := NewClockV1(ComponentV1{"front#f-1", 7}).Write(trace, SpanID{1}, SpanID{2}, "front", "f-1")
	for name, c := range map[string]struct {
		mode ClockMode
		came string
		want []ComponentV1 // nil: v2
	}{
		"auto":          {ClockAuto, came, []ComponentV1{{"front#f-1", 7}, {"go#g-1", 2}}},
		"auto, with v2": {ClockAuto, testClock, nil},
		"v2":            {ClockV2, came, nil},
		"v1":            {ClockOnV1, testClock, []ComponentV1{{"go#g-1", 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			tow, seen := newTowline(WithClock(c.mode))
			below := new(wire)
			tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				for range 2 {
					if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/").WithContext(r.Context())); err != nil {
						t.Error(err)
					}
				}
				if clock, ok := FromContext(r.Context()).ClockV1(); ok != (c.want != nil || c.came == came) || c.want != nil && !reflect.DeepEqual(clock.Components(), c.want) {
					t.Errorf("the place has %v", clock)
				}
			})).ServeHTTP(httptest.NewRecorder(), newRequest(t, http.MethodGet, "http://localhost/", keyTraceparent, testParent, keyClock, c.came))
			header := below.requests[1].Header
			if c.want == nil {
				if mustParse(t, header.Get(keyClock)).Tick() != 3 || !strings.HasPrefix(header.Get(keyTracestate), "towline=") {
					t.Errorf("sent %v", header)
				}
				return
			}
			got, err := ReadClockV1(header.Get(keyClock), trace)
			if err != nil || !reflect.DeepEqual(got.Components(), c.want) || header.Get(keyTracestate) != "" {
				t.Errorf("sent %v, %v; %v", got, err, header)
			}
			if e := seen.done[1]; e.Outcome != OutcomeLost || e.Clock.Tick() != 3 || strings.Contains(e.Clock.Format(), "x=") {
				t.Errorf("ended %+v", e)
			}
		})
	}
}

func TestV1ThatAReceiverWouldRefuseIsNotSent(t *testing.T) {
	for want, c := range map[string]struct {
		clock   ClockV1
		options []Option
	}{
		"send/over_limits": {NewClockV1(ComponentV1{"go#g-1", tickMax}), nil},
		"send/too_long":    {NewClockV1(ComponentV1{strings.Repeat("x", 200), 1}), []Option{WithHeaderBytesMax(420)}},
	} {
		tow, seen := newTowline(c.options...)
		place := tow.Begin()
		place.v1 = &vectorV1{clock: c.clock, came: true}
		call := place.Call("localhost")
		header := http.Header{}
		call.Inject(header)
		if len(header[keyClock]) > 0 || header.Get(keyTraceparent) == "" || !slices.Equal(seen.drops, []string{want}) {
			t.Errorf("sent %v, dropped %q", header, seen.drops)
		}
	}
}

func TestAThousandRequestsAreNotMixedUp(t *testing.T) {
	tow, seen := newTowline()
	client := &http.Client{Transport: tow.Transport(&http.Transport{MaxIdleConnsPerHost: 64})}
	defer client.CloseIdleConnections()
	back := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "%s %s %s", place.TraceID(), place.ParentID(), r.Header.Get("X-Number"))
	})))
	front := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := FromContext(r.Context())
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, back.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		request.Header.Set("X-Number", r.Header.Get("X-Number"))
		response, err := client.Do(request)
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprintf(w, "%s %s %s %s", place.TraceID(), place.ParentID(), place.SpanID(), body)
	})))
	outside := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer outside.CloseIdleConnections()
	const requests, atOnce = 1000, 50
	var group sync.WaitGroup
	numbers := make(chan int)
	parents := sync.Map{}
	for range atOnce {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := range numbers {
				trace, parent := fmt.Sprintf("%032x", n+1), fmt.Sprintf("%016x", n+1)
				_, body := do(t, outside, newRequest(t, http.MethodGet, front.URL, keyTraceparent, "00-"+trace+"-"+parent+"-01",
					"X-Number", fmt.Sprint(n), keyClock, fmt.Sprintf(`v2;t=%s, probe#p/%s:2;x="2"`, trace[24:], parent[8:])))
				var got [6]string
				if _, err := fmt.Sscanf(body, "%s %s %s %s %s %s", &got[0], &got[1], &got[2], &got[3], &got[4], &got[5]); err != nil {
					t.Errorf("%q: %v", body, err)
					continue
				}
				if got[0] != trace || got[1] != parent || got[3] != trace || got[5] != fmt.Sprint(n) {
					t.Errorf("request %d got %q", n, got)
				}
				parents.Store(got[4], got[2]) // client span of the call: the caller's own span
			}
		}()
	}
	for n := range requests {
		numbers <- n
	}
	close(numbers)
	group.Wait()
	seen.wait(t, func() bool { return len(seen.ended) == 2*requests })
	if len(seen.done) != requests {
		t.Fatalf("%d calls", len(seen.done))
	}
	for _, call := range seen.done {
		if own, _ := parents.Load(call.SpanID.String()); own != call.ParentID.String() || call.Outcome != OutcomeOK {
			t.Fatalf("call %+v is of %v", call, own)
		}
	}
	for _, e := range seen.ended {
		if e.Outcome != OutcomeOK {
			t.Fatalf("ended %+v", e)
		}
	}
}

func TestCallByHand(t *testing.T) {
	tow, seen := newTowline()
	place := tow.Begin()
	call := place.Call("localhost")
	header := http.Header{"tracestate": {"by=hand"}, keyClock: {"by hand"}, "X": {"y"}}
	call.Inject(header)
	if len(header) != 4 || header.Get(keyTraceparent) != "00-"+place.TraceID().String()+"-"+call.SpanID().String()+"-03" {
		t.Errorf("injected %v", header)
	}
	callee := StartStrandFrom(mustParse(t, header.Get(keyClock)), "c", "1", 7, false)
	if call.Answered(200, http.Header{keyClock: {callee.End().Format()}}) {
		t.Error("waits for the end of a body")
	}
	call.Failed(errors.New("later")) // too late to matter
	if e := seen.endedCall(t); e.Outcome != OutcomeOK {
		t.Errorf("ended %+v", e)
	}
	place.End(OutcomeOK)
	place.End(OutcomeOK)
	seen.endedStrand(t)
}
