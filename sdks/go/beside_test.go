package towline

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// callsOf runs a request through a handler that makes calls, and returns the headers of those.
func callsOf(t *testing.T, tow *Towline, r *http.Request, urls []string, byHand ...string) []http.Header {
	t.Helper()
	below := new(wire)
	tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, url := range urls {
			if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, url, byHand...).WithContext(r.Context())); err != nil {
				t.Error(err)
			}
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	var out []http.Header
	for _, request := range below.requests {
		out = append(out, request.Header)
	}
	return out
}

var nearAndFar = []string{"http://10.0.0.1/", "http://far.example.org/"}

func TestBaggageGoesToNearbyHostsOnly(t *testing.T) {
	tow, seen := newTowline()
	calls := callsOf(t, tow, clocked(t, "http://localhost/", "baggage", " user=%C3%A4 ,b=2;p", "baggage", "c=3"), nearAndFar)
	if got := calls[0][keyBaggage]; !slices.Equal(got, []string{"user=%C3%A4,b=2;p,c=3"}) {
		t.Errorf("sent %q", got)
	}
	if got := calls[1][keyBaggage]; len(got) > 0 {
		t.Errorf("sent %q to a far host", got)
	}
	if !slices.Contains(seen.drops, "baggage/withheld") || tow.Counters().Get("baggage/withheld") != 1 {
		t.Errorf("dropped %q", seen.drops)
	}
}

func TestBaggageThatTheApplicationSetsStays(t *testing.T) {
	tow, seen := newTowline()
	for i, header := range callsOf(t, tow, clocked(t, "http://localhost/", "baggage", "a=1"), nearAndFar, "Baggage", "own=1") {
		if got := header[keyBaggage]; !slices.Equal(got, []string{"own=1"}) {
			t.Errorf("call %d carries %q", i, got)
		}
	}
	if slices.Contains(seen.drops, "baggage/withheld") {
		t.Errorf("dropped %q", seen.drops)
	}
}

func TestBaggageIsThereForTheHandlerAndItsForks(t *testing.T) {
	tow, _ := newTowline()
	tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		child, join := Fork(r.Context())
		defer join()
		for _, ctx := range []context.Context{r.Context(), child, Detach(r.Context())} {
			place := FromContext(ctx)
			value, ok := place.BaggageValue("user")
			if place.Baggage() != "user=%41b%2,user=2" || !ok || value != "Ab%2" {
				t.Errorf("baggage %q, value %q", place.Baggage(), value)
			}
			if value, ok := place.BaggageValue("nobody"); ok {
				t.Errorf("nobody is %q", value)
			}
		}
	})).ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/", "baggage", "user=%41b%2,user=2"))
	if value, ok := (*Place)(nil).BaggageValue("user"); ok || value != "" || (*Place)(nil).Baggage() != "" {
		t.Error("there is baggage without a place")
	}
}

func TestBaggageThatCannotBeUsedIsDroppedWhole(t *testing.T) {
	for want, c := range map[string]struct {
		header  []string
		options []Option
	}{
		"baggage/malformed":        {[]string{keyTraceparent, testParent, "baggage", "a=1,b"}, nil},
		"baggage/too_long":         {[]string{keyTraceparent, testParent, "baggage", "a=" + strings.Repeat("x", 8192)}, nil},
		"baggage/too_many_members": {[]string{keyTraceparent, testParent, "baggage", strings.Repeat("a=1,", 65)}, nil},
		"traceparent/absent":       {[]string{"baggage", "a=1"}, nil},
		"traceparent/untrusted": {[]string{keyTraceparent, testParent, "baggage", "a=1"},
			[]Option{WithTrust(func(*http.Request) Trust { return Trust{Traceparent: TrustRestart} })}},
		"": {[]string{keyTraceparent, testParent, "baggage", "a=1"}, []Option{WithPropagators("tracecontext")}},
	} {
		tow, seen := newTowline(c.options...)
		calls := callsOf(t, tow, newRequest(t, http.MethodGet, "http://localhost/", c.header...), nearAndFar[:1])
		if len(calls[0][keyBaggage]) > 0 {
			t.Errorf("%s: sent %q", want, calls[0][keyBaggage])
		}
		drops := slices.DeleteFunc(seen.drops, func(d string) bool { return d == "answer/absent" })
		if want != "" && !slices.Equal(drops, []string{want}) || want == "" && len(drops) > 0 {
			t.Errorf("dropped %q, not %q", drops, want)
		}
	}
}

