package towline

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// seedCarriers adds one field of each of the shared vectors, good and bad.
func seedCarriers(f *testing.F, add func(values ...string)) {
	f.Helper()
	var file struct {
		Timeout []map[string]json.RawMessage `json:"timeout"`
		B3      []map[string]json.RawMessage `json:"b3"`
		Baggage []map[string]json.RawMessage `json:"baggage"`
		About   string                       `json:"about"`
	}
	readVectors(new(testing.T), "carriers", &file)
	if len(file.Timeout) == 0 || len(file.B3) == 0 || len(file.Baggage) == 0 {
		f.Fatal("no vectors to begin with")
	}
	for _, list := range [][]map[string]json.RawMessage{file.Timeout, file.B3, file.Baggage} {
		for _, v := range list {
			for _, field := range v {
				var values []string
				if json.Unmarshal(field, &values) == nil && len(values) > 0 {
					add(values...)
				}
			}
		}
	}
}

func FuzzBaggage(f *testing.F) {
	seedCarriers(f, func(values ...string) { f.Add(strings.Join(values, ",")) })
	f.Fuzz(func(t *testing.T, field string) {
		text, err := readBaggage([]string{field})
		if err != nil {
			if text != "" {
				t.Errorf("%q is refused and read", field)
			}
			return
		}
		again, err := readBaggage([]string{text})
		if err != nil || again != text || len(text) > baggageBytesMax || strings.ContainsAny(text, "\r\n") {
			t.Errorf("%q is passed on as %q, and that as %q, %v", field, text, again, err)
		}
		p := &Place{carried: &carried{baggage: text}}
		for _, member := range baggageMembers(text) {
			key, _, _ := readBaggageMember(member)
			if _, there := p.BaggageValue(key); !there {
				t.Errorf("%q is not in %q", key, text)
			}
		}
	})
}

func FuzzB3AndTimeout(f *testing.F) {
	seedCarriers(f, func(values ...string) {
		f.Add(values[0], "", "")
		f.Add("", values[0], values[len(values)-1])
	})
	tow := New(WithLogger(discard), WithDeadlines(true), WithPropagators("tracecontext", "b3", "b3multi"))
	handler := tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		FromContext(r.Context()).Call("localhost").Inject(w.Header())
	}))
	f.Fuzz(func(t *testing.T, one, two, three string) {
		header := http.Header{keyB3Trace: {two}, keyB3Span: {three}, keyB3Sampled: {one}, keyTimeout: {one}, keyTimeoutGRPC: {two}}
		if one != "" {
			header[keyB3] = []string{one}
		}
		c, _, err := readB3(header)
		if err == nil && c.traceID.IsZero() != c.spanID.IsZero() {
			t.Errorf("%v is read as %+v", header, c)
		}
		if milliseconds, there, err := readTimeout(header); err == nil && (!there || milliseconds < 0) {
			t.Errorf("%v is read as %d", header, milliseconds)
		}
		// What is sent on is read by the next as it was meant.
		r := httptest.NewRequest(http.MethodGet, "http://localhost/", nil)
		r.Header = header
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		next, there, failed := readB3(w.Header())
		trace, bad := ParseTraceContext(w.Header()[keyTraceparent], nil)
		if !there || failed != nil || bad != nil || next.traceID != trace.TraceID || next.spanID != trace.ParentID || *next.sampled != (trace.Flags&Sampled != 0) {
			t.Errorf("%v goes on as %v", header, w.Header())
		}
		if err == nil && !c.traceID.IsZero() && next.traceID != c.traceID {
			t.Errorf("%v is not continued by %v", header, w.Header())
		}
	})
}

func FuzzHops(f *testing.F) {
	f.Add(`{"service":"rust","calls":[]}`)
	f.Add(`{"service":"b\u00e4ck"}`)
	f.Add(`[]`)
	f.Add(`{"a":`)
	tow := New(WithLogger(discard))
	f.Fuzz(func(t *testing.T, hops string) {
		p := &probing{value: "1", clock: clockFirst}
		place := tow.Begin()
		p.called(place.Call("localhost"), answerJoined, http.Header{keyHops: {hops}})
		text := p.text(place)
		var record hopRecord
		if err := json.Unmarshal([]byte(text), &record); err != nil || len(text) > hopsBytesMax || !isASCII([]byte(text)) || strings.ContainsAny(text, "\r\n") {
			t.Errorf("%q makes %q: %v", hops, text, err)
		}
	})
}
