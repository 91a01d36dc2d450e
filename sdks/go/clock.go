package towline

import "strings"

// Clock is a stamp: which strand an event belongs to, and what it knows of all others in its trace.
// It is immutable, and two clocks are the same event's exactly where they are == . The zero value is
// no clock.
//
// Source: spec/strand-clocks.md; vectors/clock-codec.json and clock-order.json pin it.
type Clock struct{ text string }

// Hop is one strand on the way from a trace's first strand to a clock's own.
type Hop struct {
	Service, Instance string
	Nonce             uint32 // the low 32 bits of the strand's span id
	Fork              uint32 // the tick of the hop above that forked it; 0 for the first strand
	Detached          bool   // forked by something that does not wait for it
	Gap               bool   // reached through a service that carries no clocks
}

// ParseClock reads the value of a raceway-clock header field within the DefaultLimits, of whatever
// trace. The error is a [*RefusedError]; a header that breaks any rule is refused whole.
func ParseClock(header string) (Clock, error) {
	return parseClock(header, DefaultLimits(), anyTrace)
}

// ParseClock reads the value of a raceway-clock header field within l. trace is the end of the trace
// id that came beside it (see [TraceID.Tail]); a clock of another trace is refused.
func (l Limits) ParseClock(header string, trace uint32) (Clock, error) {
	return parseClock(header, l, int64(trace))
}

func parseClock(header string, limits Limits, trace int64) (Clock, error) {
	read, err := scanClock(header, limits, trace, nil)
	if err != nil {
		return Clock{}, err
	}
	if read.canonical {
		return Clock{strings.Clone(read.text)}, nil
	}
	var l lineage
	if _, err := scanClock(header, limits, trace, &l); err != nil {
		return Clock{}, err
	}
	return l.clock(), nil
}

func (l *lineage) clock() Clock { return Clock{string(l.appendClock(nil))} }

// lineage takes the clock apart; nil where there is none. What was read or written once is read again.
func (c Clock) lineage() *lineage {
	if c.IsZero() {
		return nil
	}
	l := new(lineage)
	c.scan(l)
	return l
}

// scan reads a clock's own text. It is valid: a Clock is only made of what was read or written here.
func (c Clock) scan(into *lineage) scanned {
	read, err := scanClock(c.text, unlimited, anyTrace, into)
	if err != nil {
		panic("towline: a clock's own text cannot be read: " + err.Error())
	}
	return read
}

// IsZero reports whether c is no clock.
func (c Clock) IsZero() bool { return c.text == "" }

// Format returns the canonical text of the clock, of whatever length; empty where there is none.
// [Clock.Cut] gives one that fits a header.
func (c Clock) Format() string { return c.text }

// String is Format.
func (c Clock) String() string { return c.text }

// Trace returns the low 32 bits of the clock's trace id.
func (c Clock) Trace() uint32 {
	if c.IsZero() {
		return 0
	}
	return c.scan(nil).trace
}

// Tick returns the event's number on its strand, from 1.
func (c Clock) Tick() uint32 {
	if c.IsZero() {
		return 0
	}
	return c.scan(nil).last.known.Tick
}

// Hops returns the strands from the trace's first one to the clock's own.
func (c Clock) Hops() []Hop {
	l := c.lineage()
	if l == nil {
		return nil
	}
	out := make([]Hop, len(l.hops))
	for i, h := range l.hops {
		service, instance, _ := strings.Cut(h.label, "#")
		out[i] = Hop{Nonce: h.nonce, Fork: h.fork, Detached: h.detached, Gap: h.gap}
		out[i].Service, _ = unquoteLabel(service)
		out[i].Instance, _ = unquoteLabel(instance)
	}
	return out
}

// Known returns what the event knows of the trace's first strand, and through its forks of all others.
// The caller owns it.
func (c Clock) Known() Known {
	l := c.lineage()
	if l == nil {
		return Known{}
	}
	return l.tree()[0].clone()
}

// Compare returns how the event of c stands to the event of other: c is Before, After, Equal or
// Concurrent to it, or that is Unknown.
func (c Clock) Compare(other Clock) Order {
	a, b := c.lineage(), other.lineage()
	if a == nil || b == nil {
		return Unknown
	}
	return a.compare(b)
}

// Cut returns the header to send: at most limits.HeaderBytesMax bytes, and nothing that a receiver
// with these limits refuses. Where the clock is larger, its longest lists of calls in flight are
// covered by ranges of which nothing can be told, so that it claims nothing that c does not. The error
// is a [*RefusedError], too_long or over_limits, where that is not enough.
//
// Source: spec/strand-clocks.md, "Too long"; vectors/clock-cut.json.
func (c Clock) Cut(limits Limits) (string, error) {
	if len(c.text) <= limits.HeaderBytesMax {
		if _, err := scanClock(c.text, limits, anyTrace, nil); err == nil {
			return c.text, nil
		}
	}
	l := c.lineage()
	if l == nil {
		return "", &RefusedError{ReasonMalformed, "there is no clock"}
	}
	return l.cut(limits)
}
