package towline

import (
	"context"
	"sync"
	"time"
)

// Place is the place of running code in its trace: what the specification calls a context. It is
// carried in a [context.Context], from which [FromContext] takes it.
//
// A Place whose strand has ended (the answer is out) may still be current in code that goes on. Its
// first event, call or fork then starts the work after the answer: one new strand, with a span of its
// own, to which everything that follows belongs. No method ever fails for it.
//
// Source: spec/api.md, "The parts" and "After the end".
type Place struct {
	towline    *Towline
	traceID    TraceID
	spanID     SpanID
	parentID   SpanID
	flags      Flags
	kind       Kind
	tracestate string
	link       *TraceContext
	carried    *carried  // nil: nothing
	waits      bool      // of a place that was adopted: its caller waits for a clock
	v1         *vectorV1 // nil unless the request came with v1, or v1 is asked for
	strand     Strand

	mu    sync.Mutex
	after *Place // the work after the answer, once there is some
}

// vectorV1 is the v1 clock of one request, shared by all strands that it forks.
type vectorV1 struct {
	mu    sync.Mutex
	clock ClockV1
	came  bool // with the request
}

type placeKey struct{}

// placeContext carries a Place; one allocation instead of the two of context.WithValue.
type placeContext struct {
	context.Context
	place *Place
}

func (c *placeContext) Value(key any) any {
	switch key.(type) {
	case placeKey:
		return c.place
	case deadlineKey:
		return c.place.deadline()
	default:
		return c.Context.Value(key)
	}
}

// FromContext returns the current place, or nil where there is none. The methods of a nil Place give
// zero values.
func FromContext(ctx context.Context) *Place {
	place, _ := ctx.Value(placeKey{}).(*Place)
	return place
}

// NewContext returns a context in which place is current.
func NewContext(ctx context.Context, place *Place) context.Context {
	return &placeContext{ctx, place}
}

// Begin starts a new trace, with a first strand of kind internal: for work that no request brought,
// such as a job at a fixed time. End it with [Place.End].
func (t *Towline) Begin() *Place {
	p := new(Place)
	p.begin(t, KindInternal, t.config.Sampled)
	t.strandStarted(p)
	return p
}

// begin makes p the first place of a new trace.
func (p *Place) begin(t *Towline, kind Kind, sampled bool) {
	p.towline, p.kind, p.spanID, p.traceID = t, kind, newSpanID(), newTraceID()
	p.flags = Random
	if sampled {
		p.flags |= Sampled
	}
	p.startFirst()
}

func (p *Place) startFirst() {
	if p.towline.config.Clock == ClockOnV1 && p.v1 == nil {
		p.v1 = new(vectorV1)
	}
	p.strand.startFirst(p.traceID.Tail(), p.towline.label, p.spanID.nonce())
}

// child makes a place for a strand of its own, started from a stamp of p. carried is what it has beside
// the trace.
func (p *Place) child(stamp Clock, carried *carried) *Place {
	t := p.towline
	c := &Place{towline: t, traceID: p.traceID, spanID: newSpanID(), parentID: p.spanID, flags: p.flags,
		kind: KindInternal, tracestate: p.tracestate, link: p.link, v1: p.v1, carried: carried}
	if p.strand.levels >= t.config.Limits.LevelsMax {
		// Deeper, no receiver would take its clock, and work that restarts itself for ever would grow
		// without end. Its orders with the rest are unknown from here.
		t.dropped(WhatSend, ReasonOverLimits)
		c.startFirst()
	} else {
		c.strand.startFrom(stamp.scan(nil), t.label, c.spanID.nonce(), false)
	}
	t.strandStarted(c)
	return c
}

// deadline is when the place's calls have to be over; zero where there is no such time.
func (p *Place) deadline() (at time.Time) {
	if p != nil && p.carried != nil {
		at = p.carried.deadline
	}
	return at
}

// now is the place that ids are taken from: the work after the answer, once there is some.
func (p *Place) now() *Place {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after != nil {
		return p.after
	}
	return p
}

// active is the place whose strand can tick. The strand of the work after the answer never ends.
func (p *Place) active() *Place {
	if !p.strand.ended() {
		return p
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after == nil {
		p.after = p.child(p.strand.Stamp(), p.carried.forked(time.Time{}))
	}
	return p.after
}

// act runs tick on a strand that has not ended, and returns its place.
func (p *Place) act(tick func(*Strand) error) (*Place, error) {
	for {
		a := p.active()
		if err := tick(&a.strand); err != ErrEnded {
			return a, err
		}
	}
}

// TraceID returns the id of the trace.
func (p *Place) TraceID() (id TraceID) {
	if p != nil {
		id = p.traceID
	}
	return id
}

// SpanID returns the place's own span, which its calls have as their parent.
func (p *Place) SpanID() (id SpanID) {
	if p != nil {
		id = p.now().spanID
	}
	return id
}

// ParentID returns the caller's span; zero where the trace began here.
func (p *Place) ParentID() (id SpanID) {
	if p != nil {
		id = p.now().parentID
	}
	return id
}

// Flags returns the trace flags, as received.
func (p *Place) Flags() (flags Flags) {
	if p != nil {
		flags = p.flags
	}
	return flags
}

// Tracestate returns the list members of others, joined by commas.
func (p *Place) Tracestate() string {
	if p == nil {
		return ""
	}
	return p.tracestate
}

// Link returns what the peer said of a trace that was restarted for lack of trust, else nil.
func (p *Place) Link() *TraceContext {
	if p == nil {
		return nil
	}
	return p.link
}

// ClockV1 returns the clock that the request brought in the form of v1, with the calls since then.
func (p *Place) ClockV1() (clock ClockV1, ok bool) {
	if p == nil || p.v1 == nil {
		return ClockV1{}, false
	}
	p.v1.mu.Lock()
	defer p.v1.mu.Unlock()
	return p.v1.clock, true
}

// Event is a local event: it ticks the strand and gives its stamp.
func (p *Place) Event() (stamp Clock) {
	if p == nil {
		return Clock{}
	}
	_, _ = p.act(func(s *Strand) error {
		var err error
		stamp, err = s.eventStamp()
		return err
	})
	return stamp
}

// Stamp returns the strand's clock now, without a tick.
func (p *Place) Stamp() Clock {
	if p == nil {
		return Clock{}
	}
	return p.now().strand.Stamp()
}

// Event is [Place.Event] of the current place; zero where there is none.
func Event(ctx context.Context) Clock { return FromContext(ctx).Event() }

// End ends the strand of a place that [Towline.Begin] made. A second End changes nothing.
func (p *Place) End(outcome Outcome) {
	if p != nil && p.strand.tryEnd() {
		p.towline.strandEnded(p, outcome)
	}
}

func (t *Towline) strandStarted(p *Place) {
	t.counters.strandStarted(p.kind)
	if t.observed() {
		e := t.strandEvent(p, "")
		t.tell(func(o Observer) { o.OnStrandStart(e) })
	}
}

func (t *Towline) strandEnded(p *Place, outcome Outcome) {
	t.counters.strandEnded(outcome)
	if t.observed() {
		e := t.strandEvent(p, outcome)
		t.tell(func(o Observer) { o.OnStrandEnd(e) })
	}
}

func (t *Towline) strandEvent(p *Place, outcome Outcome) StrandEvent {
	return StrandEvent{TraceID: p.traceID, SpanID: p.spanID, ParentID: p.parentID, Flags: p.flags, Kind: p.kind,
		Service: t.config.ServiceName, Instance: t.config.Instance, Clock: p.strand.Stamp(), Outcome: outcome}
}
