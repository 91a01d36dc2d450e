package towline

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// leftOf is what a call told its callee.
func leftOf(t *testing.T, header http.Header) (left time.Duration, told bool) {
	t.Helper()
	fields := header[keyTimeout]
	if len(fields) == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil || len(fields) > 1 {
		t.Fatalf("sent %q", fields)
	}
	return time.Duration(n) * time.Millisecond, true
}

func TestDeadlineIsHandedOnLowered(t *testing.T) {
	tow, _ := newTowline(WithDeadlines(true))
	below := new(wire)
	call := func(ctx context.Context, url string) {
		if _, err := tow.Transport(below).RoundTrip(newRequest(t, http.MethodGet, url, "towline-timeout", "7").WithContext(ctx)); err != nil {
			t.Error(err)
		}
	}
	began := time.Now()
	tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		left, has := Remaining(ctx)
		deadline, set := ctx.Deadline()
		if !has || !set || left > time.Minute || time.Until(deadline) > time.Minute || deadline.Before(began.Add(time.Minute)) {
			t.Errorf("%s left, until %s", left, deadline)
		}
		call(ctx, nearAndFar[0])
		call(ctx, nearAndFar[1])
		child, join := Fork(ctx)
		defer join()
		call(child, nearAndFar[0])
		call(Detach(ctx), nearAndFar[0])
		lower, cancel := WithTimeout(ctx, 10*time.Second)
		defer cancel()
		call(lower, nearAndFar[0])
		higher, cancelHigher := WithTimeout(lower, time.Hour)
		defer cancelHigher()
		call(higher, nearAndFar[0])
		// What was cut loose by the standard library's means is without it too, whatever it gets instead.
		loose, cancelLoose := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
		defer cancelLoose()
		call(loose, nearAndFar[0])
		inFork, joinFork := Fork(lower)
		defer joinFork()
		call(inFork, nearAndFar[0])
		header := http.Header{}
		FromContext(ctx).Call("localhost").Inject(header)
		if left, told := leftOf(t, header); !told || left > time.Minute {
			t.Errorf("by hand: %v", header)
		}
		detached := http.Header{}
		FromContext(Detach(ctx)).Call("localhost").Inject(detached)
		if _, told := leftOf(t, detached); told {
			t.Errorf("detached, by hand: %v", detached)
		}
	})).ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/", "towline-timeout", "60000"))
	for i, c := range []struct {
		what     string
		told     bool
		min, max time.Duration
	}{
		{"near", true, 30 * time.Second, time.Minute},
		{"far", false, 0, 0},
		{"fork", true, 30 * time.Second, time.Minute},
		{"detached", true, 7 * time.Millisecond, 7 * time.Millisecond}, // set by hand, and there is none to replace it
		{"lowered", true, 5 * time.Second, 10 * time.Second},
		{"not raised", true, 5 * time.Second, 10 * time.Second},
		{"cut loose", true, 7 * time.Millisecond, 7 * time.Millisecond},
		{"fork of what is lowered", true, 5 * time.Second, 10 * time.Second},
	} {
		if left, told := leftOf(t, below.requests[i].Header); told != c.told || left < c.min || left > c.max {
			t.Errorf("%s: %s, told %t", c.what, left, told)
		}
	}
}

