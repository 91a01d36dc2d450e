package towline

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Call is one attempt of one outgoing call: a client span, the headers to send, and how it ended. A
// retry is another attempt. [Transport] makes them by itself; this type is for clients that have no
// middleware:
//
//	call := towline.FromContext(ctx).Call("orders.internal")
//	call.Inject(request.Header)
//	response, err := send(request)
//	if err != nil {
//		call.Failed(err)
//	} else {
//		call.Answered(response.StatusCode, response.Header)
//	}
//
// Source: spec/api.md, "Client side".
type Call struct {
	towline    *Towline
	place      *Place // whose strand the call ticked
	began      bool   // the place is of this call alone
	far        bool   // the host may have nothing of ours but traceparent
	anyHost    bool   // the host is not known, and may have all
	detached   bool   // a message
	redirected bool
	spanID     SpanID
	host       string
	authority  string    // the host with its port; empty where it is not known
	deadline   time.Time // zero: the callee may take its time
	resend     int       // attempts that went before

	traceparent string // empty where it is withheld from the host
	tracestate  string
	clock       string
	sent        sent // of a clock in v2

	status int
	done   atomic.Bool
	ended  func(status int, outcome Outcome) // of somebody else's span; nil: it is ours

	ctx    attemptContext
	values [3]string // backs the header fields
}

// Call begins one attempt of a call to host, a name or an address without a port. Without a current
// place, so on a nil Place, a new trace begins for the call, by the [Default] instance.
func (p *Place) Call(host string) *Call {
	if p == nil {
		return Default().Call(nil, host)
	}
	return p.towline.Call(p, host)
}

// Call is [Place.Call] by the settings of t; where place is nil a new trace begins for the call.
func (t *Towline) Call(place *Place, host string) *Call {
	c := &Call{towline: t, host: host}
	c.begin(place)
	if t.config.Deadlines {
		c.deadline = c.place.deadline()
	}
	return c
}

// begin makes the attempt a part of place's strand.
func (c *Call) begin(place *Place) {
	t := c.towline
	if c.spanID.IsZero() {
		c.spanID = newSpanID()
	}
	if place == nil {
		place, c.began = t.beginAlone(KindClient), true
	}
	if c.anyHost || c.detached {
		c.sendAnywhere(place)
	} else {
		c.send(place)
	}
	t.counters.callSent(c.clock != "" && !c.detached)
	if t.observed() {
		e := c.event()
		e.Clock = Clock{c.sent.text}
		t.tell(func(o Observer) { o.OnCallSent(e) })
	}
}

// beginAlone begins a trace for something that has no current place.
func (t *Towline) beginAlone(kind Kind) *Place {
	t.dropped(WhatContext, ReasonNone)
	place := new(Place)
	place.begin(t, kind, t.config.Sampled)
	t.strandStarted(place)
	return place
}

// mode is the clock that calls of place carry.
func (c *Call) mode(place *Place) ClockMode {
	mode := c.towline.config.Clock
	if mode == ClockAuto {
		mode = ClockV2
		if place.v1 != nil && place.v1.came {
			mode = ClockOnV1
		}
	}
	return mode
}

// send ticks the strand and decides what goes to the host.
func (c *Call) send(place *Place) {
	t := c.towline
	mode := c.mode(place)
	known := t.traceparentTo.holds(c.host)
	c.far = !known || !t.clockHosts.holds(c.host)
	switch {
	case mode == ClockOff:
		c.place, _ = place.act((*Strand).event)
	case c.far:
		c.place, _ = place.act((*Strand).event)
		t.withhold(c.host)
	case mode == ClockOnV1:
		c.place, _ = place.act((*Strand).event)
		c.sendV1()
	default:
		c.sendV2(place, sending{hashed: c.hashes()})
	}
	if known {
		c.writeTrace()
	}
}

// writeTrace writes what goes beside the clock.
func (c *Call) writeTrace() {
	t := c.towline
	c.traceparent = formatTraceparent(c.place.traceID, c.spanID, c.place.flags)
	c.tracestate = c.place.tracestate
	if c.sent.text != "" && t.config.Tracestate {
		var fits bool
		if c.tracestate, fits = writeTracestate(c.place.tracestate, c.sent.text); !fits {
			t.dropped(WhatTracestate, ReasonTooLong)
		}
	}
}

func (c *Call) sendV2(place *Place, how sending) {
	var err error
	c.place, err = place.act(func(s *Strand) error {
		var err error
		c.sent, err = s.send(c.towline.config.Limits, how)
		return err
	})
	switch {
	case err != nil:
		c.towline.dropped(WhatSend, reasonOf(err))
	case c.sent.cut:
		c.towline.dropped(WhatSend, ReasonCut)
	}
	c.clock = c.sent.text
}

// hashes reports whether the host may have clocks, but no names.
func (c *Call) hashes() bool {
	t := c.towline
	return t.config.HashLabels && !t.nearbyHosts.holds(c.host)
}

// sendV1 raises the own component and writes the clock of v1. What a receiver would refuse is not sent.
func (c *Call) sendV1() {
	t, vector := c.towline, c.place.v1
	if vector == nil { // the place is of an instance that does not write v1
		vector = new(vectorV1)
	}
	vector.mu.Lock()
	defer vector.mu.Unlock()
	next, err := vector.clock.Send(t.component)
	if err != nil {
		t.dropped(WhatSend, reasonOf(err))
		return
	}
	written, service, instance := next, t.config.ServiceName, t.config.Instance
	if !c.anyHost && !c.detached && c.hashes() {
		written, service, instance = next.withoutNames(), hashedLabel(service), hashedLabel(instance)
	}
	header := written.Write(c.place.traceID, c.spanID, c.place.spanID, service, instance)
	if len(header) > t.config.Limits.HeaderBytesMax {
		t.dropped(WhatSend, ReasonTooLong)
		return
	}
	vector.clock, c.clock = next, header
}

