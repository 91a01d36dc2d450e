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

// member is one hop's member of a clock header, as far as its receiver needs it.
type member struct {
	hop          hop
	known        Known // without its lists
	complete     bool
	next         uint32 // the tick at which the next hop was forked
	explicitNext bool
	nextInOpen   bool // x names that tick among the attached forks
	nextInSeen   bool
	own          forkAt // where x names the last tick: among the attached forks, else among the detached
}

// forkAt is where in a clock's text its last member's list names the fork of that member's last tick.
// It is the zero value where the list does not.
type forkAt struct {
	list        int // offset of `;x="`
	entry, end  int // the entry
	first, last uint32
	lossy       bool
	forks       int // forks without known ticks that go with it
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

// member reads hop number n (from 0); above is the one before it.
func (s *scanner) member(n int, above, out *member, into *lineage) bool {
	if n >= s.limits.LevelsMax {
		return s.fail(ReasonOverLimits, "more levels than the limit")
	}
	*out = member{}
	if !s.label(&out.hop.label) || !s.hex8(&out.hop.nonce) || !s.take(":") || !s.number(&out.known.Tick) {
		return s.badMember()
	}
	if out.known.Tick == 0 {
		return s.malformed("bad member")
	}
	if s.take(";f=") {
		if !s.number(&out.next) {
			return false
		}
		if out.next == 0 || out.next >= out.known.Tick {
			return s.malformed("bad f")
		}
		out.explicitNext = true
	} else {
		out.next = out.known.Tick
	}
	out.hop.detached = s.take(";d")
	out.hop.gap = s.take(";g")
	out.known.Ended = s.take(";e")
	out.known.Lossy = s.take(";l")
	if out.known.Ended && out.known.Lossy {
		return s.malformed("bad member")
	}
	if n == 0 {
		if out.hop.detached || out.hop.gap {
			return s.malformed("the first strand has no parent")
		}
	} else {
		out.hop.fork = above.next
		if out.hop.detached && above.nextInSeen || !out.hop.detached && above.nextInOpen {
			return s.malformed("the way's fork is listed too")
		}
	}
	var known *Known
	if into != nil {
		into.hops = append(into.hops, out.hop)
		into.spine = append(into.spine, out.known)
		known = into.own()
	}
	return s.lists(n+1, out, known)
}

// badMember reports a member that does not begin as one, unless a number in it was over the limits.
func (s *scanner) badMember() bool {
	if s.err == nil {
		return s.malformed("bad member")
	}
	return false
}

// label reads service "#" instance "/", and keeps it in canonical form.
func (s *scanner) label(out *string) bool {
	start, middle, escaped := s.at, -1, false
	for ; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		switch {
		case labelSafe[c]:
		case c == '%':
			escaped = true
		case c == '#' && middle < 0 && s.at > start:
			middle = s.at
		case c == '/' && middle >= 0:
			*out = s.text[start:s.at]
			s.at++
			return !escaped || s.unescape(out, middle-start)
		default:
			return false
		}
	}
	return false
}

func (s *scanner) unescape(label *string, middle int) bool {
	service, ok := unquoteLabel((*label)[:middle])
	instance, ok2 := unquoteLabel((*label)[middle+1:])
	if !ok || !ok2 {
		return s.malformed("bad label")
	}
	if canonical := joinLabel(service, instance); canonical != *label {
		*label, s.canonical = canonical, false
	}
	return true
}

// lists reads `;x="…"` where there is one.
func (s *scanner) lists(level int, out *member, into *Known) bool {
	out.complete = out.known.Ended
	at := s.at
	if !s.take(`;x="`) {
		return true
	}
	out.complete = false
	if !s.forkList(out.known.Tick, level, into, out) {
		return false
	}
	if out.own.end != 0 {
		out.own.list = at
	}
	if !s.take(`"`) {
		return s.malformed("bad fork list")
	}
	return true
}

// forkList reads what stands between the quotes of x, or between the brackets of one of its entries.
// tick is that of the strand whose forks they are; top is not nil for the list of a hop.
func (s *scanner) forkList(tick uint32, level int, into *Known, top *member) bool {
	if level > s.limits.LevelsMax {
		return s.fail(ReasonOverLimits, "more levels than the limit")
	}
	var last, joins uint32 // joins: the next fork would continue the range before it
	var joinsLossy, seen bool
	for {
		at := s.at
		detached := s.take("+")
		switch {
		case detached && !seen:
			last, joins, seen = 0, 0, true
		case seen && !detached:
			return s.malformed("bad fork list")
		}
		forks := s.forks
		var f Forks
		bare, ok := s.fork(tick, level, detached, last, &f, into != nil)
		if !ok {
			return false
		}
		if bare {
			if f.First == joins && f.Lossy == joinsLossy {
				s.canonical = false
			}
			joins, joinsLossy = f.Last+1, f.Lossy
		} else {
			joins = 0
		}
		last = f.Last
		if top != nil {
			top.note(f, detached, forkAt{entry: at, end: s.at, first: f.First, last: f.Last, lossy: f.Lossy, forks: s.forks - forks})
		}
		if into != nil {
			if detached {
				into.Seen = append(into.Seen, f)
			} else {
				into.Open = pushFork(into.Open, f)
			}
		}
		if !s.take(" ") {
			return true
		}
	}
}

// note remembers what the way to the next hop, or to the receiver, needs of an entry of the hop's list.
func (m *member) note(f Forks, detached bool, at forkAt) {
	holdsNext := f.First <= m.next && m.next <= f.Last
	if f.Last == m.known.Tick && m.own.end == 0 {
		if f.First < f.Last {
			at.forks = 1 // the others of the range stay
		}
		m.own = at
	}
	if detached {
		m.nextInSeen = m.nextInSeen || holdsNext
	} else {
		m.nextInOpen = m.nextInOpen || holdsNext
	}
}

// fork reads one entry, which has to stand above last and within tick; bare: nothing is known of it.
func (s *scanner) fork(tick uint32, level int, detached bool, last uint32, f *Forks, keep bool) (bare, ok bool) {
	if !s.number(&f.First) {
		return false, false
	}
	f.Last = f.First
	if f.First <= last || f.First > tick {
		return false, s.malformed("bad fork list")
	}
	if s.take(".") {
		return false, s.knownFork(level, detached, f, keep)
	}
	if detached {
		return false, s.malformed("bad fork list")
	}
	if s.take("-") {
		if !s.number(&f.Last) {
			return false, false
		}
		if f.Last <= f.First || f.Last > tick {
			return false, s.malformed("bad fork list")
		}
	}
	s.forks += int(f.Last-f.First) + 1
	if s.forks > s.limits.ForksMax {
		return false, s.fail(ReasonOverLimits, "more forks in flight than the limit")
	}
	f.Lossy = s.take("~")
	return true, true
}

// knownFork reads the rest of an entry behind its ".".
func (s *scanner) knownFork(level int, detached bool, f *Forks, keep bool) bool {
	var known Known
	if !s.number(&known.Tick) {
		return false
	}
	known.Ended = s.take("!")
	known.Lossy = s.take("~")
	inner := s.take("(")
	if known.Tick == 0 || known.Ended && known.Lossy || known.Ended && !inner && !detached {
		return s.malformed("bad fork list")
	}
	var into *Known
	if keep {
		into = &Known{Tick: known.Tick, Ended: known.Ended, Lossy: known.Lossy}
		f.Known = into
	}
	if !inner {
		return true
	}
	if !s.forkList(known.Tick, level+1, into, nil) {
		return false
	}
	if !s.take(")") {
		return s.malformed("bad fork list")
	}
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
