package towline

// cut writes l so that it fits limits, covering its longest fork lists (deeper hops first where equal)
// one after the other. It leaves l as it is.
func (l *lineage) cut(limits Limits) (string, error) {
	if len(l.hops) > limits.LevelsMax {
		return "", &RefusedError{ReasonOverLimits, "more levels than the limit"}
	}
	c := &lineage{trace: l.trace, hops: l.hops, spine: append([]Known(nil), l.spine...)}
	lengths, flying := make([]int, len(c.spine)), make([]int, len(c.spine))
	all := 0
	var list []byte
	for i := range c.spine {
		if c.spine[i].Tick > tickMax {
			return "", &RefusedError{ReasonOverLimits, "tick above 2^31-1"}
		}
		list = appendLists(list[:0], &c.spine[i])
		lengths[i] = len(list)
		flying[i], _ = c.spine[i].size()
		all += flying[i]
	}
	text := c.appendClock(nil)
	for len(text) > limits.HeaderBytesMax || all > limits.ForksMax {
		longest := 0
		for i, n := range lengths {
			if n >= lengths[longest] {
				longest = i
			}
		}
		if lengths[longest] < 0 || !cover(&c.spine[longest], c.attachedNext(longest), limits.ForksMax) {
			return "", &RefusedError{ReasonTooLong, "too long even when cut"}
		}
		lengths[longest] = -1
		forks, _ := c.spine[longest].size()
		all += forks - flying[longest]
		text = c.appendClock(text[:0])
	}
	header := string(text)
	if _, err := scanClock(header, limits, anyTrace, nil); err != nil {
		return "", err
	}
	return header, nil
}

// attachedNext is the tick at which hop i forked the next one, where that was attached; else 0.
func (l *lineage) attachedNext(i int) uint32 {
	if i+1 < len(l.hops) && !l.hops[i+1].detached {
		return l.hops[i+1].fork
	}
	return 0
}

// cover replaces the attached forks that k lists by ranges of which nothing can be told. A fork that
// brings word of detached ones cannot be covered, nor can a range reach over it, nor over keep, which
// leads to the next hop. It reports false where a range would be longer than forks.
func cover(k *Known, keep uint32, forks int) bool {
	var out []Forks
	var reached uint32 // the last fork covered, 0 where a range cannot go on from it
	for _, f := range k.Open {
		if reached < keep && keep < f.First {
			reached = 0
		}
		if f.Known != nil && sees(f.Known) {
			out, reached = append(out, f), 0
			continue
		}
		first := f.First
		if reached != 0 {
			if int(f.First-reached) > forks {
				return false
			}
			first = reached + 1
		}
		out = pushFork(out, Forks{First: first, Last: f.Last, Lossy: true})
		reached = f.Last
	}
	k.Open = out
	return true
}

// sees reports whether k knows of detached forks, itself or through attached ones.
func sees(k *Known) bool {
	if len(k.Seen) > 0 {
		return true
	}
	for _, f := range k.Open {
		if f.Known != nil && sees(f.Known) {
			return true
		}
	}
	return false
}
