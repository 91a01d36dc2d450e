package towline

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	answerEnded = regexp.MustCompile(`^v2;t=1c80319c, probe#p/69203331:2, go#g-1/[0-9a-f]{8}:2;e$`)
	answerSoFar = regexp.MustCompile(`^v2;t=1c80319c, probe#p/69203331:2, go#g-1/[0-9a-f]{8}:1$`)
)

func TestBodyOfKnownLengthIsAnsweredWithTheEnd(t *testing.T) {
	big := strings.Repeat("x", 100_000)
	cases := map[string]http.HandlerFunc{
		"nothing at all": func(http.ResponseWriter, *http.Request) {},
		"a status":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"no content":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"a small body":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "small") },
		"small writes":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a")); _, _ = w.Write([]byte("b")) },
		"as much as net/http sizes": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 2048))
		},
		"a big body with its length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(big)))
			_, _ = io.WriteString(w, big)
		},
		"a flush behind a length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "ab")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "cd")
		},
		"a copied small body": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("copied")) },
		"a file": func(w http.ResponseWriter, r *http.Request) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte(big), 0o600); err != nil {
				t.Error(err)
			}
			http.ServeFile(w, r, path)
		},
	}
	for name, next := range cases {
		t.Run(name, func(t *testing.T) {
			plain, body := do(t, http.DefaultClient, clocked(t, serve(t, next).URL))
			tow, seen := newTowline()
			response, ours := do(t, http.DefaultClient, clocked(t, serve(t, tow.Handler(next)).URL))
			if got := response.Header.Get(keyClock); !answerEnded.MatchString(got) {
				t.Errorf("answered %q", got)
			}
			if ours != body || response.StatusCode != plain.StatusCode || response.ContentLength != plain.ContentLength ||
				response.Header.Get("Content-Type") != plain.Header.Get("Content-Type") || len(response.TransferEncoding) > 0 {
				t.Errorf("the response is %d, %+v, not %d, %+v", response.ContentLength, response.Header, plain.ContentLength, plain.Header)
			}
			if e := seen.endedStrand(t); e.Clock.Format() != response.Header.Get(keyClock) {
				t.Errorf("ended with %q, answered %q", e.Clock, response.Header.Get(keyClock))
			}
		})
	}
}

func TestHeadIsAnsweredWithTheEnd(t *testing.T) {
	tow, _ := newTowline()
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 10_000))
	})))
	r := clocked(t, server.URL)
	r.Method = http.MethodHead
	if response, _ := do(t, http.DefaultClient, r); !answerEnded.MatchString(response.Header.Get(keyClock)) {
		t.Errorf("answered %q", response.Header.Get(keyClock))
	}
}

func TestStreamedBodyIsAnsweredWithTheClockSoFarAndATrailer(t *testing.T) {
	streams := map[string]http.HandlerFunc{
		"flush": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			Event(r.Context())
			_, _ = io.WriteString(w, "b")
		},
		"controller": func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			Event(r.Context())
			_, _ = io.WriteString(w, "ab")
		},
		"overflow": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(make([]byte, 2049))
			Event(r.Context())
		},
		"copy": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(w, strings.NewReader(strings.Repeat("x", 5000)))
			Event(r.Context())
		},
	}
	for name, next := range streams {
		t.Run(name, func(t *testing.T) {
			plain, body := do(t, http.DefaultClient, clocked(t, serve(t, next).URL))
			tow, seen := newTowline()
			server := serve(t, tow.Handler(next))
			response, ours := do(t, http.DefaultClient, clocked(t, server.URL, "TE", "gzip, Trailers;q=1"))
			if !answerSoFar.MatchString(response.Header.Get(keyClock)) {
				t.Errorf("answered %q", response.Header.Get(keyClock))
			}
			end := seen.endedStrand(t).Clock.Format()
			if got := response.Trailer[keyClock]; len(got) != 1 || got[0] != end || !strings.HasSuffix(end, ":3;e") {
				t.Errorf("trailer %q, end %q", got, end)
			}
			if ours != body || !slices.Equal(response.TransferEncoding, plain.TransferEncoding) || response.ContentLength != plain.ContentLength {
				t.Errorf("the body is %d bytes, %v", len(ours), response.TransferEncoding)
			}
			response, _ = do(t, http.DefaultClient, clocked(t, server.URL))
			if len(response.Trailer) > 0 || !answerSoFar.MatchString(response.Header.Get(keyClock)) {
				t.Errorf("without TE: %q, trailer %v", response.Header.Get(keyClock), response.Trailer)
			}
		})
	}
}