func TestBaggageDoesNotFollowARedirectToAFarHost(t *testing.T) {
	tow, _ := newTowline()
	var got []http.Header
	far := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Clone()) }))
	near := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Clone())
		http.Redirect(w, r, "http://far.example.org/", http.StatusTemporaryRedirect)
	}))
	base := &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		if strings.HasPrefix(to, "far.example.org") {
			to = far.Listener.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}}
	defer base.CloseIdleConnections()
	ctx, _ := inPlace(t, tow)
	// What the application sets for the first host is copied to the next by http.Client.
	r := newRequest(t, http.MethodGet, near.URL, keyBaggage, "own=1", keyTimeout, "5", keyProbe, "token", keyClock, testClock, "X-Own", "1").WithContext(ctx)
	do(t, &http.Client{Transport: tow.Transport(base)}, r)
	if len(got) != 2 || got[0].Get(keyBaggage) != "own=1" || got[0].Get(keyTimeout) != "5" {
		t.Fatalf("sent %v", got)
	}
	if got[1].Get("X-Own") != "1" || got[1].Get(keyTraceparent) == "" {
		t.Errorf("the redirect is not followed as it should be: %v", got[1])
	}
	for _, key := range []string{keyBaggage, keyTimeout, keyProbe, keyClock} {
		if len(got[1][key]) > 0 {
			t.Errorf("%s reaches the far host: %q", key, got[1][key])
		}
	}
}

func TestB3IsReadWhereThereIsNoTraceparent(t *testing.T) {
	const span = "b7ad6b7169203331"
	both := WithPropagators("tracecontext", "b3", "b3multi")
	for name, c := range map[string]struct {
		header  []string
		options []Option
		trace   string // empty: a new one
		flags   Flags
		drops   []string
	}{
		"single":              {[]string{"b3", testTrace + "-" + span + "-1"}, []Option{both}, testTrace, Sampled, nil},
		"not sampled":         {[]string{"b3", testTrace + "-" + span + "-0"}, []Option{both}, testTrace, 0, nil},
		"nothing said":        {[]string{"b3", testTrace + "-" + span}, []Option{both}, testTrace, Sampled, nil},
		"nothing said, off":   {[]string{"b3", testTrace + "-" + span}, []Option{both, WithSampled(false)}, testTrace, 0, nil},
		"several":             {[]string{"X-B3-TraceId", testTrace, "x-b3-spanid", span, "X-B3-Sampled", "0"}, []Option{both}, testTrace, 0, nil},
		"short":               {[]string{"b3", testTrace[16:] + "-" + span + "-1"}, []Option{both}, strings.Repeat("0", 16) + testTrace[16:], Sampled, nil},
		"the decision alone":  {[]string{"b3", "0"}, []Option{both}, "", Random, []string{"traceparent/absent"}},
		"another decision":    {[]string{"b3", "1"}, []Option{both, WithSampled(false)}, "", Random | Sampled, []string{"traceparent/absent"}},
		"malformed":           {[]string{"b3", "x"}, []Option{both}, "", Random | Sampled, []string{"traceparent/b3_malformed"}},
		"beside traceparent":  {[]string{"b3", strings.Repeat("1", 32) + "-" + span + "-0", keyTraceparent, testParent}, []Option{both}, testTrace, Sampled, nil},
		"beside a bad one":    {[]string{"b3", testTrace + "-" + span + "-0", keyTraceparent, "x"}, []Option{both}, "", Random | Sampled, []string{"traceparent/malformed"}},
		"not asked for":       {[]string{"b3", testTrace + "-" + span + "-0"}, nil, "", Random | Sampled, []string{"traceparent/absent"}},
		"a clock is not read": {[]string{"b3", testTrace + "-" + span + "-1", keyClock, testClock}, []Option{both}, testTrace, Sampled, []string{"clock/no_traceparent"}},
	} {
		t.Run(name, func(t *testing.T) {
			tow, seen := newTowline(c.options...)
			var place *Place
			tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { place = FromContext(r.Context()) })).
				ServeHTTP(httptest.NewRecorder(), newRequest(t, http.MethodGet, "http://localhost/", c.header...))
			if goesOn := place.TraceID().String() == c.trace; goesOn != (c.trace != "") || place.Flags() != c.flags || goesOn && place.ParentID().String() != span {
				t.Errorf("the place is of %s, parent %s, flags %s", place.TraceID(), place.ParentID(), place.Flags())
			}
			if !slices.Equal(seen.drops, c.drops) {
				t.Errorf("dropped %q, not %q", seen.drops, c.drops)
			}
		})
	}
}

