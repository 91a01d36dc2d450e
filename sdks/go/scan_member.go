package towline

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