func TestStreamOverHTTP2HasTheEndInItsTrailer(t *testing.T) {
	tow, _ := newTowline()
	server := httptest.NewUnstartedServer(tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("protocol is %s", r.Proto)
		}
		size, err := strconv.Atoi(r.URL.Query().Get("size"))
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(make([]byte, size))
	})))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	response, _ := do(t, server.Client(), clocked(t, server.URL+"/?size=4096"))
	if !answerEnded.MatchString(response.Header.Get(keyClock)) || response.ContentLength != 4096 {
		t.Errorf("sized: %q, %d", response.Header.Get(keyClock), response.ContentLength)
	}
	response, _ = do(t, server.Client(), clocked(t, server.URL+"/?size=9000"))
	if !answerSoFar.MatchString(response.Header.Get(keyClock)) || len(response.Trailer[keyClock]) != 1 || !answerEnded.MatchString(response.Trailer.Get(keyClock)) {
		t.Errorf("streamed: %q, %q", response.Header.Get(keyClock), response.Trailer[keyClock])
	}
}

func TestAnswersThatAreNotDue(t *testing.T) {
	with := func(name, value string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(name, value)
			w.WriteHeader(status)
		}
	}
	own := func(header ...string) func(*testing.T, string) *http.Request {
		return func(t *testing.T, url string) *http.Request { return newRequest(t, http.MethodGet, url, header...) }
	}
	asked := func(t *testing.T, url string) *http.Request { return clocked(t, url) }
	for name, c := range map[string]struct {
		next    http.HandlerFunc
		request func(*testing.T, string) *http.Request
		options []Option
	}{
		"public":        {with("Cache-Control", "max-age=60, Public", 200), asked, nil},
		"s-maxage":      {with("Cache-Control", "s-maxage=60", 200), asked, nil},
		"not modified":  {with("Etag", `"x"`, 304), asked, nil},
		"nobody asked":  {with("Raceway-Clock", "v2;t=1c80319c, upstream#u/00000001:3;e", 200), own(keyTraceparent, testParent), nil},
		"refused":       {with("X", "y", 200), own(keyTraceparent, testParent, keyClock, "v2;nonsense"), nil},
		"v1":            {with("X", "y", 200), own(keyTraceparent, testParent, keyClock, NewClockV1().Write(idOf(t, testTrace), SpanID{1}, SpanID{2}, "s", "i")), nil},
		"clocks off":    {with("X", "y", 200), asked, []Option{WithClock(ClockOff)}},
		"does not fit":  {with("X", "y", 200), asked, []Option{WithHeaderBytesMax(len(testClock))}},
		"not traceable": {with("X", "y", 200), own(keyClock, testClock), nil},
	} {
		t.Run(name, func(t *testing.T) {
			tow, _ := newTowline(c.options...)
			response, _ := do(t, http.DefaultClient, c.request(t, serve(t, tow.Handler(c.next)).URL))
			if got := response.Header[keyClock]; len(got) > 0 {
				t.Errorf("answered %q", got)
			}
		})
	}
	tow, _ := newTowline()
	response, _ := do(t, http.DefaultClient, clocked(t, serve(t, tow.Handler(with("Cache-Control", "private, max-age=60", 200))).URL))
	if !answerEnded.MatchString(response.Header.Get(keyClock)) {
		t.Errorf("a private cache may keep %q", response.Header.Get(keyClock))
	}
}

func idOf(t *testing.T, text string) (id TraceID) {
	t.Helper()
	if !parseHex(id[:], text) {
		t.Fatalf("bad id %q", text)
	}
	return id
}