// SpanID returns the attempt's client span, which the callee sees as its parent.
func (c *Call) SpanID() SpanID { return c.spanID }

// Inject puts the headers to send into header. Fields of these names that are there already are
// replaced, or taken out where nothing of the name goes to the host.
func (c *Call) Inject(header http.Header) {
	for key := range header {
		if isOurs(key) || c.isPrivate(key) {
			delete(header, key)
		}
	}
	c.fill(header)
}

// injected is Inject into a copy. The values of other fields are shared, and not to be appended to.
func (c *Call) injected(header http.Header) http.Header {
	out := make(http.Header, len(header)+4)
	for key, values := range header {
		if !isOurs(key) && !c.isPrivate(key) {
			out[key] = values[:len(values):len(values)]
		}
	}
	c.fill(out)
	if _, set := out["Te"]; !set && c.sent.text != "" {
		out["Te"] = acceptTrailers // the end of an answer that is streamed comes behind it
	}
	return out
}

var acceptTrailers = []string{"trailers"}

func (c *Call) fill(header http.Header) {
	c.values = [3]string{c.traceparent, c.tracestate, c.clock}
	for i, key := range [3]string{keyTraceparent, keyTracestate, keyClock} {
		if c.values[i] != "" {
			header[key] = c.values[i : i+1 : i+1]
		}
	}
	if c.place.carried != nil || !c.deadline.IsZero() || c.towline.beside.anyB3() {
		c.fillBeside(header)
	}
}

// isOurs reports whether a header key, in whatever case it was put into the map, is one that a call
// writes. A field sent twice would restart the trace at the callee.
func isOurs(key string) bool {
	switch len(key) {
	case len(keyTracestate):
		return strings.EqualFold(key, keyTracestate)
	case len(keyTraceparent):
		return strings.EqualFold(key, keyTraceparent)
	case len(keyClock):
		return strings.EqualFold(key, keyClock)
	default:
		return false
	}
}

// Answered reads what came back with the head of the answer. It reports whether the end of the callee's
// work is still to come, with the end of the body: then [Call.BodyEnded] ends the call.
func (c *Call) Answered(status int, header http.Header) (streams bool) {
	if c.done.Load() {
		return false
	}
	c.status = status
	if c.sent.text == "" {
		c.tellProbe(answerLost, header)
		c.Lost() // nothing was asked of the callee, so nothing is missing that would be counted
		return false
	}
	ended, learned := c.receive(header[keyClock])
	if learned {
		c.tellProbe(answerJoined, header)
	} else {
		c.tellProbe(answerLost, header)
	}
	switch {
	case !learned:
		c.Lost()
	case ended:
		c.end(OutcomeOK)
	default:
		return true
	}
	return false
}

// BodyEnded reads the trailer of an answer for whose end Answered waits; nil where there was none, or
// where the body was given up.
func (c *Call) BodyEnded(trailer http.Header) {
	if c.done.Load() {
		return
	}
	if fields := trailer[keyClock]; len(fields) > 0 {
		if ended, learned := c.receive(fields); learned && ended {
			c.end(OutcomeOK)
			return
		}
	}
	c.Lost()
}

// receive learns the clock of an answer.
func (c *Call) receive(fields []string) (ended, learned bool) {
	var reason Reason
	switch len(fields) {
	case 0:
		reason = ReasonAbsent
	case 1:
		var err error
		if ended, err = c.place.strand.receiveAnswer(&c.sent, fields[0], c.towline.config.Limits); err == nil {
			return ended, true
		}
		reason = reasonOf(err)
	default:
		reason = ReasonDuplicate
	}
	c.towline.dropped(WhatAnswer, reason)
	return false, false
}

// Lost says that an answer came from which it cannot be told what the callee did.
func (c *Call) Lost() {
	if c.sent.text != "" {
		c.place.strand.Lost(c.sent.tick)
	}
	c.end(OutcomeLost)
}

// Failed says that no answer came. The fork stays open: what the callee did, or still does, is
// concurrent to all that follows.
func (c *Call) Failed(err error) {
	if !c.done.Load() && c.status == 0 {
		c.tellProbe("", nil)
	}
	if errors.Is(err, context.Canceled) {
		c.end(OutcomeCancelled)
	} else {
		c.end(OutcomeError)
	}
}

// end tells of the end, once.
func (c *Call) end(outcome Outcome) {
	if c.done.Swap(true) {
		return
	}
	t := c.towline
	t.counters.callEnded(outcome == OutcomeOK && !c.detached)
	if t.observed() {
		e := c.event()
		e.Clock, e.Status, e.Outcome = c.place.strand.Stamp(), c.status, outcome
		t.tell(func(o Observer) { o.OnCallAnswered(e) })
	}
	if c.ended != nil {
		c.ended(c.status, outcome)
	}
	if c.began {
		if outcome == OutcomeLost {
			outcome = OutcomeOK
		}
		c.place.End(outcome)
	}
}

func (c *Call) event() CallEvent {
	kind := KindClient
	if c.detached {
		kind = KindProducer
	}
	return CallEvent{TraceID: c.place.traceID, SpanID: c.spanID, ParentID: c.place.spanID, Flags: c.place.flags,
		Kind: kind, Host: c.host, ResendCount: c.resend}
}
