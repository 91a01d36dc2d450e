package towline

import (
	"errors"
	"sync"
)

// ErrEnded is returned where a strand that has ended should learn something.
var ErrEnded = errors.New("towline: the strand has ended")

// Strand is a running strand: one sequential piece of work, the handling of one request or one spawned
// task. Its events tick. All methods may be called from any goroutine; goroutines that work at once
// should fork strands of their own all the same, because one strand claims that its events follow
// each other.
//
// The middleware of this package runs strands by itself; this type is for those who carry clocks over
// something else. A message starts a detached strand at its receiver:
//
//	strand := towline.StartStrand(trace, "orders", "o-1", nonce)
//	stamp := strand.Send(true)
//	worker := towline.StartStrandFrom(stamp, "worker", "w-1", nonce2, false)
//
// Source: spec/strand-clocks.md; vectors/clock-scripts.json pins every rule.
type Strand struct {
	mu sync.Mutex

	trace      uint32
	first      uint32 // the nonce of the first strand
	prefix     string // canonical text of all that is known of the hops above, without the way's fork; empty where there are none
	levels     int    // hops with this one
	forksAbove int    // forks without known ticks that prefix names

	hop   hop
	own   Known
	above *lineage // prefix taken apart, its last hop included; nil until news of it came

	inline [2]Forks // where own.Open begins: most strands have few calls in flight
}

// StartStrand starts the first strand of a trace; trace is [TraceID.Tail], nonce the low 32 bits of the
// strand's own span id. The start is its tick 1.
func StartStrand(trace uint32, service, instance string, nonce uint32) *Strand {
	s := new(Strand)
	s.startFirst(trace, joinLabel(service, instance), nonce)
	return s
}

// StartStrandFrom starts the strand of whoever received sender, which came with a call or a message or
// is a stamp of this process. gap says that sender came through a service that carries no clocks.
// Where sender is no clock the strand is a first one, of trace 0.
func StartStrandFrom(sender Clock, service, instance string, nonce uint32, gap bool) *Strand {
	s := new(Strand)
	if sender.IsZero() {
		s.startFirst(0, joinLabel(service, instance), nonce)
	} else {
		s.startFrom(sender.scan(nil), joinLabel(service, instance), nonce, gap)
	}
	return s
}

func (s *Strand) startFirst(trace uint32, label string, nonce uint32) {
	s.trace, s.first, s.levels = trace, nonce, 1
	s.hop = hop{label: label, nonce: nonce}
	s.own = Known{Tick: 1, Open: s.inline[:0]}
}

// startFrom takes a canonical text apart no further than its last member.
func (s *Strand) startFrom(sender scanned, label string, nonce uint32, gap bool) {
	at := sender.last.own
	s.trace, s.first, s.levels = sender.trace, sender.first, sender.hops+1
	s.prefix = consumeFork(sender.text, at)
	s.forksAbove = sender.forks - at.forks
	s.hop = hop{label: label, nonce: nonce, fork: sender.last.known.Tick, detached: !sender.last.nextInOpen, gap: gap}
	s.own = Known{Tick: 1, Open: s.inline[:0]}
}

// Event ticks, and returns the event's stamp. After the end it is the end's.
func (s *Strand) Event() Clock {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tick()
	return s.stamp()
}

// Stamp returns the strand's clock now, without a tick.
func (s *Strand) Stamp() Clock {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stamp()
}

// Send ticks, forks, and returns the stamp to put on a call (attached: its answer or its join comes
// back), or on a message or a task that nobody waits for (detached). It is not bounded: see [Clock.Cut].
// After the end it is the end's stamp.
func (s *Strand) Send(detached bool) Clock {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fork(detached)
	return s.stamp()
}

// fork ticks and forks at that tick. It reports false, and does nothing, after the end.
func (s *Strand) fork(detached bool) bool {
	if !s.tick() {
		return false
	}
	if !detached {
		s.own.Open = pushFork(s.own.Open, Forks{First: s.own.Tick, Last: s.own.Tick})
	}
	return true
}

