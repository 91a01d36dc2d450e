package towline

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// bounded fails where work takes longer than any machine should need; a quadratic cost would.
func bounded(t *testing.T, limit time.Duration, work func()) {
	t.Helper()
	began := time.Now()
	work()
	took := time.Since(began)
	t.Logf("took %s", took)
	if took > limit {
		t.Errorf("took %s, more than %s", took, limit)
	}
}

func answerTo(t *testing.T, call *sent) string {
	t.Helper()
	clock, err := ParseClock(call.text)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := StartStrandFrom(clock, "callee", "1", 7, false).End().Cut(DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestCallsOneAfterTheOtherCostTheSame(t *testing.T) {
	s := StartStrand(1, "a", "1", 1)
	bounded(t, 5*time.Second, func() {
		for range 10_000 {
			call, err := s.send(DefaultLimits(), sending{})
			if err != nil {
				t.Fatal(err)
			}
			if len(call.text) > 60 {
				t.Fatalf("sent %q", call.text)
			}
			if _, err := s.receiveAnswer(&call, answerTo(t, &call), DefaultLimits()); err != nil {
				t.Fatal(err)
			}
		}
	})
	if s.own.Tick != 20_001 || len(s.own.Open) != 0 {
		t.Errorf("knows %q", s.Stamp())
	}
}

func TestCallsThatAreLostAreOneEntry(t *testing.T) {
	s := StartStrand(1, "a", "1", 1)
	for range 10_000 {
		call, err := s.send(DefaultLimits(), sending{})
		if err != nil {
			t.Fatal(err)
		}
		s.Lost(call.tick)
	}
	if got := s.Stamp().Format(); !strings.HasSuffix(got, `:10001;x="2-10001~"`) || len(s.own.Open) != 1 {
		t.Errorf("knows %q", got)
	}
}

func TestManyCallsInFlightAreJoinedInAnyOrder(t *testing.T) {
	const calls = 10_000
	random := rand.New(rand.NewPCG(1, 2))
	for name, order := range map[string]func([]int){
		"as sent": func([]int) {},
		"backwards": func(o []int) {
			for i := range o {
				o[i] = calls - 1 - i
			}
		},
		"shuffled": func(o []int) { random.Shuffle(calls, func(i, j int) { o[i], o[j] = o[j], o[i] }) },
		"every second first": func(o []int) {
			for i := range o {
				o[i] = (2*i)%calls + 2*i/calls
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := StartStrand(1, "a", "1", 1)
			sents := make([]sent, calls)
			answers := make([]string, calls)
			for i := range sents {
				var err error
				if sents[i], err = s.send(DefaultLimits(), sending{}); err != nil || sents[i].cut {
					t.Fatalf("sent %q, %v", sents[i].text, err)
				}
				answers[i] = answerTo(t, &sents[i])
			}
			if len(s.own.Open) != 1 {
				t.Fatalf("%d entries", len(s.own.Open))
			}
			at := make([]int, calls)
			for i := range at {
				at[i] = i
			}
			order(at)
			bounded(t, 5*time.Second, func() {
				for _, i := range at {
					if ended, err := s.receiveAnswer(&sents[i], answers[i], DefaultLimits()); err != nil || !ended {
						t.Fatal(err)
					}
				}
			})
			if len(s.own.Open) != 0 {
				t.Errorf("knows %q", s.Stamp())
			}
		})
	}
}

func TestCallsSentAndJoinedAtRandomStayWithinTheHeader(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	s := StartStrand(1, "a", "1", 1)
	var flying []sent
	cuts := 0
	bounded(t, 20*time.Second, func() {
		for len(flying) < 2000 {
			if len(flying) > 0 && random.IntN(3) == 0 {
				i := random.IntN(len(flying))
				call := flying[i]
				flying[i] = flying[len(flying)-1]
				flying = flying[:len(flying)-1]
				if _, err := s.receiveAnswer(&call, answerTo(t, &call), DefaultLimits()); err != nil {
					t.Fatal(err)
				}
				continue
			}
			call, err := s.send(DefaultLimits(), sending{})
			if err != nil || len(call.text) > headerDefault {
				t.Fatalf("sent %d bytes, %v", len(call.text), err)
			}
			if call.cut {
				cuts++
			}
			flying = append(flying, call)
		}
	})
	if cuts == 0 {
		t.Error("no clock had to be cut")
	}
}

func TestHeaderCannotMakeMoreMemoryThanItsLength(t *testing.T) {
	header := `v2;t=1c80319c, a#1/00000001:70000;x="1-65536"`
	allocated := testing.AllocsPerRun(10, func() {
		c, err := ParseClock(header)
		if err != nil {
			t.Fatal(err)
		}
		s := StartStrandFrom(c, "b", "1", 2, false)
		if err := s.Receive(c); err != nil {
			t.Fatal(err)
		}
	})
	if allocated > 60 {
		t.Errorf("%v allocations for 65,536 forks", allocated)
	}
}

func TestClockAsDeepAsItMayBe(t *testing.T) {
	clock := StartStrand(1, "s", "1", 1).Send(false)
	for n := 2; n <= levelsMax; n++ {
		s := StartStrandFrom(clock, "s", fmt.Sprint(n), uint32(n), false)
		clock = s.Send(n%2 == 0)
	}
	header, err := clock.Cut(DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	received, err := ParseClock(header)
	if err != nil {
		t.Fatal(err)
	}
	deeper := StartStrandFrom(received, "s", "65", 65, false)
	if _, err := deeper.send(DefaultLimits(), sending{}); reasonOf(err) != ReasonOverLimits {
		t.Errorf("65 levels are sent: %v", err)
	}
	if got := deeper.Stamp(); got.Tick() != 2 || strings.Contains(got.Format()[len(got.Format())-12:], "x=") {
		t.Errorf("what was not sent is in flight: %q", got)
	}
}