func TestWhatIsDroppedIsCountedOnce(t *testing.T) {
	v1 := func(trace string, components ...ComponentV1) string {
		return NewClockV1(components...).Write(idOf(t, trace), SpanID{1}, SpanID{2}, "s", "i")
	}
	other := strings.Repeat("1", 32)
	deep := strings.Repeat("1.1(", 70) + "1" + strings.Repeat(")", 70)
	var many []ComponentV1
	for i := range 257 {
		many = append(many, ComponentV1{strconv.Itoa(i) + "#i", 1})
	}
	trusting := func(trust Trust) []Option { return []Option{WithTrust(func(*http.Request) Trust { return trust })} }
	for name, c := range map[string]struct {
		header  []string
		options []Option
		want    []string
	}{
		"all well":               {[]string{keyTraceparent, testParent, keyTracestate, "a=1", keyClock, testClock}, nil, nil},
		"no traceparent":         {nil, nil, []string{"traceparent/absent"}},
		"two traceparents":       {[]string{keyTraceparent, testParent, keyTraceparent, testParent}, nil, []string{"traceparent/duplicate"}},
		"bad traceparent":        {[]string{keyTraceparent, "00-x"}, nil, []string{"traceparent/malformed"}},
		"zero ids":               {[]string{keyTraceparent, "00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01"}, nil, []string{"traceparent/zero_id"}},
		"clock alone":            {[]string{keyClock, testClock}, nil, []string{"traceparent/absent", "clock/no_traceparent"}},
		"bad tracestate":         {[]string{keyTraceparent, testParent, keyTracestate, "a"}, nil, []string{"tracestate/malformed"}},
		"long tracestate":        {[]string{keyTraceparent, testParent, keyTracestate, strings.Repeat("a=1,", 33)}, nil, []string{"tracestate/too_many_members"}},
		"two clocks":             {[]string{keyTraceparent, testParent, keyClock, testClock, keyClock, testClock}, nil, []string{"clock/duplicate"}},
		"long clock":             {[]string{keyTraceparent, testParent, keyClock, testClock + strings.Repeat(" ", 5000) + "x"}, nil, []string{"clock/too_long"}},
		"v3":                     {[]string{keyTraceparent, testParent, keyClock, "v3;" + testClock}, nil, []string{"clock/version"}},
		"another's clock":        {[]string{keyTraceparent, testParent, keyClock, strings.Replace(testClock, "1c80", "1c81", 1)}, nil, []string{"clock/other_trace"}},
		"bad clock and member":   {[]string{keyTraceparent, testParent, keyTracestate, "towline=69203331:2x2", keyClock, testClock + ";"}, nil, []string{"clock/malformed"}},
		"deep clock":             {[]string{keyTraceparent, testParent, keyClock, `v2;t=1c80319c, a#1/00000001:3;x="` + deep + `"`}, nil, []string{"clock/over_limits"}},
		"v1 of another trace":    {[]string{keyTraceparent, testParent, keyClock, v1(other)}, nil, []string{"clock/other_trace"}},
		"v1 with a high count":   {[]string{keyTraceparent, testParent, keyClock, v1(testTrace, ComponentV1{"a#1", tickMax + 1})}, nil, []string{"clock/over_limits"}},
		"v1 of 257":              {[]string{keyTraceparent, testParent, keyClock, v1(testTrace, many...)}, []Option{WithHeaderBytesMax(1 << 16)}, []string{"clock/over_limits"}},
		"bad v1":                 {[]string{keyTraceparent, testParent, keyClock, "v1;e30"}, nil, []string{"clock/malformed"}},
		"bad member":             {[]string{keyTraceparent, testParent, keyTracestate, "towline=no"}, nil, []string{"member/malformed"}},
		"deep member":            {[]string{keyTraceparent, testParent, keyTracestate, "towline=69203331:2/69203331:2"}, []Option{WithLevelsMax(1)}, []string{"member/over_limits"}},
		"tracestate not trusted": {[]string{keyTraceparent, testParent, keyTracestate, "a=1"}, trusting(Trust{DropTracestate: true}), []string{"tracestate/untrusted"}},
		"not trusted at all": {[]string{keyTraceparent, testParent, keyTracestate, "a=1", keyClock, testClock}, trusting(Trust{Traceparent: TrustIgnore}),
			[]string{"tracestate/untrusted", "traceparent/untrusted", "clock/untrusted"}},
	} {
		t.Run(name, func(t *testing.T) {
			tow, seen := newTowline(c.options...)
			handler := tow.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			r := newRequest(t, http.MethodGet, "http://localhost/", c.header...)
			handler.ServeHTTP(httptest.NewRecorder(), r)
			if !slices.Equal(seen.drops, c.want) {
				t.Errorf("dropped %q, not %q", seen.drops, c.want)
			}
			want := map[string]uint64{"strand_start": 1, "strand_end": 1}
			for _, key := range c.want {
				want[key] = 1
			}
			if got := tow.Counters().All(); !reflect.DeepEqual(got, want) {
				t.Errorf("counted %v, not %v", got, want)
			}
		})
	}
}

