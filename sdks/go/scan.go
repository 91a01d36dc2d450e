package towline

import "strings"

// scanned is what one pass over a clock header tells without taking it apart.
type scanned struct {
	text      string // the header without the blanks around it
	canonical bool   // text is byte for byte what a writer would write
	trace     uint32
	first     uint32 // the first strand's nonce
	hops      int
	forks     int    // forks without known ticks that the header names
	last      member // the sender's own member
}

// anyTrace accepts the clock of any trace.
const anyTrace = int64(-1)

// scanClock validates a header and, where into is not nil, takes it apart. It reads from left to
// right once, and without into it allocates nothing. trace is what the traceparent beside it says.
func scanClock(header string, limits Limits, trace int64, into *lineage) (scanned, error) {
	if len(header) > limits.HeaderBytesMax {
		return scanned{}, &RefusedError{ReasonTooLong, "clock is longer than the limit"}
	}
	s := scanner{text: strings.Trim(header, " \t"), limits: limits, canonical: true}
	out := scanned{text: s.text}
	if !s.version(&out.trace) {
		return scanned{}, s.err
	}
	if trace != anyTrace && uint32(trace) != out.trace {
		return scanned{}, &RefusedError{ReasonOtherTrace, "clock is of another trace"}
	}
	if into != nil {
		into.trace = out.trace
	}
	if s.at == len(s.text) {
		return scanned{}, &RefusedError{ReasonMalformed, "clock names no strand"}
	}
	for s.at < len(s.text) {
		above := out.last
		if !s.separator() || !s.member(out.hops, &above, &out.last, into) {
			return scanned{}, s.err
		}
		if out.hops == 0 {
			out.first = out.last.hop.nonce
		}
		out.hops++
	}
	if out.last.explicitNext {
		return scanned{}, &RefusedError{ReasonMalformed, "f on the last strand"}
	}
	out.forks, out.canonical = s.forks, s.canonical
	return out, nil
}

// scanner reads a clock header. A method that returns false has set err.
type scanner struct {
	text      string
	at        int
	limits    Limits
	forks     int
	canonical bool
	err       error
}

func (s *scanner) fail(reason Reason, detail string) bool {
	s.err = &RefusedError{reason, detail}
	return false
}

func (s *scanner) malformed(detail string) bool { return s.fail(ReasonMalformed, detail) }

func (s *scanner) take(token string) bool {
	if strings.HasPrefix(s.text[s.at:], token) {
		s.at += len(token)
		return true
	}
	return false
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) blanks() {
	for c := s.peek(); c == ' ' || c == '\t'; c = s.peek() {
		s.at++
	}
}

// version reads "v2;t=" and the end of the trace id.
func (s *scanner) version(trace *uint32) bool {
	if !s.take("v2;t=") || !s.hex8(trace) {
		return s.fail(ReasonVersion, "version is not v2, or no trace")
	}
	at := s.at
	s.blanks()
	if s.at < len(s.text) && s.peek() != ',' {
		return s.fail(ReasonVersion, "version is not v2, or no trace")
	}
	s.at = at
	return true
}

func (s *scanner) hex8(n *uint32) bool {
	if len(s.text)-s.at < 8 {
		return false
	}
	var out uint32
	for i := range 8 {
		digit := hexDigit[s.text[s.at+i]]
		if digit > 15 {
			return false
		}
		out = out<<4 | uint32(digit)
	}
	s.at += 8
	*n = out
	return true
}

func (s *scanner) separator() bool {
	if strings.HasPrefix(s.text[s.at:], ", ") && s.at+2 < len(s.text) && s.text[s.at+2] != ' ' && s.text[s.at+2] != '\t' {
		s.at += 2
		return true
	}
	s.canonical = false
	s.blanks()
	if !s.take(",") {
		return s.malformed("bad member")
	}
	s.blanks()
	return true
}

// number reads a decimal of at most ten digits without leading zeros, and at most 2³¹−1.
func (s *scanner) number(n *uint32) bool {
	start := s.at
	var out uint64
	for s.at < len(s.text) && s.at-start < 11 {
		digit := s.text[s.at] - '0'
		if digit > 9 {
			break
		}
		out = out*10 + uint64(digit)
		s.at++
	}
	digits := s.at - start
	if digits == 0 || digits > 10 || digits > 1 && s.text[start] == '0' {
		return s.malformed("bad number")
	}
	if out > tickMax {
		return s.fail(ReasonOverLimits, "tick above 2^31-1")
	}
	*n = uint32(out)
	return true
}

// hexDigit maps a lower-case hex digit to its value, anything else above 15.
var hexDigit = func() (digits [256]byte) {
	for i := range digits {
		digits[i] = 255
	}
	for i, c := range "0123456789abcdef" {
		digits[c] = byte(i)
	}
	return digits
}()
