package towline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// hopsOf reads the record of an answer.
func hopsOf(t *testing.T, header http.Header) *hopRecord {
	t.Helper()
	fields := header[keyHops]
	if len(fields) == 0 {
		return nil
	}
	var record hopRecord
	if err := json.Unmarshal([]byte(fields[0]), &record); err != nil || len(fields) > 1 || len(fields[0]) > hopsBytesMax || !isASCII([]byte(fields[0])) {
		t.Fatalf("%q: %v", fields, err)
	}
	return &record
}

func TestProbeIsAnsweredWithWhatEachServiceSaw(t *testing.T) {
	back, _ := newTowline(WithServiceName("bäck🚀"))
	backServer := serve(t, back.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "back") })))
	plain := serve(t, http.NotFoundHandler())
	front, _ := newTowline()
	client := &http.Client{Transport: front.Transport(nil)}
	frontServer := serve(t, front.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, url := range []string{backServer.URL, plain.URL, "http://127.0.0.1:1/"} {
			call, err := client.Do(newRequest(t, http.MethodGet, url).WithContext(r.Context()))
			if err == nil {
				_, _ = io.Copy(io.Discard, call.Body)
				_ = call.Body.Close()
			}
		}
		_, _ = io.WriteString(w, "front")
	})))
	response, _ := do(t, http.DefaultClient, clocked(t, frontServer.URL, keyProbe, "1"))
	got := hopsOf(t, response.Header)
	if got == nil || got.Service != "go" || got.Instance != "g-1" || got.TraceID != testTrace || *got.ParentID != "b7ad6b7169203331" || got.Flags != "01" ||
		got.Restarted != nil || got.Clock != "continued" || got.Cut || len(got.Calls) != 3 {
		t.Fatalf("%+v", response.Header)
	}
	one, two, three := got.Calls[0], got.Calls[1], got.Calls[2]
	if "http://"+one.Host != backServer.URL || *one.Status != 200 || *one.Answer != "joined" {
		t.Errorf("%+v", one)
	}
	var inner hopRecord
	if err := json.Unmarshal(one.Hops, &inner); err != nil || inner.Service != "bäck🚀" || *inner.ParentID != one.SpanID || inner.Clock != "continued" || len(inner.Calls) != 0 {
		t.Errorf("%s: %v", one.Hops, err)
	}
	if *two.Status != 404 || *two.Answer != "lost" || string(two.Hops) != "null" {
		t.Errorf("%+v", two)
	}
	if three.Status != nil || three.Answer != nil || string(three.Hops) != "null" || three.Host != "127.0.0.1:1" {
		t.Errorf("%+v", three)
	}
	if !strings.Contains(response.Header.Get(keyHops), `"restarted":null,`) || !strings.Contains(response.Header.Get(keyHops), `b\u00e4ck\ud83d\ude80`) {
		t.Errorf("%s", response.Header.Get(keyHops))
	}
}

func TestProbeIsToldWhatBecameOfTraceAndClock(t *testing.T) {
	trusting := WithTrust(func(*http.Request) Trust { return Trust{Traceparent: TrustRestart} })
	for name, c := range map[string]struct {
		header                   []string
		options                  []Option
		restarted, clock, parent string
	}{
		"nothing":        {nil, nil, "absent", "first", ""},
		"no clock":       {[]string{keyTraceparent, testParent}, nil, "", "first", "b7ad6b7169203331"},
		"clock alone":    {[]string{keyClock, testClock}, nil, "absent", "no_traceparent", ""},
		"doubled":        {[]string{keyTraceparent, testParent, keyTraceparent, testParent, keyClock, testClock}, nil, "duplicate", "no_traceparent", ""},
		"member":         {[]string{keyTraceparent, testParent, keyTracestate, "towline=69203331:2x2"}, nil, "", "member", "b7ad6b7169203331"},
		"bad member":     {[]string{keyTraceparent, testParent, keyTracestate, "towline=no"}, nil, "", "malformed", "b7ad6b7169203331"},
		"two clocks":     {[]string{keyTraceparent, testParent, keyClock, testClock, keyClock, testClock}, nil, "", "duplicate", "b7ad6b7169203331"},
		"not trusted":    {[]string{keyTraceparent, testParent, keyClock, testClock}, []Option{trusting}, "untrusted", "untrusted", "b7ad6b7169203331"},
		"by B3":          {[]string{"b3", testTrace + "-b7ad6b7169203331-1"}, []Option{WithPropagators("tracecontext", "b3")}, "", "first", "b7ad6b7169203331"},
		"by B3, a clock": {[]string{"b3", testTrace + "-b7ad6b7169203331-1", keyClock, testClock}, []Option{WithPropagators("tracecontext", "b3")}, "", "no_traceparent", "b7ad6b7169203331"},
	} {
		t.Run(name, func(t *testing.T) {
			tow, _ := newTowline(c.options...)
			server := serve(t, tow.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			response, _ := do(t, http.DefaultClient, newRequest(t, http.MethodGet, server.URL, append([]string{keyProbe, "1"}, c.header...)...))
			got := hopsOf(t, response.Header)
			var restarted, parent string
			if got.Restarted != nil {
				restarted = string(*got.Restarted)
			}
			if got.ParentID != nil {
				parent = *got.ParentID
			}
			if restarted != c.restarted || got.Clock != c.clock || parent != c.parent {
				t.Errorf("%s", response.Header.Get(keyHops))
			}
		})
	}
}

func TestOnlyWhoMayProbeIsAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		probe, peer string
		header      []string
		want        bool
	}{
		"loopback":             {"", "127.0.0.1:5", []string{"1"}, true},
		"loopback, IPv6":       {"", "[::1]:5", []string{"1"}, true},
		"loopback, mapped":     {"Loopback", "[::ffff:127.0.0.1]:5", []string{"1"}, true},
		"another word":         {"", "127.0.0.1:5", []string{"2"}, false},
		"two fields":           {"", "127.0.0.1:5", []string{"1", "1"}, false},
		"from elsewhere":       {"", "10.0.0.1:5", []string{"1"}, false},
		"from who knows where": {"", "@", []string{"1"}, false},
		"not asked":            {"", "127.0.0.1:5", nil, false},
		"token":                {"s3cret", "203.0.113.9:5", []string{"s3cret"}, true},
		"token, loopback":      {"s3cret", "127.0.0.1:5", []string{"1"}, false},
		"other token":          {"s3cret", "127.0.0.1:5", []string{"s3cret2"}, false},
		"off":                  {"off", "127.0.0.1:5", []string{"1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			tow, _ := newTowline(WithProbe(c.probe))
			below := new(wire)
			w := httptest.NewRecorder()
			r := newRequest(t, http.MethodGet, "http://localhost/")
			r.RemoteAddr = c.peer
			if c.header != nil {
				r.Header[keyProbe] = c.header
			}
			tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				for _, url := range []string{"http://localhost/", "http://far.example.org/"} {
					call := newRequest(t, http.MethodGet, url, keyProbe, "by hand").WithContext(r.Context())
					if _, err := tow.Transport(below).RoundTrip(call); err != nil {
						t.Error(err)
					}
				}
			})).ServeHTTP(w, r)
			if got := len(w.Header()[keyHops]) > 0; got != c.want {
				t.Errorf("answered: %t", got)
			}
			near, far := below.requests[0].Header, below.requests[1].Header
			want := ""
			if c.want {
				want = c.header[0]
			}
			if near.Get(keyProbe) != want || len(far[keyProbe]) > 0 {
				t.Errorf("passed on %q, to far hosts %q", near[keyProbe], far[keyProbe])
			}
		})
	}
}

