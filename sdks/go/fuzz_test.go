package towline

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// seedHeaders adds the headers of the shared vectors, good and bad, to a fuzz target.
func seedHeaders(f *testing.F, name string) {
	f.Helper()
	var file map[string]json.RawMessage
	t := new(testing.T)
	readVectors(t, name, &file)
	if t.Failed() {
		f.Fatalf("vectors %s cannot be read", name)
	}
	for _, list := range []string{"valid", "invalid", "lenient", "read", "refused", "cut"} {
		var entries []struct {
			Header string `json:"header"`
		}
		if text, there := file[list]; there {
			if err := json.Unmarshal(text, &entries); err != nil {
				f.Fatal(err)
			}
		}
		for _, entry := range entries {
			if entry.Header != "" {
				f.Add(entry.Header)
			}
		}
	}
}

func FuzzClock(f *testing.F) {
	seedHeaders(f, "clock-codec")
	seedHeaders(f, "clock-cut")
	f.Fuzz(func(t *testing.T, header string) {
		c, err := ParseClock(header)
		if err != nil {
			if !c.IsZero() {
				t.Errorf("%q is refused and read", header)
			}
			return
		}
		if again, err := ParseClock(c.Format()); err != nil && len(c.Format()) <= headerDefault || err == nil && again != c {
			t.Errorf("%q is written as %q, which is %v, %v", header, c, again, err)
		}
		if got := c.lineage().clock(); got != c {
			t.Errorf("%q is put together as %q", c, got)
		}
		if got := c.Compare(c); got != Equal {
			t.Errorf("%q is %s to itself", c, got)
		}
		// What a strand starts from it is after it, and its end goes back.
		strand := StartStrandFrom(c, "fuzz", "1", 7, false)
		if got := c.Compare(strand.Stamp()); got != Before && len(c.Hops()) < levelsMax {
			t.Errorf("%q is %s to %q", c, got, strand.Stamp())
		}
		if mustParse(t, strand.Event().Format()) != strand.Stamp() {
			t.Errorf("%q cannot be read back", strand.Stamp())
		}
		before := strandOf(c)
		if err := before.Receive(strand.End()); err != nil && err != ErrEnded {
			t.Errorf("%q does not take %q: %v", c, strand.Stamp(), err)
		}
		limits := DefaultLimits()
		limits.HeaderBytesMax = 100
		if header, err := c.Cut(limits); err == nil && len(header) > 100 {
			t.Errorf("cut to %d", len(header))
		}
	})
}

func FuzzAnswer(f *testing.F) {
	seedHeaders(f, "clock-codec")
	f.Fuzz(func(t *testing.T, header string) {
		short, whole := StartStrand(0x1c80319c, "a", "1", 1), StartStrand(0x1c80319c, "a", "1", 1)
		for _, s := range []*Strand{short, whole} {
			s.Send(false)
			s.Send(false)
		}
		call, err := short.send(DefaultLimits(), sending{})
		if err != nil {
			t.Fatal(err)
		}
		whole.Send(false)
		clock, err := ParseClock(header)
		if _, got := short.receiveAnswer(&call, header, DefaultLimits()); got == nil {
			if err != nil {
				t.Fatalf("%q is taken as an answer: %v", header, err)
			}
			if err := whole.Receive(clock); err != nil {
				t.Fatalf("%q is not learned: %v", header, err)
			}
		}
		if short.Stamp() != whole.Stamp() {
			t.Errorf("%q is learned as %q, not %q", header, short.Stamp(), whole.Stamp())
		}
	})
}

func FuzzCompare(f *testing.F) {
	f.Add(testClock, testClock)
	f.Add("v2;t=1c80319c, a#1/00000001:3;x=\"2.3(1)\"", "v2;t=1c80319c, a#1/00000001:2, b#1/00000002:9;e;x=\"+1.4\"")
	mirror := map[Order]Order{Before: After, After: Before, Equal: Equal, Concurrent: Concurrent, Unknown: Unknown}
	f.Fuzz(func(t *testing.T, one, other string) {
		a, errA := ParseClock(one)
		b, errB := ParseClock(other)
		if errA != nil || errB != nil {
			return
		}
		// Two clocks that no program makes may each claim to be after the other.
		if ab, ba := a.Compare(b), b.Compare(a); ba != mirror[ab] && (ab != Before || ba != Before) {
			t.Errorf("%q\n%q\nare %s and %s", a, b, ab, ba)
		}
		if strand := strandOf(a); strand.Receive(b) == nil {
			if mustParse(t, strand.Stamp().Format()) != strand.Stamp() {
				t.Errorf("%q cannot be read back", strand.Stamp())
			}
		}
	})
}

