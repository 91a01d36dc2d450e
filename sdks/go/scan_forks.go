package towline

// forkAt is where in a clock's text its last member's list names the fork of that member's last tick.
// It is the zero value where the list does not.
type forkAt struct {
	list        int // offset of `;x="`
	entry, end  int // the entry
	first, last uint32
	lossy       bool
	forks       int // forks without known ticks that go with it
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
