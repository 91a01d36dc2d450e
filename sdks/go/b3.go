package towline

import (
	"net/http"
	"strings"
)

// The headers of B3, as net/http has them.
const (
	keyB3        = "B3"
	keyB3Trace   = "X-B3-Traceid"
	keyB3Span    = "X-B3-Spanid"
	keyB3Sampled = "X-B3-Sampled"
	keyB3Flags   = "X-B3-Flags"
)

// b3Context is what the headers of B3 said.
type b3Context struct {
	traceID TraceID // zero where only the decision came
	spanID  SpanID
	sampled *bool // nil where nothing was said
}

var errB3 = &RefusedError{ReasonB3Malformed, "B3 headers are not of a known form"}

// readB3 reads the single header, else the several ones; there is false where none came.
//
// Source: spec/edge.md, "Beside other propagators"; vectors/carriers.json.
func readB3(header http.Header) (c b3Context, there bool, err error) {
	if single := header[keyB3]; len(single) > 0 {
		c, err = readB3Single(single)
		return c, true, err
	}
	var values [4]string
	for i, key := range [4]string{keyB3Trace, keyB3Span, keyB3Sampled, keyB3Flags} {
		switch fields := header[key]; len(fields) {
		case 0:
		case 1:
			values[i], there = strings.Trim(fields[0], " \t"), true
			if values[i] == "" {
				err = errB3
			}
		default:
			return c, true, errB3
		}
	}
	if !there || err != nil {
		return c, there, err
	}
	c, err = readB3Multi(values[0], values[1], values[2], values[3])
	return c, true, err
}

// fromB3 is what ParseTraceContext would have read of the same. sampled is for the trace that begins
// where err is not nil.
func (t *Towline) fromB3(header http.Header) (came TraceContext, sampled bool, err error) {
	sampled = t.config.Sampled
	c, there, err := readB3(header)
	if err != nil {
		return came, sampled, err
	}
	if there && c.sampled != nil {
		sampled = *c.sampled
	}
	if c.traceID.IsZero() {
		return came, sampled, errTraceparentAbsent
	}
	came = TraceContext{TraceID: c.traceID, ParentID: c.spanID}
	if sampled {
		came.Flags = Sampled
	}
	return came, sampled, nil
}

func readB3Single(fields []string) (c b3Context, err error) {
	if len(fields) > 1 {
		return c, errB3
	}
	parts := strings.Split(strings.Trim(fields[0], " \t"), "-")
	if len(parts) == 1 {
		err = c.decide(parts[0], "0", "1", "d")
		return c, err
	}
	if len(parts) > 4 {
		return c, errB3
	}
	if err = c.ids(parts[0], parts[1]); err == nil && len(parts) > 2 {
		err = c.decide(parts[2], "0", "1", "d")
	}
	var parent SpanID
	if err == nil && len(parts) == 4 && (len(parts[3]) != 16 || !parseHex(parent[:], parts[3])) {
		err = errB3
	}
	return c, err
}

// readB3Multi reads the values of the several headers; empty where one did not come.
func readB3Multi(trace, span, sampled, flags string) (c b3Context, err error) {
	if flags != "" && flags != "0" && flags != "1" {
		return c, errB3
	}
	if sampled != "" {
		if err = c.decide(sampled, "0", "1", "true", "false"); err != nil {
			return c, err
		}
	}
	if flags == "1" {
		debug := true
		c.sampled = &debug
	}
	if trace != "" || span != "" {
		err = c.ids(trace, span)
	}
	return c, err
}

// decide takes one of the words that are known.
func (c *b3Context) decide(word string, known ...string) error {
	for _, k := range known {
		if word == k {
			sampled := word == "1" || word == "d" || word == "true"
			c.sampled = &sampled
			return nil
		}
	}
	return errB3
}

func (c *b3Context) ids(trace, span string) error {
	if len(trace) != 16 && len(trace) != 32 || len(span) != 16 {
		return errB3
	}
	short := c.traceID[16-len(trace)/2:]
	if !parseHex(short, trace) || !parseHex(c.spanID[:], span) || c.traceID.IsZero() || c.spanID.IsZero() {
		return errB3
	}
	return nil
}

// writeB3 writes the headers that are asked for, beside traceparent.
func (b beside) writeB3(header http.Header, trace TraceID, span SpanID, flags Flags) {
	sampled := string('0' + byte(flags&Sampled))
	if b.b3 {
		header[keyB3] = []string{trace.String() + "-" + span.String() + "-" + sampled}
	}
	if b.b3multi {
		header[keyB3Trace], header[keyB3Span], header[keyB3Sampled] = []string{trace.String()}, []string{span.String()}, []string{sampled}
	}
}