func FuzzTraceContext(f *testing.F) {
	var file struct {
		Cases []struct {
			Fields [][2]string `json:"fields"`
		} `json:"cases"`
	}
	var raw map[string]json.RawMessage
	readVectors(new(testing.T), "trace-context", &raw)
	if err := json.Unmarshal(raw["cases"], &file.Cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range file.Cases {
		var fields [2]string
		for _, field := range c.Fields {
			if strings.EqualFold(field[0], keyTraceparent) {
				fields[0] = field[1]
			} else {
				fields[1] = field[1]
			}
		}
		f.Add(fields[0], fields[1])
	}
	f.Fuzz(func(t *testing.T, traceparent, tracestate string) {
		c, err := ParseTraceContext([]string{traceparent}, []string{tracestate})
		if err != nil {
			return
		}
		written := c.Traceparent(c.ParentID)
		again, err := ParseTraceContext([]string{written}, []string{c.Tracestate})
		if err != nil || again.TraceID != c.TraceID || again.ParentID != c.ParentID || again.Flags != c.Flags || again.Tracestate != c.Tracestate {
			t.Errorf("%q, %q are written as %q, which is %+v, %v", traceparent, tracestate, written, again, err)
		}
		list, fits := writeTracestate(c.Tracestate, testClock)
		if back, _, dropped := parseTracestate([]string{list}); list != "" && (dropped != "" || back != c.Tracestate) {
			t.Errorf("%q becomes %q (%t), of which others read %q, %s", tracestate, list, fits, back, dropped)
		}
	})
}

func FuzzClockV1(f *testing.F) {
	seedHeaders(f, "clock-v1")
	trace := TraceID{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c}
	f.Fuzz(func(t *testing.T, header string) {
		c, err := ReadClockV1(header, trace)
		if err != nil {
			return
		}
		if back, err := ReadClockV1(c.Write(trace, SpanID{1}, SpanID{2}, "s", "i"), trace); err == nil && back.Compare(c) != Equal {
			t.Errorf("%q is read back as %v", header, back)
		}
	})
}

// FuzzJSON holds the strict reader against the standard library's: what ours accepts, that accepts.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e-3,true,null,"\u00e9\ud83d\ude00\n"]}`, `[]`, `"\ud800"`, `[1,]`, `{"a":1,}`, `01`, `-`, `1e400`, "\"\x01\""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, ok := parseJSON(text)
		var theirs any
		err := json.Unmarshal(text, &theirs)
		if ok && err != nil {
			t.Errorf("%q is accepted: %v", text, err)
		}
		if s, isString := theirs.(string); ok && isString && s != v.text {
			t.Errorf("%q is %q, not %q", text, v.text, s)
		}
	})
}

func FuzzTracestateMember(f *testing.F) {
	for _, value := range []string{"a3f9c21b:2x2", "a3f9c21b:2f1/77b0e190:5dx3 4.2", "a3f9c21b:2;e", "_#/a3f9c21b:2", "a3f9c21b:2 "} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ClockFromTracestate(value, 0x1c80319c)
		if err != nil {
			return
		}
		back, err := ClockFromTracestate(c.ToTracestate(), c.Trace())
		if err != nil && c.ToTracestate() != "" || err == nil && back != c {
			t.Errorf("%q is read as %q and %q", value, c, back)
		}
	})
}

// FuzzRequest sends hostile headers through a whole handler: no request ever fails for them.
func FuzzRequest(f *testing.F) {
	f.Add(testParent, "a=1", testClock)
	f.Add("", "towline=x", "v1;"+base64.RawURLEncoding.EncodeToString([]byte("{}")))
	tow := New(WithLogger(discard))
	handler := tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := FromContext(r.Context()).Call("localhost")
		call.Inject(http.Header{})
		call.Answered(200, r.Header)
		w.WriteHeader(http.StatusAccepted)
	}))
	f.Fuzz(func(t *testing.T, traceparent, tracestate, clock string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = http.Header{keyTraceparent: {traceparent}, keyTracestate: {tracestate}, keyClock: {clock}}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusAccepted {
			t.Errorf("answered %d", w.Code)
		}
		if answer := w.Header().Get(keyClock); answer != "" {
			if _, err := ParseClock(answer); err != nil {
				t.Errorf("answered %q: %v", answer, err)
			}
		}
	})
}
