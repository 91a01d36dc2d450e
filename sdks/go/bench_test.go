package towline

import (
	"context"
	"net/http"
	"testing"
)

// What a request and a call cost, without network. Each checks what it did first.

// sink is a http.ResponseWriter that keeps nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}

const benchClock = `v2;t=1c80319c, typescript#ts-1/a3f9c21b:2, python#py-1/77b0e190:4;x="4"`

func BenchmarkHandler(b *testing.B) {
	tow := New(WithServiceName("go"), WithInstance("go-1"), WithLogger(discard))
	body := []byte("hello")
	handler := tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	for name, header := range map[string]http.Header{
		"no context":   {},
		"traceparent":  {keyTraceparent: {testParent}},
		"clock":        {keyTraceparent: {testParent}, keyClock: {benchClock}},
		"clock, state": {keyTraceparent: {testParent}, keyTracestate: {"foo=1,towline=a3f9c21b:2/77b0e190:4x4"}, keyClock: {benchClock}},
	} {
		b.Run(name, func(b *testing.B) {
			r, err := http.NewRequest(http.MethodGet, "http://localhost/", nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header = header
			w := &sink{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				handler.ServeHTTP(w, r)
			}
			if answered := w.header.Get(keyClock) != ""; answered != (header[keyClock] != nil) {
				b.Errorf("answered %v", w.header)
			}
		})
	}
}

func BenchmarkTransport(b *testing.B) {
	tow := New(WithServiceName("go"), WithInstance("go-1"), WithLogger(discard))
	read, err := scanClock(benchClock, DefaultLimits(), anyTrace, nil)
	if err != nil {
		b.Fatal(err)
	}
	response := &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{keyClock: {""}}}
	base := roundTrip(func(r *http.Request) (*http.Response, error) {
		// What a callee that made no calls answers: two bytes less, and its own member.
		sent := r.Header[keyClock][0]
		at := len(sent)
		for sent[at-1] != ';' {
			at--
		}
		response.Header[keyClock][0] = sent[:at-1] + ", rust#rust-1/0badcafe:2;e"
		return response, nil
	})
	client := tow.Transport(base)
	b.ReportAllocs()
	for b.Loop() {
		place := &Place{towline: tow, spanID: newSpanID()}
		place.traceID[15], place.traceID[14], place.traceID[13], place.traceID[12] = 0x9c, 0x31, 0x80, 0x1c
		place.strand.startFrom(read, tow.label, place.spanID.nonce(), false)
		r, err := http.NewRequestWithContext(NewContext(context.Background(), place), http.MethodGet, "http://10.0.0.1/", nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header = http.Header{"Accept": {"*/*"}}
		if _, err := client.RoundTrip(r); err != nil {
			b.Fatal(err)
		}
		if place.strand.own.Tick != 3 || len(place.strand.own.Open) != 0 {
			b.Fatalf("the call is not joined: %q", place.Stamp())
		}
	}
}

func BenchmarkScan(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := scanClock(benchClock, DefaultLimits(), anyTrace, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallsInFlight(b *testing.B) {
	for name, inFlight := range map[string]int{"1": 1, "1000": 1000} {
		b.Run(name, func(b *testing.B) {
			s := StartStrand(1, "a", "1", 1)
			for range inFlight {
				s.Send(false)
			}
			b.ReportAllocs()
			for b.Loop() {
				call, err := s.send(DefaultLimits(), sending{})
				if err != nil {
					b.Fatal(err)
				}
				s.join(call.tick, &Known{Tick: 2, Ended: true})
			}
		})
	}
}