func TestDeadlineCutsTheCall(t *testing.T) {
	tow, seen := newTowline(WithDeadlines(true))
	came := make(chan struct{})
	slow := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(came)
		<-r.Context().Done()
	}))
	client := &http.Client{Transport: tow.Transport(nil)}
	server := serve(t, tow.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := client.Do(newRequest(t, http.MethodGet, slow.URL).WithContext(r.Context()))
		var timeout interface{ Timeout() bool }
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("the call gave %v", err)
		}
		// Now nothing is left for another one.
		if _, err := client.Do(newRequest(t, http.MethodPost, slow.URL).WithContext(r.Context())); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second call gave %v", err)
		}
		w.WriteHeader(http.StatusNoContent)
	})))
	response, _ := do(t, &http.Client{Timeout: 20 * time.Second}, clocked(t, server.URL, "grpc-timeout", "500m"))
	select {
	case <-came:
	case <-time.After(20 * time.Second):
		t.Fatal("the call did not arrive")
	}
	if response.StatusCode != http.StatusNoContent {
		t.Errorf("answered %d", response.StatusCode)
	}
	if e := seen.endedStrand(t); e.Outcome != OutcomeOK {
		t.Errorf("its own deadline ended it %s", e.Outcome)
	}
	if len(seen.sent) != 1 || seen.done[0].Outcome != OutcomeError || !slices.Contains(seen.drops, "timeout/expired") || tow.Counters().Get("timeout/expired") != 1 {
		t.Errorf("%d calls, dropped %q", len(seen.sent), seen.drops)
	}
}

// closing tells that it was closed.
type closing struct {
	*strings.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestCallThatIsTooLateClosesItsBody(t *testing.T) {
	tow, _ := newTowline(WithDeadlines(true))
	below := new(wire)
	ctx, cancel := WithTimeout(t.Context(), 0)
	defer cancel()
	body := &closing{Reader: strings.NewReader("body")}
	r := newRequest(t, http.MethodPost, "http://localhost/").WithContext(ctx)
	r.Body = body
	if _, err := tow.Transport(below).RoundTrip(r); !errors.Is(err, context.DeadlineExceeded) || !body.closed || len(below.requests) > 0 {
		t.Errorf("%v, closed %t", err, body.closed)
	}
	place := tow.Begin()
	place.carry().deadline = time.Now()
	header := http.Header{}
	place.Call("localhost").Inject(header)
	if _, told := leftOf(t, header); told || tow.Counters().Get("timeout/expired") != 2 {
		t.Errorf("by hand: %v, counted %v", header, tow.Counters().All())
	}
}

func TestTimeoutsThatCannotBeReadAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		header []string
		on     bool
		drops  []string
	}{
		"zero":     {[]string{"towline-timeout", "0"}, true, []string{"timeout/malformed"}},
		"two":      {[]string{"towline-timeout", "5", "towline-timeout", "5"}, true, []string{"timeout/malformed"}},
		"none":     {nil, true, nil},
		"off":      {[]string{"towline-timeout", "0"}, false, nil},
		"off, too": {[]string{"towline-timeout", "1"}, false, nil},
	} {
		tow, seen := newTowline(WithDeadlines(c.on))
		calls := callsOf(t, tow, clocked(t, "http://localhost/", c.header...), nearAndFar[:1])
		if _, told := leftOf(t, calls[0]); told {
			t.Errorf("%s: told %q", name, calls[0][keyTimeout])
		}
		if drops := slices.DeleteFunc(seen.drops, func(d string) bool { return d == "answer/absent" }); !slices.Equal(drops, c.drops) {
			t.Errorf("%s: dropped %q", name, drops)
		}
	}
}

func TestTheLongestTimeoutIsNoOverflow(t *testing.T) {
	tow, _ := newTowline(WithDeadlines(true))
	tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		left, has := Remaining(r.Context())
		if !has || left < 200*365*24*time.Hour {
			t.Errorf("%s left", left)
		}
		header := http.Header{}
		FromContext(r.Context()).Call("localhost").Inject(header)
		if header.Get(keyTimeout) != "99999999" {
			t.Errorf("sent %v", header)
		}
	})).ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/", "grpc-timeout", "99999999H"))
	place := tow.Begin()
	place.carry().deadline = time.Now().Add(time.Minute)
	place.End(OutcomeOK)
	header := http.Header{}
	place.Call("localhost").Inject(header)
	if _, told := leftOf(t, header); told {
		t.Errorf("after the end: %v", header)
	}
	if _, has := Remaining(t.Context()); has {
		t.Error("there is a deadline without a request")
	}
}
