package towline

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
)

// Random programs with a known happens-before, as in spec/simulate.py: calls that are joined at once,
// later or never, detached work, messages, callbacks, and work after the answer.

type simulated struct {
	causes []int
	clock  Clock
}

// twin runs every strand twice: by the rules alone, and by the short cuts that the middleware takes.
type twin struct {
	t     *testing.T
	rules *Strand
	wire  *Strand
}

func (s *twin) same() Clock {
	s.t.Helper()
	stamp := s.rules.Stamp()
	if got := s.wire.Stamp(); got != stamp {
		s.t.Fatalf("by the rules %q,\nby the short cuts %q", stamp, got)
	}
	return stamp
}

type simulation struct {
	t        *testing.T
	random   *rand.Rand
	detaches bool
	left     int
	events   []simulated
	messages []message
	running  []func() (struct{}, bool)
}

type message struct {
	clock Clock
	event int
}

// answer is what a caller waits for; done is false until it is there.
type answer struct {
	message
	callee *twin
	done   bool
}

type pendingCall struct {
	sent sent
	box  *answer
}

const noEvent = -1

func (s *simulation) record(clock Clock, causes ...int) int {
	var known []int
	for _, c := range causes {
		if c != noEvent {
			known = append(known, c)
		}
	}
	s.events = append(s.events, simulated{known, clock})
	return len(s.events) - 1
}

func (s *simulation) start(sender Clock) *twin {
	service, nonce := fmt.Sprintf("s%d", s.random.IntN(4)), s.random.Uint32()
	if sender.IsZero() {
		return &twin{s.t, StartStrand(0x1c80319c, service, "i", nonce), StartStrand(0x1c80319c, service, "i", nonce)}
	}
	return &twin{s.t, StartStrandFrom(sender, service, "i", nonce, false), StartStrandFrom(mustParse(s.t, sender.Format()), service, "i", nonce, false)}
}

func (s *simulation) handler(depth int, sender Clock, cause int, box *answer) iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		strand := s.start(sender)
		last := s.record(strand.same(), cause)
		var pending []pendingCall
		join := func(call pendingCall) bool {
			for !call.box.done {
				if !yield(struct{}{}) {
					return false
				}
			}
			if err := strand.rules.Receive(call.box.clock); err != nil {
				s.t.Fatal(err)
			}
			if s.random.IntN(3) == 0 { // a task of this process, as far as the caller knows
				strand.wire.joinStrand(call.sent.tick, call.box.callee.wire)
			} else if _, err := strand.wire.receiveAnswer(&call.sent, call.box.clock.Format(), unlimited); err != nil {
				s.t.Fatal(err)
			}
			last = s.record(strand.same(), last, call.box.event)
			return true
		}
		for range 1 + s.random.IntN(6) {
			if !yield(struct{}{}) || s.left <= 0 {
				break
			}
			act := s.random.Float64()
			switch {
			case act < 0.3:
				strand.rules.Event()
				strand.wire.Event()
				last = s.record(strand.same(), last)
			case act < 0.75 && depth < 5:
				s.left--
				wait := s.random.Float64()
				detached := s.detaches && wait >= 0.7 && s.random.Float64() < 0.6
				clock := strand.rules.Send(detached)
				var call pendingCall
				if detached {
					strand.wire.Send(true)
				} else {
					var err error
					if call.sent, err = strand.wire.send(unlimited, sending{}); err != nil || call.sent.text != clock.Format() {
						s.t.Fatalf("sent %q, %v; not %q", call.sent.text, err, clock)
					}
				}
				last = s.record(strand.same(), last)
				call.box = new(answer)
				s.run(s.handler(depth+1, clock, last, call.box))
				switch {
				case wait < 0.45:
					if !join(call) {
						return
					}
				case wait < 0.7 || !s.detaches:
					pending = append(pending, call)
				}
			case act < 0.85 && len(pending) > 0:
				i := s.random.IntN(len(pending))
				call := pending[i]
				pending = append(pending[:i], pending[i+1:]...)
				if !join(call) {
					return
				}
			case s.detaches && act < 0.93:
				strand.rules.Event()
				strand.wire.Event()
				last = s.record(strand.same(), last)
				s.messages = append(s.messages, message{strand.same(), last})
			case s.detaches && len(s.messages) > 0:
				m := s.messages[s.random.IntN(len(s.messages))]
				if err := strand.rules.Receive(m.clock); err != nil {
					s.t.Fatal(err)
				}
				if err := strand.wire.Receive(m.clock); err != nil {
					s.t.Fatal(err)
				}
				last = s.record(strand.same(), last, m.event)
			}
		}
		if !s.detaches || s.random.Float64() < 0.8 {
			for _, call := range pending {
				if !join(call) {
					return
				}
			}
		}
		strand.rules.End()
		strand.wire.End()
		*box = answer{message{strand.same(), s.record(strand.same(), last)}, strand, true}
		if s.detaches && s.random.Float64() < 0.2 {
			after := s.start(box.clock)
			last := s.record(after.same(), box.event)
			for range 1 + s.random.IntN(3) {
				if !yield(struct{}{}) {
					return
				}
				after.rules.Event()
				after.wire.Event()
				last = s.record(after.same(), last)
			}
		}
	}
}