func TestProbeThatNobodyBroughtIsSent(t *testing.T) {
	tow, _ := newTowline()
	below := new(wire)
	if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/", keyProbe, "1")); err != nil {
		t.Fatal(err)
	}
	if got := below.requests[0].Header.Get(keyProbe); got != "1" {
		t.Errorf("sent %q", got)
	}
}

func TestRecordIsNeverTooLong(t *testing.T) {
	big := fmt.Sprintf(`{"service":%q}`, strings.Repeat("x", 3500))
	for name, c := range map[string]struct {
		service string
		hops    []string
		calls   int
		cut     bool
	}{
		"fits":         {"s", []string{big}, 1, false},
		"too long":     {"s", []string{big, big}, 0, true},
		"not JSON":     {"s", []string{`{"service"`, `[]`, "{} {}", "{\"x\":\"\xff\"}", strings.Repeat(" ", 7000) + "{}"}, 5, false},
		"escapes":      {strings.Repeat("ä", 900), []string{big}, 0, true},
		"a long name":  {strings.Repeat("x", 7000), nil, 0, true},
		"many calls":   {"s", make([]string, 500), 0, true},
		"several hops": {"s", make([]string, 20), 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			tow, _ := newTowline(WithServiceName(c.service))
			next := 0
			below := &wire{answer: func(r *http.Request) (*http.Response, error) {
				response := answered(r, http.NoBody)
				if hops := c.hops[next]; hops != "" {
					response.Header[keyHops] = []string{hops}
				}
				next++
				return response, nil
			}}
			server := serve(t, tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				for range c.hops {
					if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost/").WithContext(r.Context())); err != nil {
						t.Error(err)
					}
				}
			})))
			response, _ := do(t, http.DefaultClient, newRequest(t, http.MethodGet, server.URL, keyProbe, "1"))
			got := hopsOf(t, response.Header)
			if got == nil || len(got.Calls) != c.calls || got.Cut != c.cut {
				t.Errorf("%d calls, cut %t, %d bytes", len(got.Calls), got.Cut, len(response.Header.Get(keyHops)))
			}
			if name == "not JSON" {
				for _, call := range got.Calls {
					if string(call.Hops) != "null" {
						t.Errorf("took %s", call.Hops)
					}
				}
			}
		})
	}
}

func TestRecordKeepsNoMoreThanFits(t *testing.T) {
	tow, _ := newTowline()
	call, p := tow.Begin().Call("localhost"), new(probing)
	for range 1000 {
		p.called(call, answerLost, nil)
	}
	if len(p.calls) > 0 || !p.cut {
		t.Errorf("%d calls are kept, cut %t", len(p.calls), p.cut)
	}
}

func TestRecordIsNotForSharedCaches(t *testing.T) {
	tow, _ := newTowline()
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public")
		_, _ = io.WriteString(w, "x")
	})))
	if response, _ := do(t, http.DefaultClient, clocked(t, server.URL, keyProbe, "1")); len(response.Header[keyHops]) > 0 {
		t.Errorf("%v", response.Header)
	}
}

func TestRecordHasTheCallsBeforeTheHead(t *testing.T) {
	tow, _ := newTowline()
	below := &wire{answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("no answer") }}
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		child, join := Fork(r.Context())
		defer join()
		call := func() {
			_, _ = tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, "http://localhost:9/").WithContext(child))
		}
		call()
		_, _ = io.WriteString(w, "head")
		w.(http.Flusher).Flush()
		call()
	})))
	response, _ := do(t, http.DefaultClient, clocked(t, server.URL, keyProbe, "1"))
	if got := hopsOf(t, response.Header); len(got.Calls) != 1 || got.Calls[0].Host != "localhost:9" {
		t.Errorf("%+v", got)
	}
}
