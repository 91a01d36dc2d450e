package towline

import (
	"context"
	"net/http"
)

// Spans lets the spans of another tracing system of this process stand in for those of Towline, so that
// nobody gets two of anything. The module towline.invalid/go/otel has one for OpenTelemetry.
//
// Source: spec/edge.md, "OpenTelemetry in the same process".
type Spans interface {
	// Serving returns the place of the span that the other system made for this very request; nil where
	// it made none, and then Towline makes its own.
	Serving(r *http.Request) *Place
	// Calling returns what the other system has or makes for this call; nil where that is nothing.
	Calling(r *http.Request) *SpanCall
}

// SpanCall is a call whose client span is that of another tracing system.
type SpanCall struct {
	Call    *Call           // the call, where it has begun already
	Place   *Place          // else, whose strand it ticks
	SpanID  SpanID          // and its client span
	Context context.Context // of the attempt
	// Sent is told that the call left, with what it carries; nil: nobody needs to know.
	Sent func(*Call)
	// Ended is told how it ended, with the status of the answer, 0 where none came; nil: nobody needs to.
	Ended func(status int, outcome Outcome)
}

// WithSpans makes the spans of another tracing system stand in for Towline's.
func WithSpans(spans Spans) Option {
	return func(d *decision) { d.spans = spans }
}

// Origin is where a span of another tracing system stands in its trace.
type Origin struct {
	TraceID    TraceID
	SpanID     SpanID // the span itself
	ParentID   SpanID // zero where it begins the trace
	Flags      Flags
	Tracestate string // the list members of others
	Kind       Kind
	Clocks     []string // the fields raceway-clock that came with the request
	Member     string   // the value of our tracestate member that came with it
}

// Adopt makes a place of a span that another tracing system made, and starts its strand. End it with
// [Place.End].
func (t *Towline) Adopt(o Origin) *Place {
	p := &Place{towline: t, traceID: o.TraceID, spanID: o.SpanID, parentID: o.ParentID, flags: o.Flags & (Sampled | Random),
		kind: o.Kind, tracestate: o.Tracestate}
	if o.ParentID.IsZero() && (o.Kind == KindServer || o.Kind == KindConsumer) {
		t.dropped(WhatTraceparent, ReasonAbsent)
	}
	if o.ParentID.IsZero() && len(o.Clocks) > 0 {
		t.dropped(WhatClock, ReasonNoTraceparent)
		o.Clocks, o.Member = nil, ""
	}
	p.waits = t.startStrand(p, o.Clocks, o.Member)
	t.strandStarted(p)
	return p
}

// CallAs begins a call of which another tracing system made the client span. Where no host is known,
// the call may carry everything; detached is a message, to which no answer comes.
func (p *Place) CallAs(span SpanID, host string, detached bool) *Call {
	c := &Call{towline: p.towline, host: host, spanID: span, detached: detached, anyHost: host == ""}
	c.begin(p)
	return c
}

// Clock returns the header that the call carries; empty where it carries none.
func (c *Call) Clock() string { return c.clock }

// InjectClock puts the call's clock into a carrier whose traceparent is somebody else's: the header, and
// our member into the tracestate that is there. Of others nothing is changed.
func (c *Call) InjectClock(carrier Carrier) {
	header := headerOf(carrier)
	others, _, dropped := parseTracestate(header[keyTracestate])
	if dropped != "" {
		others = "" // nobody takes a list that breaks the grammar
	}
	list := others
	if c.sent.text != "" && c.towline.config.Tracestate {
		var fits bool
		if list, fits = writeTracestate(others, c.sent.text); !fits {
			c.towline.dropped(WhatTracestate, ReasonTooLong)
		}
	}
	// The traceparent goes back as it came: put takes out what is in another case.
	var traceparent string
	if fields := header[keyTraceparent]; len(fields) > 0 {
		traceparent = fields[0]
	}
	put(carrier, traceFields(traceparent, list, c.clock))
}

// beginBeside is begin where another tracing system may have the client span. It returns the call to
// make, and the context of the attempt.
func (c *Call) beginBeside(request *http.Request) (*Call, context.Context) {
	ctx := request.Context()
	theirs := c.towline.spans.Calling(request)
	if theirs == nil {
		c.begin(FromContext(ctx))
		return c, ctx
	}
	if theirs.Call != nil {
		begun := theirs.Call
		begun.rehost(c.host)
		begun.authority, begun.redirected, begun.deadline, begun.resend = c.authority, c.redirected, c.deadline, c.resend
		begun.ended = theirs.Ended
		c = begun
	} else {
		c.spanID, c.ended = theirs.SpanID, theirs.Ended
		c.begin(theirs.Place)
	}
	if theirs.Sent != nil {
		theirs.Sent(c)
	}
	return c, theirs.Context
}

// rehost judges a call anew, whose host was not known when it began.
func (c *Call) rehost(host string) {
	t := c.towline
	c.host, c.anyHost = host, false
	known := t.traceparentTo.holds(host)
	if c.far = !known || !t.clockHosts.holds(host); !c.far {
		if c.hashes() && c.clock != "" {
			c.hideNames()
		}
		return
	}
	if c.clock != "" {
		t.withhold(host)
	}
	c.clock, c.tracestate = "", c.place.tracestate
	if !known {
		c.traceparent, c.tracestate = "", ""
	}
}

// hideNames hashes the labels of a clock that was made before its host was known. One of v1 is not sent
// then.
func (c *Call) hideNames() {
	if c.sent.text == "" {
		c.clock = ""
		c.towline.withhold(c.host)
		return
	}
	text, wasCut, err := withoutNames(c.sent.text, c.towline.config.Limits)
	if err != nil {
		c.towline.dropped(WhatSend, reasonOf(err))
		c.clock = ""
		return
	}
	c.sent.text, c.sent.cut, c.sent.answer = text, c.sent.cut || wasCut, 0
	c.clock = text
}

// serving makes an exchange stand at the place of somebody else's span.
func (x *exchange) serving(place *Place) {
	x.place, x.answers = place, place.waits
	probe := x.own.carried.probing()
	if probe != nil {
		place.carry().probe = probe
		probe.parent, probe.clock = place.parentID, place.strand.origin()
		if place.parentID.IsZero() {
			probe.restarted = ReasonAbsent
		}
	}
	if fields := x.request.Header[keyBaggage]; len(fields) > 0 && x.towline.beside.baggage && !place.parentID.IsZero() {
		x.towline.takeBaggage(place, fields)
	}
}

// origin is the word of a probe's record for where a strand started from.
func (s *Strand) origin() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.levels == 1:
		return clockFirst
	case s.hop.gap:
		return clockMember
	default:
		return clockContinued
	}
}

// Sent ends a call that is a message: it was handed over, and nothing else will be heard of it.
func (c *Call) Sent() { c.end(OutcomeOK) }
