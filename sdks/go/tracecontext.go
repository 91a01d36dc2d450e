package towline

import "strings"

// Flags are the trace flags of W3C Trace Context Level 2: Sampled and Random, nothing else.
type Flags byte

// The flags; other bits are read without error and written as zero.
const (
	Sampled Flags = 1
	Random  Flags = 2
)

// String returns two lower-case hex digits.
func (f Flags) String() string { return string([]byte{'0', lowerHex[f&(Sampled|Random)]}) }

// TraceContext is what traceparent and tracestate said. It is immutable.
//
// Source: spec/trace-context.md; vectors/trace-context.json pins it.
type TraceContext struct {
	TraceID  TraceID
	ParentID SpanID // the caller's span
	Flags    Flags
	// Tracestate are the list members of others, in order and byte for byte, joined by commas;
	// empty where there are none. Our own member is taken out.
	Tracestate string
	// Own is the value of our own member; empty where there was none.
	Own string
	// TracestateDropped is why the whole list was dropped (malformed, too_many_members); else empty.
	TracestateDropped Reason
}

// ParseTraceContext reads all header fields of the names traceparent and tracestate, each in the order
// received. The error is a [*RefusedError]: absent, duplicate, malformed or zero_id; a new trace has to
// begin then. A tracestate that cannot be used is no error.
func ParseTraceContext(traceparent, tracestate []string) (TraceContext, error) {
	switch {
	case len(traceparent) == 0:
		return TraceContext{}, errTraceparentAbsent
	case len(traceparent) > 1 || strings.IndexByte(traceparent[0], ',') >= 0:
		return TraceContext{}, errTraceparentDuplicate
	}
	var c TraceContext
	if !c.parseTraceparent(strings.Trim(traceparent[0], " \t")) {
		return TraceContext{}, errTraceparentMalformed
	}
	if c.TraceID.IsZero() || c.ParentID.IsZero() {
		return TraceContext{}, errTraceparentZeroID
	}
	c.Tracestate, c.Own, c.TracestateDropped = parseTracestate(tracestate)
	return c, nil
}

// Most requests from outside a trace have no traceparent, so these errors are made once.
var (
	errTraceparentAbsent    = &RefusedError{ReasonAbsent, "there is no traceparent"}
	errTraceparentDuplicate = &RefusedError{ReasonDuplicate, "more than one traceparent"}
	errTraceparentMalformed = &RefusedError{ReasonMalformed, "traceparent is not of a known form"}
	errTraceparentZeroID    = &RefusedError{ReasonZeroID, "traceparent has an id of zeros"}
)

// traceparentSize is the length of version 00: "00-" 32 "-" 16 "-" 2.
const traceparentSize = 55

func (c *TraceContext) parseTraceparent(s string) bool {
	var version, flags [1]byte
	if len(s) < traceparentSize || s[2] != '-' || s[35] != '-' || s[52] != '-' ||
		!parseHex(version[:], s[:2]) || !parseHex(c.TraceID[:], s[3:35]) ||
		!parseHex(c.ParentID[:], s[36:52]) || !parseHex(flags[:], s[53:55]) {
		return false
	}
	c.Flags = Flags(flags[0]) & (Sampled | Random)
	switch version[0] {
	case 0:
		return len(s) == traceparentSize
	case 0xff:
		return false
	default:
		return len(s) == traceparentSize || s[traceparentSize] == '-'
	}
}

// parseHex reads lower-case hex digits only, unlike encoding/hex.
func parseHex(out []byte, s string) bool {
	for i := range out {
		high, low := hexDigit[s[2*i]], hexDigit[s[2*i+1]]
		if high > 15 || low > 15 {
			return false
		}
		out[i] = high<<4 | low
	}
	return true
}

// Traceparent writes the header value by which span, of this trace, calls on.
func (c *TraceContext) Traceparent(span SpanID) string {
	return formatTraceparent(c.TraceID, span, c.Flags)
}

func formatTraceparent(trace TraceID, span SpanID, flags Flags) string {
	var b [traceparentSize]byte
	b[0], b[1], b[2], b[35], b[52], b[53] = '0', '0', '-', '-', '-', '0'
	putHex(b[3:35], trace[:])
	putHex(b[36:52], span[:])
	b[54] = lowerHex[flags&(Sampled|Random)]
	return string(b[:])
}

func putHex(out, id []byte) {
	for i, c := range id {
		out[2*i], out[2*i+1] = lowerHex[c>>4], lowerHex[c&15]
	}
}
