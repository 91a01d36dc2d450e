package towline

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestLabelsAreCleanedAndComeBack(t *testing.T) {
	for _, c := range []struct{ service, instance, text, read string }{
		{"orders", "o-1", "orders#o-1", "orders"},
		{"", "", "_#", "_"},
		{"ünï ✓", "i#1/2", "%C3%BCn%C3%AF%20%E2%9C%93#i%231%2F2", "ünï ✓"},
		{"a\nb\u0085", "\x7f", "a_b_#_", "a_b_"},
		{"bad\xff", "1", "bad%EF%BF%BD#1", "bad\uFFFD"},
	} {
		stamp := StartStrand(1, c.service, c.instance, 2).Stamp()
		if want := "v2;t=00000001, " + c.text + "/00000002:1"; stamp.Format() != want {
			t.Errorf("%q is written %q, not %q", c.service, stamp, want)
		}
		if got := mustParse(t, stamp.Format()).Hops()[0].Service; got != c.read {
			t.Errorf("%q is read back as %q", c.service, got)
		}
	}
}

func TestLenientClockGoesOnInCanonicalForm(t *testing.T) {
	tow, _ := newTowline()
	w := httptest.NewRecorder()
	tow.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, newRequest(t, http.MethodGet, "http://localhost/",
		keyTraceparent, testParent, keyClock, `v2;t=1c80319c ,%70robe#p/69203331:5;x="2 3 5"`))
	if got := w.Header().Get(keyClock); !strings.HasPrefix(got, `v2;t=1c80319c, probe#p/69203331:5;x="2-3", go#g-1/`) {
		t.Errorf("answered %q", got)
	}
}

func TestForkSeenAtTheSendersOwnTickIsReplaced(t *testing.T) {
	for header, want := range map[string]string{
		`v2;t=00000001, a#1/00000001:3;x="+3.1"`:        `v2;t=00000001, a#1/00000001:3, b#1/00000002:1;d`,
		`v2;t=00000001, a#1/00000001:3;x="2 +1.4 +3.1"`: `v2;t=00000001, a#1/00000001:3;x="2 +1.4", b#1/00000002:1;d`,
		`v2;t=00000001, a#1/00000001:3;x="3 +3.1"`:      `v2;t=00000001, a#1/00000001:3;x="+3.1", b#1/00000002:1`,
		`v2;t=00000001, a#1/00000001:3;x="3.4(2)"`:      `v2;t=00000001, a#1/00000001:3, b#1/00000002:1`,
		`v2;t=00000001, a#1/00000001:3;x="1-3~ +2.1"`:   `v2;t=00000001, a#1/00000001:3;x="1-2~ +2.1", b#1/00000002:1`,
	} {
		s := StartStrandFrom(mustParse(t, header), "b", "1", 2, false)
		if got := s.Stamp(); got.Format() != want || mustParse(t, want) != got {
			t.Errorf("%q starts %q, not %q", header, got, want)
		}
	}
}

func TestRefusalsAreFoundByReason(t *testing.T) {
	_, err := ParseClock("v9;x")
	if !errors.Is(err, &RefusedError{Reason: ReasonVersion}) || errors.Is(err, &RefusedError{Reason: ReasonTooLong}) || errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
	if _, err := (Clock{}).Cut(DefaultLimits()); err == nil {
		t.Error("no clock is cut to something")
	}
	s := StartStrand(1, "a", "1", 2)
	if err := s.Receive(Clock{}); !errors.Is(err, &RefusedError{Reason: ReasonAbsent}) {
		t.Errorf("%v", err)
	}
	s.End()
	if end := s.Stamp(); s.Event() != end || s.Send(false) != end || s.End() != end || !errors.Is(s.Receive(end), ErrEnded) {
		t.Errorf("after its end: %q", s.Stamp())
	}
	var none Clock
	if none.Trace() != 0 || none.Tick() != 0 || none.Hops() != nil || none.Known().Tick != 0 || none.Compare(s.Stamp()) != Unknown || none.ToTracestate() != "" {
		t.Error("no clock says something")
	}
	if first := StartStrandFrom(none, "a", "1", 2, false).Stamp(); first.Format() != "v2;t=00000000, a#1/00000002:1" {
		t.Errorf("started %q of no clock", first)
	}
}
