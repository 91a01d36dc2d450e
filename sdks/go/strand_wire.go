package towline

import "strings"

// sent is what a strand remembers of a call, to recognise the answer.
type sent struct {
	tick   uint32
	text   string // the header
	cut    bool   // text says less than the strand knew
	answer int    // length of what a plain answer begins with; 0: not known yet
	forks  int    // forks without known ticks that the beginning of the answer names
}

// sending is how a clock is sent.
type sending struct {
	detached bool // nobody waits for an answer
	hashed   bool // without names
}

// send ticks, forks, and returns the header within limits. Where none can be sent the call is
// a plain event, and the error says why; it is ErrEnded, and nothing happened, after the end.
func (s *Strand) send(limits Limits, how sending) (sent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fork(how.detached) {
		return sent{}, ErrEnded
	}
	t := s.own.Tick
	out := sent{tick: t}
	var forks int
	var err error
	out.text, out.cut, forks, err = s.header(limits)
	if err == nil && how.hashed {
		var shortened bool
		out.text, shortened, err = withoutNames(out.text, limits)
		out.cut = out.cut || shortened
	}
	if err != nil {
		if !how.detached {
			s.own.Open = removeFork(s.own.Open, len(s.own.Open)-1, t)
		}
		return sent{}, err
	}
	out.forks = forks - 1
	if len(s.own.Open) == 1 && s.own.Open[0].First == t && len(s.own.Seen) == 0 {
		out.answer = strings.LastIndexByte(out.text, ';') // the list names this call only
	}
	return out, nil
}

// header returns the strand's clock within limits, whether it was cut for them, and how many forks
// without known ticks it names where it was not.
func (s *Strand) header(limits Limits) (text string, wasCut bool, forks int, err error) {
	forks, levels := s.own.size()
	forks += s.forksAbove
	if s.levels+levels <= limits.LevelsMax && forks <= limits.ForksMax && s.own.Tick <= tickMax {
		if text = s.stamp().text; len(text) <= limits.HeaderBytesMax {
			return text, false, forks, nil
		}
	}
	text, err = s.lineage().cut(limits)
	return text, true, forks, err
}

// stampHeader is header for a response of which the end is not known yet.
func (s *Strand) stampHeader(limits Limits) (text string, wasCut bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, wasCut, _, err = s.header(limits)
	return text, wasCut, err
}

// receiveAnswer learns what came back for a call, and reports whether the callee has ended. An error
// is a RefusedError, and then nothing was learned. After the strand's end an answer changes nothing.
func (s *Strand) receiveAnswer(call *sent, text string, limits Limits) (ended bool, err error) {
	if len(text) > limits.HeaderBytesMax {
		return false, &RefusedError{ReasonTooLong, "clock is longer than the limit"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.plainAnswer(call, text, limits, nil); ok {
		if last.complete {
			s.joinComplete(call.tick, last.known.Tick)
			return true, nil
		}
		child := new(lineage)
		s.plainAnswer(call, text, limits, child)
		s.join(call.tick, child.own())
		return last.known.Ended, nil
	}
	l := new(lineage)
	if _, err := scanClock(text, limits, int64(s.trace), l); err != nil {
		return false, err
	}
	if !s.isCallee(l, call.tick) {
		return false, &RefusedError{ReasonOtherStrand, "answer is not of the callee's strand"}
	}
	if err := s.learn(l); err != nil && err != ErrEnded {
		return false, err
	}
	return l.own().Ended, nil
}

// plainAnswer reads an answer that brings news of nobody but the callee: it begins with exactly what
// was sent. Not ok: it has to be read whole.
func (s *Strand) plainAnswer(call *sent, text string, limits Limits, into *lineage) (last member, ok bool) {
	if call.cut {
		return last, false // what was cut comes back as news that cannot be told
	}
	begin := call.text[:call.answer]
	if call.answer == 0 {
		begin = consumeFork(call.text, Clock{call.text}.scan(nil).last.own)
	}
	if !strings.HasPrefix(text, begin) || !strings.HasPrefix(text[len(begin):], ", ") {
		return last, false
	}
	r := scanner{text: text, at: len(begin) + len(", "), limits: limits, forks: call.forks}
	ok = r.member(s.levels, &member{next: call.tick}, &last, into)
	return last, ok && r.at == len(text) && !last.hop.detached && !last.explicitNext
}

// isCallee reports whether l is of the strand that the call at tick made. The strand is locked.
func (s *Strand) isCallee(l *lineage, tick uint32) bool {
	me := s.lineage()
	if len(l.hops) != len(me.hops)+1 {
		return false
	}
	for i, mine := range me.hops {
		theirs := l.hops[i]
		if theirs.nonce != mine.nonce || theirs.fork != mine.fork || theirs.detached != mine.detached {
			return false
		}
	}
	callee := l.hops[len(me.hops)]
	return callee.fork == tick && !callee.detached
}

// joinComplete is join of a child of which everything is known, up to its last tick.
func (s *Strand) joinComplete(t, last uint32) {
	if i, listed := findFork(s.own.Open, t); listed && s.own.Open[i].Known == nil && !s.own.Ended {
		s.own.Open = removeFork(s.own.Open, i, t)
		s.tick()
		return
	}
	s.join(t, &Known{Tick: last, Ended: true})
}

// join learns what child says of the strand that was forked attached at t, and ticks.
func (s *Strand) join(t uint32, child *Known) {
	if s.own.Ended {
		return
	}
	i, listed := findFork(s.own.Open, t)
	switch {
	case !listed:
		if child = completed(child); !child.complete() {
			s.own.Open = insertFork(s.own.Open, Forks{First: t, Last: t, Known: child})
		}
	default:
		if child = mergeKnown(s.own.Open[i].node(), child); child.complete() {
			s.own.Open = removeFork(s.own.Open, i, t)
		} else {
			s.own.Open = replaceFork(s.own.Open, i, Forks{First: t, Last: t, Known: child})
		}
	}
	s.tick()
}