// Receive learns all that clock knows, and ticks once. clock is that of an answer, a join or a message.
// The error is a [*RefusedError]: other_trace; other_strand where it is of another first strand or
// claims events of this strand that have not happened. It is [ErrEnded] after the end.
func (s *Strand) Receive(clock Clock) error {
	other := clock.lineage()
	if other == nil {
		return &RefusedError{ReasonAbsent, "there is no clock"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.learn(other)
}

// Lost says that what the call sent at tick did cannot be told: it was answered without a clock, or
// with one that was refused. It does not tick, and does nothing for a call that is not in flight.
func (s *Strand) Lost(tick uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost(tick)
}

func (s *Strand) lost(tick uint32) {
	i, listed := findFork(s.own.Open, tick)
	if !listed || s.own.Ended {
		return
	}
	lost := Forks{First: tick, Last: tick, Lossy: true}
	if f := s.own.Open[i]; f.Known != nil {
		if f.Known.Ended {
			return
		}
		known := *f.Known
		known.Lossy = true
		lost.Known, lost.Lossy = &known, false
	}
	s.own.Open = replaceFork(s.own.Open, i, lost)
}

// End is the last event; its stamp goes back to whoever waits. Work that goes on is a strand of its
// own, started from that stamp. A second End changes nothing.
func (s *Strand) End() Clock {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	return s.stamp()
}

// end reports false, and does nothing, after the end.
func (s *Strand) end() bool {
	if !s.tick() {
		return false
	}
	s.own.Ended = true
	return true
}

// tick reports false, and does nothing, after the end.
func (s *Strand) tick() bool {
	if s.own.Ended {
		return false
	}
	s.own.Tick++
	return true
}

func (s *Strand) stamp() Clock {
	b := scratch.Get().(*[]byte)
	text := append((*b)[:0], s.prefix...)
	if s.prefix == "" {
		text = appendVersion(text, s.trace)
	}
	*b = appendMember(text, &s.hop, &s.own, 0)
	stamp := Clock{string(*b)}
	scratch.Put(b)
	return stamp
}

// scratch is where stamps are written before their length is known.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// learn merges a clock of this trace.
func (s *Strand) learn(other *lineage) error {
	if other.trace != s.trace {
		return &RefusedError{ReasonOtherTrace, "clock is of another trace"}
	}
	if other.hops[0].nonce != s.first {
		return &RefusedError{ReasonOtherStrand, "clock is of another first strand"}
	}
	if s.own.Ended {
		return ErrEnded
	}
	root := other.tree()[0]
	me := s.lineage()
	if claims(root, me.hops) > s.own.Tick {
		return &RefusedError{ReasonOtherStrand, "clock claims events of this strand that have not happened"}
	}
	was := me.tree()
	me.adopt(mergeKnown(was[0], root), was)
	s.take(me)
	s.tick()
	return nil
}

// lineage takes the whole strand apart. Its nodes are shared with the strand.
func (s *Strand) lineage() *lineage {
	if s.above == nil {
		s.above = &lineage{trace: s.trace}
		if s.levels > 1 {
			s.above = Clock{s.prefix}.lineage()
		}
	}
	above := s.above
	return &lineage{
		trace: s.trace,
		hops:  append(above.hops[:len(above.hops):len(above.hops)], s.hop),
		spine: append(above.spine[:len(above.spine):len(above.spine)], s.own),
	}
}

// take puts what was learned back. Nobody knows more of this strand than itself: its tick, end and cut
// stay as they were.
func (s *Strand) take(l *lineage) {
	s.own.Open, s.own.Seen = l.own().Open, l.own().Seen
	last := len(l.hops) - 1
	if last == 0 {
		return
	}
	s.above = &lineage{trace: s.trace, hops: l.hops[:last:last], spine: l.spine[:last:last]}
	text := appendVersion(nil, l.trace)
	s.forksAbove = 0
	for i := range l.hops[:last] {
		text = appendMember(text, &l.hops[i], &l.spine[i], l.next(i))
		forks, _ := l.spine[i].size()
		s.forksAbove += forks
	}
	s.prefix = string(text)
}
