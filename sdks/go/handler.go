package towline

import (
	"context"
	"net/http"
	"strings"
)

// Handler wraps a server's handler, so that each request belongs to its caller's trace: the current
// place is in the request's context, and the clock of the end goes back on the response. Without
// options it is of the [Default] instance.
//
//	http.ListenAndServe("127.0.0.1:8080", towline.Handler(mux))
//
// The http.ResponseWriter that next gets offers what the server's does (Flusher, Hijacker, Pusher,
// io.ReaderFrom, http.ResponseController), and a body that net/http would size is sized. Where the
// caller sent a clock, the head is held back until the first flush, until the body outgrows net/http's
// own buffer, or until next returns.
//
// Source: spec/api.md, "Server side".
func Handler(next http.Handler, options ...Option) http.Handler {
	return forOptions(options).Handler(next)
}

type handler struct {
	towline *Towline
	next    http.Handler
}

// exchange is all that the handling of one request needs, in one piece of memory.
type exchange struct {
	towline *Towline
	place   *Place // own, unless another's span stands in for ours
	own     Place
	ctx     servedContext
	request *http.Request // as it came
	responseState
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := h.towline
	ctx := r.Context()
	if isServed(ctx) || t.config.Filter != nil && !t.config.Filter(r.Method, r.URL.Path) {
		h.next.ServeHTTP(w, r)
		return
	}
	x := &exchange{towline: t, request: r}
	x.inner, x.place = w, &x.own
	x.ctx = servedContext{ctx, x}
	if value, ok := t.probe.allows(r); ok {
		x.own.carry().probe = &probing{value: value}
	}
	if t.spans != nil {
		if place := t.spans.Serving(r); place != nil {
			x.serving(place)
		}
	}
	if x.place == &x.own {
		x.answers = t.serve(x.place, r.Header, r)
		t.strandStarted(x.place)
	}
	var cancel context.CancelFunc
	if t.config.Deadlines {
		x.ctx.Context, cancel = t.takeDeadline(ctx, x.place, r.Header)
	}
	returned := false
	defer func() { // also where next panics, which goes on
		x.finish(returned)
		if cancel != nil {
			cancel()
		}
	}()
	h.next.ServeHTTP(x.writer(), r.WithContext(&x.ctx))
	returned = true
}

type servedKey struct{}

// servedContext carries the place of a request, and marks it as served.
type servedContext struct {
	context.Context
	exchange *exchange
}

func (c *servedContext) Value(key any) any {
	switch key.(type) {
	case placeKey:
		return c.exchange.place
	case servedKey:
		return c.exchange
	case deadlineKey:
		return c.exchange.place.deadline()
	default:
		return c.Context.Value(key)
	}
}

// isServed reports whether a handler of ours is around this one already. A context may reach another
// server, as its base context: that one's requests are its own.
func isServed(ctx context.Context) bool {
	x, _ := ctx.Value(servedKey{}).(*exchange)
	return x != nil && x.ctx.Context.Value(http.ServerContextKey) == ctx.Value(http.ServerContextKey)
}

// serve makes p of what came with a request, and reports whether its caller waits for a clock. Where r
// is nil it is a message, of which no peer is known.
func (t *Towline) serve(p *Place, header http.Header, r *http.Request) (answers bool) {
	kind := KindServer
	if r == nil {
		kind = KindConsumer
	}
	clocks := header[keyClock]
	came, err := ParseTraceContext(header[keyTraceparent], header[keyTracestate])
	sampled := t.config.Sampled
	if err == errTraceparentAbsent && t.beside.anyB3() {
		came, sampled, err = t.fromB3(header)
	}
	if err != nil {
		t.dropped(WhatTraceparent, reasonOf(err))
		if len(clocks) > 0 {
			t.dropped(WhatClock, ReasonNoTraceparent)
		}
		p.restarted(reasonOf(err), SpanID{}, clocks, ReasonNoTraceparent)
		p.begin(t, kind, sampled)
		return false
	}
	var trust Trust
	if t.config.Trust != nil && r != nil {
		trust = t.config.Trust(r)
	}
	if came.TracestateDropped != "" {
		t.dropped(WhatTracestate, came.TracestateDropped)
	}
	if (trust.DropTracestate || trust.Traceparent != TrustContinue) && (came.Tracestate != "" || came.Own != "") {
		t.dropped(WhatTracestate, ReasonUntrusted)
		came.Tracestate, came.Own = "", ""
	}
	if trust.Traceparent != TrustContinue {
		t.distrust(p, kind, came, trust.Traceparent, clocks)
		return false
	}
	p.towline, p.kind, p.spanID = t, kind, newSpanID()
	p.traceID, p.parentID, p.flags, p.tracestate = came.TraceID, came.ParentID, came.Flags, came.Tracestate
	if fields := header[keyBaggage]; len(fields) > 0 && t.beside.baggage {
		t.takeBaggage(p, fields)
	}
	if probe := p.carried.probing(); probe != nil {
		probe.parent = came.ParentID
	}
	if len(header[keyTraceparent]) == 0 && len(clocks) > 0 { // the trace came by B3
		t.dropped(WhatClock, ReasonNoTraceparent)
		p.clockCame(string(ReasonNoTraceparent))
		p.startFirst()
		return false
	}
	return t.startStrand(p, clocks, came.Own)
}