func TestRequestContinuesItsCallersTrace(t *testing.T) {
	tow, seen := newTowline()
	var place *Place
	handler := tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { place = FromContext(r.Context()) }))
	handler.ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/", keyTracestate, "b=2, towline=1:2,a=1"))
	if place.TraceID().String() != testTrace || place.ParentID().String() != "b7ad6b7169203331" || place.Flags() != Sampled || place.Tracestate() != "b=2,a=1" {
		t.Errorf("the place is %+v", place)
	}
	e := seen.endedStrand(t)
	hops := e.Clock.Hops()
	if hops[1].Nonce != place.spanID.nonce() || hops[1].Service != "go" || hops[1].Instance != "g-1" || hops[1].Fork != 2 || hops[1].Detached || hops[1].Gap {
		t.Errorf("the strand is %+v", hops[1])
	}
	start := seen.started[0]
	if start.Kind != KindServer || start.SpanID != place.SpanID() || start.Service != "go" || start.Clock.Compare(e.Clock) != Before || e.Outcome != OutcomeOK {
		t.Errorf("started %+v, ended %+v", start, e)
	}
}

func TestMemberAloneStartsAStrandBehindAGap(t *testing.T) {
	tow, seen := newTowline()
	handler := tow.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, newRequest(t, http.MethodGet, "http://localhost/", keyTraceparent, testParent, keyTracestate, "a=1,towline=69203331:2x2"))
	hops := seen.endedStrand(t).Clock.Hops()
	if len(hops) != 2 || !hops[1].Gap || hops[0].Service != "_" || len(w.Header()[keyClock]) > 0 {
		t.Errorf("the strand is %+v, the answer %q", hops, w.Header()[keyClock])
	}
}

func TestRestartedTraceKeepsALink(t *testing.T) {
	for trust, linked := range map[TraceparentTrust]bool{TrustRestart: true, TrustIgnore: false} {
		tow, _ := newTowline(WithTrust(func(r *http.Request) Trust {
			if r.RemoteAddr == "" {
				t.Error("no peer")
			}
			return Trust{Traceparent: trust}
		}), WithSampled(false))
		server := serve(t, tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			place := FromContext(r.Context())
			if place.TraceID().String() == testTrace || !place.ParentID().IsZero() || place.Flags() != Random || place.Tracestate() != "" {
				t.Errorf("the place is %s, parent %s, flags %s", place.TraceID(), place.ParentID(), place.Flags())
			}
			if link := place.Link(); (link != nil) != linked || linked && link.TraceID.String() != testTrace {
				t.Errorf("the link is %+v", link)
			}
		})))
		do(t, http.DefaultClient, clocked(t, server.URL, keyTracestate, "a=1"))
	}
}

func TestPanicEndsTheStrandAndGoesOn(t *testing.T) {
	for name, value := range map[string]any{"error": "boom", "abort": http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			tow, seen := newTowline()
			inner := tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusOK)
				_, _ = io.WriteString(w, "half")
				panic(value)
			}))
			server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() {
					if got := recover(); got != value {
						t.Errorf("recovered %v", got)
					}
					w.WriteHeader(http.StatusInternalServerError) // what was held back is not in its way
				}()
				inner.ServeHTTP(w, r)
			}))
			response, body := do(t, http.DefaultClient, clocked(t, server.URL))
			if response.StatusCode != http.StatusInternalServerError || body != "" || len(response.Header[keyClock]) > 0 {
				t.Errorf("answered %d %q %q", response.StatusCode, body, response.Header[keyClock])
			}
			if e := seen.endedStrand(t); e.Outcome != OutcomeError || !e.Clock.Known().Open[0].Known.Ended {
				t.Errorf("ended %+v", e)
			}
		})
	}
}

