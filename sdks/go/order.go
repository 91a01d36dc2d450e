package towline

// Order is how one event stands to another. Source: spec/strand-clocks.md, "The idea".
type Order string

// The orders. Unknown is the honest answer where a clock was cut for size, an answer brought no clock,
// or a service without clocks lies between; it is never a guess.
const (
	Before     Order = "before"
	After      Order = "after"
	Equal      Order = "equal"
	Concurrent Order = "concurrent"
	Unknown    Order = "unknown"
)

// compare returns how the event of l stands to that of other.
func (l *lineage) compare(other *lineage) Order {
	if l.trace != other.trace || l.hops[0].nonce != other.hops[0].nonce {
		return Unknown // of two traces, or of two first strands: a hop without clocks lies between
	}
	same := true
	for i := range min(len(l.hops), len(other.hops)) {
		x, y := &l.hops[i], &other.hops[i]
		if x.fork != y.fork || x.detached != y.detached {
			same = false
			break
		}
		if x.nonce != y.nonce { // one send, handled twice
			if x.gap || y.gap {
				return Unknown
			}
			return Concurrent
		}
	}
	if same && len(l.hops) == len(other.hops) && l.own().Tick == other.own().Tick {
		return Equal
	}
	inOther, sureOther := knows(other.tree()[0], l)
	if inOther {
		return Before
	}
	inL, sureL := knows(l.tree()[0], other)
	if inL {
		return After
	}
	if !sureL || !sureOther {
		return Unknown
	}
	return Concurrent
}

// knows reports whether the event whose clock is of lies in what k, of the first strand, knows; sure
// is false where k was cut and cannot tell.
func knows(k *Known, of *lineage) (known, sure bool) {
	for i := range of.hops[1:] {
		hop := &of.hops[1+i]
		if !k.knowsFork(hop.fork) {
			return false, !k.Lossy
		}
		list := k.Open
		if hop.detached {
			list = k.Seen
		}
		at, listed := findFork(list, hop.fork)
		switch {
		case listed:
			k = list[at].node()
		case hop.detached:
			return false, !k.Lossy
		default: // known completely, its detached forks not at all
			for _, below := range of.hops[2+i:] {
				if below.detached {
					return false, true
				}
			}
			return true, true
		}
	}
	if of.own().Tick <= k.Tick || k.Ended {
		return true, true
	}
	return false, !k.Lossy
}