func TestB3IsWrittenBesideTraceparent(t *testing.T) {
	tow, seen := newTowline(WithPropagators("b3", "b3multi", "tracecontext"))
	calls := callsOf(t, tow, clocked(t, "http://localhost/"), nearAndFar, "x-b3-traceid", "by hand", "b3", "by hand", "X-B3-Flags", "1")
	for i, header := range calls {
		span := seen.done[i].SpanID.String()
		want := http.Header{keyB3: {testTrace + "-" + span + "-1"}, keyB3Trace: {testTrace}, keyB3Span: {span}, keyB3Sampled: {"1"}, keyB3Flags: nil}
		for key, values := range want {
			if !slices.Equal(header[key], values) {
				t.Errorf("call %d: %s is %q, not %q", i, key, header[key], values)
			}
		}
		if header.Get(keyTraceparent) != "00-"+testTrace+"-"+span+"-01" {
			t.Errorf("call %d: %v", i, header)
		}
	}
	raw := http.Header{"b3": {"by hand"}, "X-B3-TraceId": {"by hand"}}
	tow.Begin().Call("localhost").Inject(raw)
	for key := range raw {
		if key != http.CanonicalHeaderKey(key) {
			t.Errorf("%s is left as it was written by hand: %v", key, raw)
		}
	}
	tow, _ = newTowline()
	if header := callsOf(t, tow, clocked(t, "http://localhost/"), nearAndFar[:1], "b3", "by hand")[0]; header.Get(keyB3) != "by hand" || header.Get(keyB3Trace) != "" {
		t.Errorf("not asked for: %v", header)
	}
	tow, _ = newTowline(WithPropagators("tracecontext", "b3"), WithTraceparentTo("example.com"))
	if header := callsOf(t, tow, clocked(t, "http://localhost/"), nearAndFar[:1])[0]; header.Get(keyB3) != "" {
		t.Errorf("withheld: %v", header)
	}
}

func TestLabelsAreHashedForHostsThatOnlyASettingAllows(t *testing.T) {
	tow, seen := newTowline(WithHashLabels(true), WithPropagateTo("partner.example.org"))
	below := &wire{answer: func(r *http.Request) (*http.Response, error) {
		return answered(r, http.NoBody, calleeOf(t, r).End().Format()), nil
	}}
	ctx, place := inPlace(t, tow)
	for _, url := range []string{"http://10.0.0.1/", "http://partner.example.org/"} {
		if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, url).WithContext(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	near, far := below.requests[0].Header.Get(keyClock), below.requests[1].Header.Get(keyClock)
	// The beginnings of SHA-256 of probe, p, go and g-1.
	const probe, own = "ba9c736f#148de9c5", "4cd0e21a#b9817549"
	if !strings.HasPrefix(near, "v2;t=1c80319c, probe#p/") {
		t.Errorf("sent %q", near)
	}
	if strings.Count(far, own) != 2 || !strings.HasPrefix(far, "v2;t=1c80319c, "+probe+"/69203331:2, ") || strings.Contains(far, "go#") {
		t.Errorf("sent %q", far)
	}
	for _, e := range seen.done {
		if e.Outcome != OutcomeOK {
			t.Errorf("ended %+v", e)
		}
	}
	if got := place.Stamp().Format(); !strings.HasPrefix(got, "v2;t=1c80319c, probe#p/") || strings.Contains(got, "x=") {
		t.Errorf("knows %q", got)
	}
}

func TestHashedLabelsStayWithinTheHeader(t *testing.T) {
	tow, seen := newTowline(WithHashLabels(true), WithPropagateTo("partner.example.org"), WithHeaderBytesMax(70), WithServiceName("a"), WithInstance("b"))
	place := tow.Begin()
	for range 9 {
		call := place.Call("localhost")
		call.place.strand.joinStrand(call.sent.tick, calleeStrand(t, call.sent.text))
		place.Call("localhost")
	}
	call := place.Call("partner.example.org")
	if len(call.clock) > 70 || call.clock == "" || !call.sent.cut || !slices.Contains(seen.drops, "send/cut") {
		t.Errorf("sent %q, dropped %q", call.clock, seen.drops)
	}
}

func TestClockOfV1HasHashesForNames(t *testing.T) {
	tow, _ := newTowline(WithHashLabels(true), WithClock(ClockOnV1), WithPropagateTo("partner.example.org"))
	place := tow.Begin()
	place.v1.clock = NewClockV1(ComponentV1{"probe#p", 3}, ComponentV1{"odd", 1})
	for host, want := range map[string][]ComponentV1{
		"partner.example.org": {{"ba9c736f#148de9c5", 3}, {"990cb8eb", 1}, {"4cd0e21a#b9817549", 1}},
		"localhost":           {{"probe#p", 3}, {"odd", 1}, {"go#g-1", 1}},
	} {
		place.v1.clock = NewClockV1(ComponentV1{"probe#p", 3}, ComponentV1{"odd", 1})
		call := place.Call(host)
		clock, err := ReadClockV1(call.clock, place.TraceID())
		if err != nil || !slices.Equal(clock.Components(), want) {
			t.Errorf("%s gets %v, %v", host, clock.Components(), err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(call.clock, "v1;"))
		if named := strings.Contains(string(raw), "g-1"); err != nil || named != (host == "localhost") {
			t.Errorf("%s gets %s", host, raw)
		}
		if own := place.v1.clock.Components(); own[0].Name != "probe#p" || len(own) != 3 {
			t.Errorf("the place has %v", own)
		}
	}
}

func TestCORSHeadersAreThoseThatAreReadAndWritten(t *testing.T) {
	allow, expose := CORSHeaders()
	if !slices.Equal(allow, []string{"traceparent", "tracestate", "raceway-clock", "baggage", "towline-timeout"}) ||
		!slices.Equal(expose, []string{"raceway-clock", "traceresponse", "server-timing"}) {
		t.Errorf("%q, %q", allow, expose)
	}
}
