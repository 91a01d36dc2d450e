package towline

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// What real services do with requests: pools, streams, upgrades, uploads, connections that are kept.

func TestWorkerPoolWorksAtThePlaceOfEachJob(t *testing.T) {
	tow, seen := newTowline()
	type job struct {
		ctx  context.Context
		done chan<- string
	}
	jobs := make(chan job)
	var workers sync.WaitGroup
	for range 3 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for j := range jobs {
				Event(j.ctx)
				j.done <- FromContext(j.ctx).TraceID().String()
			}
		}()
	}
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done := make(chan string, 4)
		for range cap(done) {
			ctx, join := Fork(r.Context())
			defer join()
			jobs <- job{ctx, done}
		}
		for range cap(done) {
			_, _ = fmt.Fprintln(w, <-done)
		}
	})))
	for n := 1; n <= 5; n++ {
		trace := fmt.Sprintf("%032x", n)
		_, body := do(t, http.DefaultClient, newRequest(t, http.MethodGet, server.URL, keyTraceparent, "00-"+trace+"-b7ad6b7169203331-01"))
		if body != strings.Repeat(trace+"\n", 4) {
			t.Errorf("request %d: %s", n, body)
		}
	}
	close(jobs)
	workers.Wait()
	seen.wait(t, func() bool { return len(seen.ended) == 25 })
	for _, e := range seen.ended {
		if e.Outcome != OutcomeOK {
			t.Errorf("ended %+v", e)
		}
	}
}

func TestLargeUploadIsReadWithinTheStrand(t *testing.T) {
	const size = 32 << 20
	tow, seen := newTowline()
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != size {
			t.Errorf("read %d: %v", n, err)
		}
		Event(r.Context())
		w.WriteHeader(http.StatusNoContent)
	})))
	client, seenThere := newTowline()
	ctx, _ := inPlace(t, client)
	r := newRequest(t, http.MethodPut, server.URL).WithContext(ctx)
	r.Body = io.NopCloser(io.LimitReader(zeros{}, size))
	r.ContentLength = size
	response, _ := do(t, &http.Client{Transport: client.Transport(nil)}, r)
	if e := seen.endedStrand(t); e.Clock.Tick() != 3 || e.Clock.Format() != response.Header.Get(keyClock) {
		t.Errorf("ended %+v, answered %q", e, response.Header.Get(keyClock))
	}
	if e := seenThere.endedCall(t); e.Outcome != OutcomeOK {
		t.Errorf("the call ended %+v", e)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// events answers with server-sent events until told to stop, or until its reader leaves.
func events(t *testing.T, stop <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := 0; ; n++ {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", n)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			Event(r.Context())
			if n == 2 {
				select {
				case <-stop:
				case <-r.Context().Done():
				}
				return
			}
		}
	}
}

func TestServerSentEventsEndTheStrandWithTheStream(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		t.Run(fmt.Sprintf("leaves=%t", leaves), func(t *testing.T) {
			tow, seen := newTowline()
			stop := make(chan struct{})
			server := serve(t, tow.Handler(events(t, stop)))
			client, seenThere := newTowline()
			place, _ := inPlace(t, client)
			ctx, cancel := context.WithCancel(place)
			defer cancel()
			response, err := (&http.Client{Transport: client.Transport(nil)}).Do(newRequest(t, http.MethodGet, server.URL).WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			lines := bufio.NewScanner(response.Body)
			for lines.Scan() && lines.Text() != "data: 2" {
			}
			seen.mu.Lock()
			early := len(seen.ended) + len(seenThere.done)
			seen.mu.Unlock()
			if early > 0 {
				t.Error("something ended with the head")
			}
			want, call := OutcomeOK, OutcomeOK
			if leaves {
				want, call = OutcomeCancelled, OutcomeLost
				cancel()
			} else {
				close(stop)
			}
			for lines.Scan() {
			}
			if e := seen.endedStrand(t); e.Outcome != want || e.Clock.Tick() != 5 {
				t.Errorf("ended %+v", e)
			}
			if e := seenThere.endedCall(t); e.Outcome != call {
				t.Errorf("the call ended %s", e.Outcome)
			}
			if got := tow.Counters().Summary().Cancelled; got != map[bool]uint64{true: 1}[leaves] {
				t.Errorf("%d cancelled", got)
			}
		})
	}
}

