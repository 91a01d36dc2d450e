package towline

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// recorder remembers all that an observer is told.
type recorder struct {
	mu      sync.Mutex
	started []StrandEvent
	ended   []StrandEvent
	sent    []CallEvent
	done    []CallEvent
	drops   []string
}

func (r *recorder) OnStrandStart(e StrandEvent) { r.add(func() { r.started = append(r.started, e) }) }
func (r *recorder) OnStrandEnd(e StrandEvent)   { r.add(func() { r.ended = append(r.ended, e) }) }
func (r *recorder) OnCallSent(e CallEvent)      { r.add(func() { r.sent = append(r.sent, e) }) }
func (r *recorder) OnCallAnswered(e CallEvent)  { r.add(func() { r.done = append(r.done, e) }) }
func (r *recorder) OnDropped(what What, reason Reason) {
	r.add(func() { r.drops = append(r.drops, fmt.Sprintf("%s/%s", what, reason)) })
}

func (r *recorder) add(one func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one()
}

// wait waits until enough is true.
func (r *recorder) wait(t *testing.T, enough func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		r.mu.Lock()
		done := enough()
		r.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("waited for 10 seconds in vain")
		}
		time.Sleep(time.Millisecond)
	}
}

// endedStrand waits for the only strand that ends.
func (r *recorder) endedStrand(t *testing.T) StrandEvent {
	t.Helper()
	r.wait(t, func() bool { return len(r.ended) > 0 })
	if len(r.ended) != 1 {
		t.Fatalf("%d strands ended", len(r.ended))
	}
	return r.ended[0]
}

// endedCall waits for the only call that ends.
func (r *recorder) endedCall(t *testing.T) CallEvent {
	t.Helper()
	r.wait(t, func() bool { return len(r.done) > 0 })
	if len(r.done) != 1 {
		t.Fatalf("%d calls ended", len(r.done))
	}
	return r.done[0]
}

var discard = slog.New(slog.NewTextHandler(io.Discard, nil))

func newTowline(options ...Option) (*Towline, *recorder) {
	r := new(recorder)
	return New(append([]Option{WithServiceName("go"), WithInstance("g-1"), WithLogger(discard), WithObserver(r)}, options...)...), r
}

func serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

const (
	testTrace  = "0af7651916cd43dd8448eb211c80319c"
	testParent = "00-" + testTrace + "-b7ad6b7169203331-01"
	testClock  = `v2;t=1c80319c, probe#p/69203331:2;x="2"`
)

func newRequest(t *testing.T, method, url string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// clocked is a request of a caller that waits for a clock.
func clocked(t *testing.T, url string, header ...string) *http.Request {
	t.Helper()
	return newRequest(t, http.MethodGet, url, append([]string{keyTraceparent, testParent, keyClock, testClock}, header...)...)
}

func do(t *testing.T, client *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}
