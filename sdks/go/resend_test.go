package towline

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
)

func TestRedirectsAndRetriesAreCounted(t *testing.T) {
	tow, seen := newTowline()
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := len(r.URL.Path); n < 4 {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}
	}))
	ctx, _ := inPlace(t, tow)
	do(t, &http.Client{Transport: tow.Transport(nil)}, newRequest(t, http.MethodGet, server.URL+"/").WithContext(Resend(ctx, 2)))
	if len(seen.sent) != 4 {
		t.Fatalf("%d attempts", len(seen.sent))
	}
	for i := range seen.sent {
		if seen.sent[i].ResendCount != 2+i || seen.done[i].ResendCount != 2+i || i > 0 && seen.sent[i].SpanID == seen.sent[i-1].SpanID {
			t.Errorf("attempt %d: %+v", i, seen.sent[i])
		}
	}
}

func TestAnswerOfAnAttemptThatWasGivenUpIsNotJoined(t *testing.T) {
	tow, seen := newTowline()
	place := tow.Begin()
	late, retry := place.Call("localhost"), place.Call("localhost")
	late.Failed(errors.New("took too long"))
	answer := func(c *Call) http.Header {
		return http.Header{keyClock: {calleeStrand(t, c.sent.text).Stamp().Format()}}
	}
	retry.Answered(200, answer(retry))
	late.Answered(200, answer(late))
	late.BodyEnded(answer(late))
	if got := place.Stamp().Format(); len(seen.done) != 2 || seen.done[0].Outcome != OutcomeError || tow.Counters().Summary().Joined != 1 ||
		got != fmt.Sprintf(`v2;t=%08x, go#g-1/%08x:4;x="2"`, place.TraceID().Tail(), place.spanID.nonce()) {
		t.Errorf("knows %q, told %+v", got, seen.done)
	}
}