func TestWriterThatIsKeptTooLongHarmsNobody(t *testing.T) {
	for name, handle := range map[string]func(http.ResponseWriter){
		"nothing said": func(http.ResponseWriter) {},
		"answered":     func(w http.ResponseWriter) { _, _ = io.WriteString(w, "all") },
		"panic":        func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"panic later":  func(w http.ResponseWriter) { _, _ = io.WriteString(w, "half"); panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			tow, _ := newTowline()
			var kept http.ResponseWriter
			handler := tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				kept = w
				handle(w)
			}))
			func() {
				defer func() { _ = recover() }()
				handler.ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/"))
			}()
			for range 2 { // net/http refuses what comes now, or ignores it
				_, _ = io.WriteString(kept, "late")
				kept.WriteHeader(http.StatusTeapot)
				_ = http.NewResponseController(kept).Flush()
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	tow, seen := newTowline()
	handler := tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	handler.ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/"))
	if e := seen.endedStrand(t); e.Outcome != OutcomeError {
		t.Errorf("a status of 502 ended %s", e.Outcome)
	}

	tow, seen = newTowline()
	began, ctx := make(chan struct{}), context.Context(nil)
	server := serve(t, tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	if _, err := http.DefaultClient.Do(clocked(t, server.URL).WithContext(ctx)); !errors.Is(err, context.Canceled) {
		t.Fatalf("the call gave %v", err)
	}
	if e := seen.endedStrand(t); e.Outcome != OutcomeCancelled {
		t.Errorf("a caller that went ended it %s", e.Outcome)
	}
	if got := tow.Counters().Summary(); got.Cancelled != 1 || got.Received != 1 {
		t.Errorf("counted %+v", got)
	}
}

// writerOf has only what a http.ResponseWriter has to have.
type writerOf struct{ http.ResponseWriter }

func (writerOf) Flush()                                       {}
func (writerOf) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }
func (writerOf) Push(string, *http.PushOptions) error         { return nil }
func (w writerOf) ReadFrom(src io.Reader) (int64, error)      { return io.Copy(w.ResponseWriter, src) }
func offered(w http.ResponseWriter) (flush, hijack, push, readFrom bool) {
	_, flush = w.(http.Flusher)
	_, hijack = w.(http.Hijacker)
	_, push = w.(http.Pusher)
	_, readFrom = w.(io.ReaderFrom)
	return flush, hijack, push, readFrom
}

func TestWriterOffersExactlyWhatTheServersDoes(t *testing.T) {
	type bare struct{ http.ResponseWriter }
	all := writerOf{httptest.NewRecorder()}
	b := bare{all}
	for i, inner := range []http.ResponseWriter{
		b,
		struct {
			bare
			http.Flusher
		}{b, all},
		struct {
			bare
			http.Hijacker
		}{b, all},
		struct {
			bare
			http.Flusher
			http.Hijacker
		}{b, all, all},
		struct {
			bare
			http.Pusher
		}{b, all},
		struct {
			bare
			http.Flusher
			http.Pusher
		}{b, all, all},
		struct {
			bare
			http.Hijacker
			http.Pusher
		}{b, all, all},
		struct {
			bare
			http.Flusher
			http.Hijacker
			http.Pusher
		}{b, all, all, all},
		struct {
			bare
			io.ReaderFrom
		}{b, all},
		struct {
			bare
			http.Flusher
			io.ReaderFrom
		}{b, all, all},
		struct {
			bare
			http.Hijacker
			io.ReaderFrom
		}{b, all, all},
		struct {
			bare
			http.Flusher
			http.Hijacker
			io.ReaderFrom
		}{b, all, all, all},
		struct {
			bare
			http.Pusher
			io.ReaderFrom
		}{b, all, all},
		struct {
			bare
			http.Flusher
			http.Pusher
			io.ReaderFrom
		}{b, all, all, all},
		struct {
			bare
			http.Hijacker
			http.Pusher
			io.ReaderFrom
		}{b, all, all, all},
		all,
	} {
		tow, _ := newTowline()
		tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			f, h, p, r := offered(w)
			if f != (i&1 != 0) || h != (i&2 != 0) || p != (i&4 != 0) || r != (i&8 != 0) {
				t.Errorf("%04b is offered as %t %t %t %t", i, f, h, p, r)
			}
			if w.(interface{ Unwrap() http.ResponseWriter }).Unwrap() != inner {
				t.Errorf("%04b does not unwrap", i)
			}
			if p {
				if err := w.(http.Pusher).Push("/x", nil); err != nil {
					t.Error(err)
				}
			}
		})).ServeHTTP(inner, clocked(t, "http://localhost/"))
	}
}