func (t *Towline) takeBaggage(p *Place, fields []string) {
	text, err := readBaggage(fields)
	if err != nil {
		t.dropped(WhatBaggage, reasonOf(err))
	} else if text != "" {
		p.carry().baggage = text
	}
}

// distrust begins a new trace in place of the one that came.
func (t *Towline) distrust(p *Place, kind Kind, came TraceContext, trust TraceparentTrust, clocks []string) {
	t.dropped(WhatTraceparent, ReasonUntrusted)
	if len(clocks) > 0 {
		t.dropped(WhatClock, ReasonUntrusted)
	}
	if trust == TrustRestart {
		p.link = &came
	}
	p.restarted(ReasonUntrusted, came.ParentID, clocks, ReasonUntrusted)
	p.begin(t, kind, t.config.Sampled)
}

// restarted tells a probe that its trace did not go on, nor the clock that came.
func (p *Place) restarted(reason Reason, parent SpanID, clocks []string, clockReason Reason) {
	probe := p.carried.probing()
	if probe == nil {
		return
	}
	probe.restarted, probe.parent, probe.clock = reason, parent, clockFirst
	if len(clocks) > 0 {
		probe.clock = string(clockReason)
	}
}

// clockCame tells a probe what became of the clock.
func (p *Place) clockCame(word string) {
	if probe := p.carried.probing(); probe != nil {
		probe.clock = word
	}
}

// startStrand starts the strand of p from the clock that came; else from our tracestate member; else,
// and where a clock was refused, as a first one.
func (t *Towline) startStrand(p *Place, clocks []string, member string) (answers bool) {
	var err error
	what := WhatClock
	p.clockCame(clockContinued)
	switch {
	case len(clocks) > 1:
		err = &RefusedError{ReasonDuplicate, "more than one clock"}
	case len(clocks) == 1 && strings.HasPrefix(clocks[0], "v1;"):
		var clock ClockV1
		if clock, err = readClockV1(clocks[0], p.traceID, t.config.Limits.HeaderBytesMax); err == nil {
			p.v1 = &vectorV1{clock: clock, came: true}
		}
	case len(clocks) == 1:
		if err = t.continueClock(p, clocks[0]); err == nil {
			return t.config.Clock != ClockOff
		}
	case member != "":
		what = WhatMember
		var sender Clock
		if sender, err = t.config.Limits.clockFromTracestate(member, p.traceID.Tail()); err == nil {
			p.clockCame(clockMember)
			p.continueFrom(sender.scan(nil), true)
			return false
		}
	default:
		p.clockCame(clockFirst)
	}
	if err != nil {
		t.dropped(what, reasonOf(err))
		p.clockCame(string(reasonOf(err)))
	}
	p.startFirst()
	return false
}

func (t *Towline) continueClock(p *Place, header string) error {
	sender, err := scanClock(header, t.config.Limits, int64(p.traceID.Tail()), nil)
	if err != nil {
		return err
	}
	if !sender.canonical {
		clock, err := parseClock(header, t.config.Limits, anyTrace)
		if err != nil {
			return err
		}
		sender = clock.scan(nil)
	}
	p.continueFrom(sender, false)
	return nil
}

func (p *Place) continueFrom(sender scanned, gap bool) {
	if p.towline.config.Clock == ClockOnV1 {
		p.v1 = new(vectorV1)
	}
	p.strand.startFrom(sender, p.towline.label, p.spanID.nonce(), gap)
}
