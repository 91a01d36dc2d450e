package towline

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

type valueKey struct{}

func TestForksAreConcurrentUntilTheyAreJoined(t *testing.T) {
	tow, seen := newTowline()
	parent := tow.Begin()
	ctx := NewContext(context.WithValue(t.Context(), valueKey{}, "kept"), parent)
	one, joinOne := Fork(ctx)
	two, joinTwo := Fork(ctx)
	inOne, inTwo := Event(one), Event(two)
	if inOne.Compare(inTwo) != Concurrent || parent.Stamp().Compare(inOne) != Before && parent.Stamp().Compare(inOne) != Concurrent {
		t.Errorf("%q is %s to %q", inOne, inOne.Compare(inTwo), inTwo)
	}
	child := FromContext(one)
	if child.ParentID() != parent.SpanID() || child.SpanID() == parent.SpanID() || child.TraceID() != parent.TraceID() || child.spanID.nonce() != inOne.Hops()[1].Nonce {
		t.Errorf("the child is %+v", child)
	}
	if one.Value(valueKey{}) != "kept" {
		t.Error("a value is lost")
	}
	before := Event(ctx)
	joinOne()
	joinOne()
	after := Event(ctx)
	if before.Compare(inOne) != Concurrent || inOne.Compare(after) != Before || inTwo.Compare(after) != Concurrent {
		t.Errorf("before the join %s, after it %s", before.Compare(inOne), inOne.Compare(after))
	}
	joinTwo()
	if got := parent.Stamp().Format(); strings.Contains(got, "x=") || !strings.HasSuffix(got, ":7") {
		t.Errorf("knows %q", got)
	}
	if len(seen.ended) != 2 || seen.ended[0].Kind != KindInternal || seen.ended[0].Outcome != OutcomeOK {
		t.Errorf("ended %+v", seen.ended)
	}
}

func TestGoJoinsWhatItWaitsFor(t *testing.T) {
	tow, seen := newTowline()
	ctx := NewContext(t.Context(), tow.Begin())
	failure := errors.New("failure")
	var stamps [3]Clock
	var waits [3]func() error
	for i := range waits {
		waits[i] = Go(ctx, func(ctx context.Context) error {
			stamps[i] = Event(ctx)
			if i == 1 {
				return failure
			}
			return nil
		})
	}
	for i, wait := range waits {
		for range 2 {
			if err := wait(); (i == 1) != errors.Is(err, failure) {
				t.Errorf("wait %d gave %v", i, err)
			}
		}
	}
	after := Event(ctx)
	for i := range stamps {
		if stamps[i].Compare(after) != Before || stamps[i].Compare(stamps[(i+1)%3]) != Concurrent {
			t.Errorf("%q is %s to %q", stamps[i], stamps[i].Compare(after), after)
		}
	}
	outcomes := map[Outcome]int{}
	for _, e := range seen.ended {
		outcomes[e.Outcome]++
	}
	if outcomes[OutcomeOK] != 2 || outcomes[OutcomeError] != 1 {
		t.Errorf("ended %v", outcomes)
	}
}

func TestForkThatLearnedOfTheHopsAboveIsJoinedWhole(t *testing.T) {
	tow, _ := newTowline()
	ctx, parent := inPlace(t, tow)
	child, join := Fork(ctx)
	if err := FromContext(child).strand.Receive(mustParse(t, "v2;t=1c80319c, probe#p/69203331:6")); err != nil {
		t.Fatal(err)
	}
	join()
	if got := parent.Stamp().Format(); !strings.HasPrefix(got, "v2;t=1c80319c, probe#p/69203331:6;f=2, ") || !strings.HasSuffix(got, ":3;d") {
		t.Errorf("knows %q", got)
	}
}

func TestDetachedWorkOutlivesItsRequest(t *testing.T) {
	tow, seen := newTowline()
	done := make(chan Clock, 2)
	server := serve(t, tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), valueKey{}, "kept")
		GoDetached(ctx, func(detached context.Context) error {
			<-r.Context().Done() // the request is over
			if detached.Err() != nil || detached.Value(valueKey{}) != "kept" {
				t.Errorf("the detached context: %v, %v", detached.Err(), detached.Value(valueKey{}))
			}
			done <- Event(detached)
			return nil
		})
		loose := Detach(ctx)
		done <- Event(loose)
	})))
	response, _ := do(t, http.DefaultClient, clocked(t, server.URL))
	end := mustParse(t, response.Header.Get(keyClock))
	for range 2 {
		stamp := <-done
		if hop := stamp.Hops()[2]; !hop.Detached || end.Compare(stamp) != Concurrent {
			t.Errorf("%q is %s to %q", end, end.Compare(stamp), stamp)
		}
	}
	seen.wait(t, func() bool { return len(seen.ended) == 2 })
}