func TestHijackedConnectionIsLeftAlone(t *testing.T) {
	tow, seen := newTowline()
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/switch" {
			w.Header().Set("Upgrade", "test")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if r.URL.Path == "/switch" {
			_, _ = io.WriteString(conn, "switched")
		} else {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nraw")
		}
	})))
	if _, body := do(t, http.DefaultClient, clocked(t, server.URL+"/raw")); body != "raw" {
		t.Errorf("read %q", body)
	}
	seen.endedStrand(t)
	response, err := http.DefaultClient.Do(clocked(t, server.URL+"/switch"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusSwitchingProtocols || string(body) != "switched" || response.Header.Get(keyClock) == "" {
		t.Errorf("switched: %d %q %q", response.StatusCode, body, response.Header)
	}
}

func TestHeadIsAsItWasWhenTheHandlerMadeIt(t *testing.T) {
	tow, _ := newTowline()
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header.Set("X-Early", "1")
		header.Set("Trailer", "X-Sum")
		for i := range 9 {
			header.Set("X-Field-"+strconv.Itoa(i), "1")
		}
		w.WriteHeader(http.StatusCreated)
		header.Set("X-Late", "1")
		header.Set("X-Early", "2")
		header.Set("X-Sum", "3")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "body")
	})))
	response, _ := do(t, http.DefaultClient, clocked(t, server.URL))
	if response.StatusCode != http.StatusCreated || response.Header.Get("X-Early") != "1" || response.Header.Get("X-Late") != "" ||
		response.Header.Get("X-Field-8") != "1" || response.Trailer.Get("X-Sum") != "3" {
		t.Errorf("%d %+v, trailer %+v", response.StatusCode, response.Header, response.Trailer)
	}
	if !answerEnded.MatchString(response.Header.Get(keyClock)) {
		t.Errorf("answered %q", response.Header.Get(keyClock))
	}
}

func TestWritesThatNetHTTPRefusesAreRefused(t *testing.T) {
	tow, _ := newTowline()
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/none" {
			w.WriteHeader(http.StatusNoContent)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("a body without content: %v", err)
			}
			return
		}
		w.Header().Set("Content-Length", "3")
		_, _ = io.WriteString(w, "abc")
		if _, err := io.WriteString(w, "d"); !errors.Is(err, http.ErrContentLength) {
			t.Errorf("a body too long: %v", err)
		}
	})))
	if _, body := do(t, http.DefaultClient, clocked(t, server.URL+"/long")); body != "abc" {
		t.Errorf("read %q", body)
	}
	do(t, http.DefaultClient, clocked(t, server.URL+"/none"))
	defer func() {
		if recover() == nil {
			t.Error("a status of 42 did not panic")
		}
	}()
	tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(42) })).
		ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/"))
}

func TestInformationalResponsesPass(t *testing.T) {
	tow, _ := newTowline()
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</x>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "body")
	})))
	if response, body := do(t, http.DefaultClient, clocked(t, server.URL)); body != "body" || !answerEnded.MatchString(response.Header.Get(keyClock)) {
		t.Errorf("%q %+v", body, response.Header)
	}
}

func TestSeveralHandlersMakeOneSpan(t *testing.T) {
	outer, seen := newTowline()
	inner, seenInside := newTowline()
	handler := outer.Handler(outer.Handler(inner.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { Event(r.Context()) }))))
	response, _ := do(t, http.DefaultClient, clocked(t, serve(t, handler).URL))
	if e := seen.endedStrand(t); e.Clock.Tick() != 3 || e.Clock.Format() != response.Header.Get(keyClock) || len(seenInside.started) > 0 {
		t.Errorf("ended %+v, inside %+v", e, seenInside.started)
	}
}

func TestContextThatReachesAnotherServerServesNothingThere(t *testing.T) {
	tow, seen := newTowline()
	inner := httptest.NewUnstartedServer(tow.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	t.Cleanup(inner.Close)
	outer := serve(t, tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		base := context.WithoutCancel(r.Context())
		inner.Config.BaseContext = func(net.Listener) context.Context { return base }
		inner.Start()
		do(t, http.DefaultClient, clocked(t, inner.URL))
	})))
	do(t, http.DefaultClient, clocked(t, outer.URL))
	seen.wait(t, func() bool { return len(seen.ended) == 2 })
}