func TestUpgradedConnectionIsOneStrandAndAMessageOneOfItsOwn(t *testing.T) {
	tow, seen := newTowline()
	failure := errors.New("failure")
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Upgrade", "lines")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		connection := FromContext(r.Context())
		for {
			line, err := buffer.ReadString('\n')
			if err != nil {
				return
			}
			err = Each(r.Context(), func(ctx context.Context) error {
				place := FromContext(ctx)
				if place.ParentID() != connection.SpanID() {
					t.Errorf("a message is of %s", place.ParentID())
				}
				_, err := fmt.Fprintf(conn, "%s %s", place.SpanID(), line)
				if line == "bad\n" {
					err = failure
				}
				return err
			})
			if (line == "bad\n") != errors.Is(err, failure) {
				t.Errorf("%q gave %v", line, err)
			}
		}
	})))
	r := clocked(t, server.URL, "Connection", "Upgrade", "Upgrade", "lines")
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusSwitchingProtocols || !answerSoFar.MatchString(response.Header.Get(keyClock)) {
		t.Fatalf("%d %v", response.StatusCode, response.Header)
	}
	conn := response.Body.(io.ReadWriteCloser)
	answers := bufio.NewReader(conn)
	spans := map[string]bool{}
	for _, line := range []string{"one\n", "bad\n"} {
		if _, err := io.WriteString(conn, line); err != nil {
			t.Fatal(err)
		}
		answer, err := answers.ReadString('\n')
		if span, rest, _ := strings.Cut(answer, " "); err != nil || rest != line || spans[span] {
			t.Errorf("answered %q, %v", answer, err)
		} else {
			spans[span] = true
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	seen.wait(t, func() bool { return len(seen.ended) == 3 })
	one, bad, whole := seen.ended[0], seen.ended[1], seen.ended[2]
	if one.Outcome != OutcomeOK || bad.Outcome != OutcomeError || whole.Kind != KindServer || whole.Outcome != OutcomeOK {
		t.Errorf("ended %+v", seen.ended)
	}
	// One after the other, and each known to the connection, which ends last.
	if one.Clock.Compare(bad.Clock) != Before || bad.Clock.Compare(whole.Clock) != Before || whole.Clock.Tick() != 6 {
		t.Errorf("messages %q, %q, connection %q", one.Clock, bad.Clock, whole.Clock)
	}
}

func TestMessageThatPanicsIsJoinedAllTheSame(t *testing.T) {
	tow, seen := newTowline()
	ctx := NewContext(t.Context(), tow.Begin())
	func() {
		defer func() { _ = recover() }()
		_ = Each(ctx, func(context.Context) error { panic("boom") })
	}()
	if e := seen.endedStrand(t); e.Outcome != OutcomeError || e.Clock.Compare(Event(ctx)) != Before {
		t.Errorf("ended %+v", e)
	}
	if err := Each(t.Context(), func(context.Context) error { return io.EOF }); err != io.EOF {
		t.Errorf("without a place: %v", err)
	}
}

// protocols serves and calls with the same protocol, without TLS.
func protocols(t *testing.T, handler http.Handler, http2 bool) (url string, base *http.Transport) {
	t.Helper()
	var p http.Protocols
	p.SetUnencryptedHTTP2(http2)
	p.SetHTTP1(!http2)
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = &p
	server.Start()
	t.Cleanup(server.Close)
	base = &http.Transport{Protocols: &p}
	t.Cleanup(base.CloseIdleConnections)
	return server.URL, base
}

func TestTrailersOfTheApplicationAndOfTheClockComeTogether(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) {
			tow, seen := newTowline()
			url, base := protocols(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if (r.ProtoMajor == 2) != http2 {
					t.Errorf("protocol %s", r.Proto)
				}
				// As gRPC has it: a declared trailer, and one that nobody knew of.
				w.Header().Set("Trailer", "Grpc-Status")
				if _, err := io.Copy(w, r.Body); err != nil {
					t.Error(err)
				}
				_ = http.NewResponseController(w).Flush()
				Event(r.Context())
				w.Header().Set("Grpc-Status", "0")
				w.Header().Set(http.TrailerPrefix+"Grpc-Message", "fine")
			})), http2)
			client, seenThere := newTowline()
			ctx, _ := inPlace(t, client)
			r := newRequest(t, http.MethodPost, url).WithContext(ctx)
			r.Body = io.NopCloser(strings.NewReader("message"))
			response, body := do(t, &http.Client{Transport: client.Transport(base)}, r)
			if body != "message" || response.Trailer.Get("Grpc-Status") != "0" || response.Trailer.Get("Grpc-Message") != "fine" {
				t.Errorf("%q, trailer %v", body, response.Trailer)
			}
			end := seen.endedStrand(t)
			if got := response.Trailer[keyClock]; len(got) != 1 || got[0] != end.Clock.Format() {
				t.Errorf("trailer %v, end %q", response.Trailer, end.Clock)
			}
			if e := seenThere.endedCall(t); e.Outcome != OutcomeOK || end.Clock.Compare(e.Clock) != Before {
				t.Errorf("the call ended %+v", e)
			}
		})
	}
}

func TestKeptConnectionsKeepNoPlace(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", http2), func(t *testing.T) {
			tow, _ := newTowline()
			url, base := protocols(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, FromContext(r.Context()).TraceID().String())
			})), http2)
			client := New(WithLogger(discard))
			collected := make(chan struct{})
			ask := func(first bool) (trace, asked string, reused bool) {
				place := client.Begin()
				if first {
					runtime.AddCleanup(place, func(c chan struct{}) { close(c) }, collected)
				}
				watch := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
				ctx := httptrace.WithClientTrace(NewContext(context.Background(), place), watch)
				_, asked = do(t, &http.Client{Transport: client.Transport(base)}, newRequest(t, http.MethodGet, url).WithContext(ctx))
				return place.TraceID().String(), asked, reused
			}
			trace, asked, _ := ask(true)
			again, askedAgain, reused := ask(false)
			if asked != trace || askedAgain != again || again == trace || !reused {
				t.Errorf("traces %s, %s; served as %s, %s; the connection is kept: %t", trace, again, asked, askedAgain, reused)
			}
			// The connection is still there; what the first request had is not.
			deadline := time.After(10 * time.Second)
			for {
				runtime.GC()
				select {
				case <-collected:
					return
				case <-deadline:
					t.Fatal("the first request's place is kept")
				default:
					runtime.Gosched()
				}
			}
		})
	}
}