func TestWorkAfterTheAnswerIsAStrandOfItsOwn(t *testing.T) {
	tow, seen := newTowline()
	var ctx context.Context
	w := httptest.NewRecorder()
	tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() })).ServeHTTP(w, clocked(t, "http://localhost/"))
	place := FromContext(ctx)
	span := place.SpanID()
	end := mustParse(t, w.Header().Get(keyClock))
	if place.Stamp() != end || place.SpanID() != span {
		t.Errorf("before any work the place is at %q", place.Stamp())
	}
	first := Event(ctx)
	call := place.Call("localhost")
	_, join := Fork(ctx)
	join()
	last := Event(ctx)
	if end.Compare(first) != Before || first.Compare(last) != Before || len(first.Hops()) != 3 || !first.Hops()[2].Detached || last.Tick() != 6 {
		t.Errorf("%q is %s to %q; last %q", end, end.Compare(first), first, last)
	}
	if place.SpanID() == span || place.ParentID() != span || call.place.spanID != place.SpanID() {
		t.Errorf("span %s, parent %s, not of %s", place.SpanID(), place.ParentID(), span)
	}
	if len(seen.started) != 3 || seen.started[1].Kind != KindInternal || seen.started[1].ParentID != span {
		t.Errorf("started %+v", seen.started)
	}
}

func TestWorkAfterTheAnswerBeginsOnce(t *testing.T) {
	tow, seen := newTowline()
	var ctx context.Context
	tow.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() })).
		ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/"))
	var group sync.WaitGroup
	for range 20 {
		group.Add(1)
		go func() {
			defer group.Done()
			Event(ctx)
		}()
	}
	group.Wait()
	if len(seen.started) != 2 || FromContext(ctx).Stamp().Tick() != 21 {
		t.Errorf("%d strands, at %q", len(seen.started), FromContext(ctx).Stamp())
	}
}

func TestWorkThatRestartsItselfForEverStaysSmall(t *testing.T) {
	tow, _ := newTowline()
	ctx := NewContext(t.Context(), tow.Begin())
	for range 1000 {
		ctx = Detach(ctx)
		if n := len(Event(ctx).Format()); n > 4096 {
			t.Fatalf("a clock of %d bytes", n)
		}
	}
	call := FromContext(ctx).Call("localhost")
	if call.clock == "" {
		t.Error("no clock is sent any more")
	}
}

func TestForkAtTheLastLevelIsNotJoinedButLost(t *testing.T) {
	tow, _ := newTowline(WithLevelsMax(1))
	parent := tow.Begin()
	child, join := Fork(NewContext(t.Context(), parent))
	stamp := Event(child)
	join()
	if got := stamp.Compare(parent.Stamp()); got != Unknown || !strings.HasSuffix(parent.Stamp().Format(), `x="2~"`) {
		t.Errorf("%q is %s to %q", stamp, got, parent.Stamp())
	}
}

func TestNothingFailsWithoutAContext(t *testing.T) {
	ctx := t.Context()
	if FromContext(ctx) != nil || !Event(ctx).IsZero() {
		t.Error("there is a place")
	}
	child, join := Fork(ctx)
	join()
	if child != ctx || Go(ctx, func(context.Context) error { return nil })() != nil || FromContext(Detach(ctx)) != nil {
		t.Error("forking without a place does something")
	}
	done := make(chan struct{})
	GoDetached(ctx, func(context.Context) error { close(done); return nil })
	<-done
	var none *Place
	none.End(OutcomeOK)
	if !none.TraceID().IsZero() || !none.SpanID().IsZero() || !none.ParentID().IsZero() || none.Flags() != 0 || none.Tracestate() != "" ||
		none.Link() != nil || !none.Stamp().IsZero() || !none.Event().IsZero() {
		t.Error("a nil place has something")
	}
	if _, ok := none.ClockV1(); ok {
		t.Error("a nil place has a v1 clock")
	}
}
