// Package cases is what is measured of Towline, and the bare net/http below it.
package cases

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"towline.invalid/benches/go/measure"
	"towline.invalid/go"
)

// Set is the headers of one request.
type Set struct {
	TraceID     string
	ParentID    string
	Traceparent string
	Clock       string // empty where there are no hops
	Hops        int
}

// Sets makes different headers, the same ones in every process, with clocks of so many hops; 0: none.
func Sets(hops int) []Set {
	random := rand.New(rand.NewPCG(4, uint64(hops)))
	out := make([]Set, measure.Sets)
	for i := range out {
		s := Set{Hops: hops}
		s.TraceID = fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64()|1)
		s.ParentID = fmt.Sprintf("%016x", random.Uint64()|1)
		s.Traceparent = "00-" + s.TraceID + "-" + s.ParentID + "-03"
		var tail uint32
		if _, err := fmt.Sscanf(s.TraceID[24:], "%x", &tail); err != nil {
			panic(err)
		}
		if hops > 0 {
			s.Clock = clock(random, tail, hops)
		}
		out[i] = s
	}
	return out
}

var services = []string{"shop", "stock", "checkout", "payment", "mail", "search"}

// clock is what a service at the end of hops calls sends, each made after some others were answered.
func clock(random *rand.Rand, trace uint32, hops int) string {
	var stamp towline.Clock
	for hop := range hops {
		service := services[random.IntN(len(services))]
		instance := fmt.Sprintf("%s-%d", service, random.IntN(20))
		var strand *towline.Strand
		if hop == 0 {
			strand = towline.StartStrand(trace, service, instance, random.Uint32())
		} else {
			strand = towline.StartStrandFrom(stamp, service, instance, random.Uint32(), false)
		}
		for range random.IntN(30) {
			strand.Event()
		}
		stamp = strand.Send(false)
	}
	return stamp.Format()
}

// withoutLists is a clock of which the last call has been answered.
func withoutLists(clock string) string {
	if at := strings.LastIndexByte(clock, ';'); strings.HasSuffix(clock, `"`) {
		return clock[:at]
	}
	return clock
}

// Header is the set as a server has it, among what else requests bring.
func (s *Set) Header() http.Header {
	header := http.Header{
		"User-Agent":      {"bench/1"},
		"Accept":          {"application/json"},
		"Accept-Encoding": {"gzip"},
		"Traceparent":     {s.Traceparent},
	}
	if s.Clock != "" {
		header["Raceway-Clock"] = []string{s.Clock}
	}
	return header
}

// CheckOut looks at what would be sent on: a traceparent of this trace, of a span of its own.
func (s *Set) CheckOut(out http.Header, flags string) error {
	got := out.Get("Traceparent")
	if len(got) != len(s.Traceparent) || got[3:35] != s.TraceID || got[36:52] == s.ParentID ||
		got[36:52] == "0000000000000000" || got[53:] != flags {
		return fmt.Errorf("sends on traceparent %q for %q", got, s.Traceparent)
	}
	return nil
}

// CheckAnswer looks at the clock of an answer: it has what came, and the end of the callee's strand.
func (s *Set) CheckAnswer(header http.Header) error {
	got := header.Get("Raceway-Clock")
	if s.Clock == "" {
		if got != "" {
			return fmt.Errorf("answers %q to no clock", got)
		}
		return nil
	}
	if !strings.HasPrefix(got, withoutLists(s.Clock)+", go#go-1/") || !strings.HasSuffix(got, ":2;e") {
		return fmt.Errorf("answers %q to %q", got, s.Clock)
	}
	sent, err := towline.ParseClock(s.Clock)
	if err != nil {
		return err
	}
	answer, err := towline.ParseClock(got)
	if err != nil {
		return err
	}
	if order := sent.Compare(answer); order != towline.Before || len(answer.Hops()) != s.Hops+1 {
		return fmt.Errorf("answer %q is %v to %q", got, order, s.Clock)
	}
	return nil
}