func (s *simulation) run(body iter.Seq[struct{}]) {
	next, _ := iter.Pull(body)
	s.running = append(s.running, next)
}

func simulate(t *testing.T, seed uint64, detaches bool) []simulated {
	s := &simulation{t: t, random: rand.New(rand.NewPCG(seed, 0)), detaches: detaches, left: 60}
	s.run(s.handler(0, Clock{}, noEvent, new(answer)))
	for len(s.running) > 0 {
		i := s.random.IntN(len(s.running))
		if _, more := s.running[i](); !more {
			s.running = append(s.running[:i], s.running[i+1:]...)
		}
	}
	return s.events
}

// reached gives for each event which events happened before it or are it.
func reached(events []simulated) [][]bool {
	out := make([][]bool, len(events))
	for i, e := range events {
		out[i] = make([]bool, len(events))
		out[i][i] = true
		for _, c := range e.causes {
			for j, before := range out[c] {
				out[i][j] = out[i][j] || before
			}
		}
	}
	return out
}

func TestClocksOfRandomProgramsTellTheTrueOrder(t *testing.T) {
	programs := uint64(40)
	if testing.Short() {
		programs = 10
	}
	pairs, ordered, unknown := 0, 0, 0
	for seed := range programs {
		for _, detaches := range []bool{false, true} {
			events := simulate(t, seed, detaches)
			past := reached(events)
			clocks, cuts := make([]*lineage, len(events)), make([]*lineage, len(events))
			for i, e := range events {
				clocks[i] = e.clock.lineage()
				cuts[i] = clocks[i]
				limits := DefaultLimits()
				limits.HeaderBytesMax = max(60, len(e.clock.text)*7/10)
				if header, err := e.clock.Cut(limits); err == nil {
					cuts[i] = mustParse(t, header).lineage()
				}
				if member := e.clock.ToTracestate(); member != "" {
					if _, err := ClockFromTracestate(member, clocks[i].trace); err != nil {
						t.Fatalf("%q: %v", member, err)
					}
				}
			}
			for j := range events {
				for i := range j {
					want := Concurrent
					if past[j][i] {
						want = Before
						ordered++
					}
					pairs++
					if got := clocks[i].compare(clocks[j]); got != want {
						t.Fatalf("seed %d: %q\n%q\nare %s, not %s", seed, events[i].clock, events[j].clock, got, want)
					}
					mirrored := map[Order]Order{Before: After, Concurrent: Concurrent}[want]
					if got := clocks[j].compare(clocks[i]); got != mirrored {
						t.Fatalf("seed %d: %q\n%q\nare %s the other way", seed, events[i].clock, events[j].clock, got)
					}
					if got := cuts[i].compare(cuts[j]); got == Unknown {
						unknown++
					} else if got != want {
						t.Fatalf("seed %d: cut, %q\n%q\nare %s, not %s", seed, cuts[i].clock(), cuts[j].clock(), got, want)
					}
				}
			}
		}
	}
	t.Logf("%d pairs, %d ordered; of cut clocks %d unknown", pairs, ordered, unknown)
	if ordered == 0 || ordered == pairs || unknown == 0 {
		t.Error("the programs are too simple to show anything")
	}
}