func TestFilteredAndDisabledRequestsPassUntouched(t *testing.T) {
	for name, option := range map[string]Option{
		"filtered": WithFilter(func(method, path string) bool { return method != http.MethodGet || path != "/health" }),
		"disabled": WithDisabled(true),
	} {
		t.Run(name, func(t *testing.T) {
			tow, _ := newTowline(option)
			var got http.ResponseWriter
			w := httptest.NewRecorder()
			tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = w
				if FromContext(r.Context()) != nil || Event(r.Context()) != (Clock{}) {
					t.Error("there is a place")
				}
			})).ServeHTTP(w, clocked(t, "http://localhost/health"))
			if got != w || len(w.Header()) > 0 || len(tow.Counters().All()) > 0 {
				t.Errorf("touched: %v %v", w.Header(), tow.Counters().All())
			}
		})
	}
}

func TestTraceResponseIsAddedToWhatTheHandlerSets(t *testing.T) {
	tow, seen := newTowline(WithTraceResponse(true))
	for _, path := range []string{"/empty", "/body"} {
		seen.ended = nil
		server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server-Timing", "db;dur=5")
			if r.URL.Path == "/body" {
				_, _ = io.WriteString(w, "x")
			}
		})))
		response, _ := do(t, http.DefaultClient, newRequest(t, http.MethodGet, server.URL+path, keyTraceparent, testParent))
		want := "00-" + testTrace + "-" + seen.endedStrand(t).SpanID.String() + "-01"
		if !slices.Equal(response.Header["Server-Timing"], []string{"db;dur=5", "trace;desc=" + want}) || response.Header.Get("Traceresponse") != want {
			t.Errorf("%s: %v", path, response.Header)
		}
	}
	shared := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "public") })))
	if response, _ := do(t, http.DefaultClient, newRequest(t, http.MethodGet, shared.URL, keyTraceparent, testParent)); response.Header.Get("Traceresponse") != "" || response.Header.Get("Server-Timing") != "" {
		t.Errorf("a shared cache may keep %v", response.Header)
	}
}

func TestProxyDoesNotPassOnTheClockOfItsOwnCall(t *testing.T) {
	tow, _ := newTowline()
	upstream := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "a")
		if r.URL.Path == "/stream" {
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "b")
		}
	})))
	to, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = tow.Transport(&http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}})
	front := serve(t, tow.Handler(proxy))
	for _, path := range []string{"/sized", "/stream"} {
		response, _ := do(t, http.DefaultClient, clocked(t, front.URL+path, "TE", "trailers"))
		ours := response.Header[keyClock]
		if path == "/stream" {
			ours = response.Trailer[keyClock]
		}
		if len(ours) != 1 || !regexp.MustCompile(`^v2;t=1c80319c, probe#p/69203331:2, go#g-1/[0-9a-f]{8}:[45];e$`).MatchString(ours[0]) {
			t.Errorf("%s: answered %q, trailer %q", path, response.Header[keyClock], response.Trailer[keyClock])
		}
	}
}

func TestContextsAreNotLeftBehindOnAConnection(t *testing.T) {
	tow, _ := newTowline()
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, FromContext(r.Context()).TraceID().String())
	})))
	_, first := do(t, http.DefaultClient, newRequest(t, http.MethodGet, server.URL, keyTraceparent, testParent))
	_, second := do(t, http.DefaultClient, newRequest(t, http.MethodGet, server.URL))
	if first != testTrace || second == testTrace || len(second) != 32 {
		t.Errorf("on one connection: %s, %s", first, second)
	}
}

func TestObserverThatPanicsBreaksNothing(t *testing.T) {
	tow := New(WithLogger(discard), WithObserver(panicking{}), WithObserver(panicking{}))
	client := &http.Client{Transport: tow.Transport(nil)}
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = bytes.NewBufferString("ok").WriteTo(w) })))
	if response, body := do(t, client, newRequest(t, http.MethodGet, server.URL)); response.StatusCode != 200 || body != "ok" {
		t.Errorf("%d %q", response.StatusCode, body)
	}
	if got := tow.Counters().Get("call_answered"); got != 1 {
		t.Errorf("%d calls counted", got)
	}
}

type panicking struct{}

func (panicking) OnStrandStart(StrandEvent) { panic("start") }
func (panicking) OnStrandEnd(StrandEvent)   { panic("end") }
func (panicking) OnCallSent(CallEvent)      { panic("sent") }
func (panicking) OnCallAnswered(CallEvent)  { panic("answered") }
func (panicking) OnDropped(What, Reason)    { panic("dropped") }
