package towline

import "strconv"

const lowerHex = "0123456789abcdef"

func appendHex8(b []byte, n uint32) []byte {
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, lowerHex[n>>shift&15])
	}
	return b
}

func appendNumber(b []byte, n uint32) []byte { return strconv.AppendUint(b, uint64(n), 10) }

func appendVersion(b []byte, trace uint32) []byte { return appendHex8(append(b, "v2;t="...), trace) }

// appendMember writes a hop with what is known of it; next is the tick at which the next hop was
// forked, 0 where this is the last.
func appendMember(b []byte, h *hop, k *Known, next uint32) []byte {
	b = appendMemberHead(b, h, k, next)
	if len(k.Open) > 0 || len(k.Seen) > 0 {
		b = append(b, `;x="`...)
		b = appendLists(b, k)
		b = append(b, '"')
	}
	return b
}

// appendMemberHead writes all of a member but its lists.
func appendMemberHead(b []byte, h *hop, k *Known, next uint32) []byte {
	b = append(append(append(b, ", "...), h.label...), '/')
	b = appendNumber(append(appendHex8(b, h.nonce), ':'), k.Tick)
	if next != 0 && next != k.Tick {
		b = appendNumber(append(b, ";f="...), next)
	}
	if h.detached {
		b = append(b, ";d"...)
	}
	if h.gap {
		b = append(b, ";g"...)
	}
	if k.Ended {
		b = append(b, ";e"...)
	}
	if k.Lossy {
		b = append(b, ";l"...)
	}
	return b
}

func appendLists(b []byte, k *Known) []byte {
	b = appendOpen(b, k.Open)
	if len(k.Open) > 0 && len(k.Seen) > 0 {
		b = append(b, ' ')
	}
	return appendSeen(b, k.Seen)
}

func appendOpen(b []byte, open []Forks) []byte {
	for i, f := range open {
		if i > 0 {
			b = append(b, ' ')
		}
		if f.Known != nil {
			b = appendKnown(b, f)
		} else {
			b = appendRange(b, f.First, f.Last, f.Lossy)
		}
	}
	return b
}

func appendRange(b []byte, first, last uint32, lossy bool) []byte {
	b = appendNumber(b, first)
	if first != last {
		b = appendNumber(append(b, '-'), last)
	}
	if lossy {
		b = append(b, '~')
	}
	return b
}

func appendSeen(b []byte, seen []Forks) []byte {
	for i, f := range seen {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendKnown(append(b, '+'), f)
	}
	return b
}

func appendKnown(b []byte, f Forks) []byte {
	b = appendNumber(append(appendNumber(b, f.First), '.'), f.Known.Tick)
	if f.Known.Ended {
		b = append(b, '!')
	}
	if f.Known.Lossy {
		b = append(b, '~')
	}
	if len(f.Known.Open) > 0 || len(f.Known.Seen) > 0 {
		b = append(appendLists(append(b, '('), f.Known), ')')
	}
	return b
}

// appendClock writes the whole of a clock that was taken apart.
func (l *lineage) appendClock(b []byte) []byte {
	b = appendVersion(b, l.trace)
	for i := range l.hops {
		b = appendMember(b, &l.hops[i], &l.spine[i], l.next(i))
	}
	return b
}

// next is the tick at which hop i forked the next one; 0 of the last.
func (l *lineage) next(i int) uint32 {
	if i+1 < len(l.hops) {
		return l.hops[i+1].fork
	}
	return 0
}

// consumeFork returns a clock's text as the prefix of the strand that the fork at its last tick made:
// everything that it said, without what it said of that fork.
func consumeFork(text string, at forkAt) string {
	if at.end == 0 {
		return text // made detached, and nothing is known of it
	}
	before, after := text[:at.entry], text[at.end:]
	alone := text[at.entry-1] == '"'
	switch {
	case at.first < at.last:
		b := appendRange(append(make([]byte, 0, len(text)), before...), at.first, at.last-1, at.lossy)
		return string(append(b, after...))
	case alone && after == `"`:
		return text[:at.list]
	case alone:
		return before + after[1:]
	default:
		return before[:len(before)-1] + after
	}
}
