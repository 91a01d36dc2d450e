package towline

// mergeKnown returns all that a and b together know of one strand: their least upper bound.
// It changes neither, and the result may share nodes with both.
func mergeKnown(a, b *Known) *Known {
	out := &Known{Tick: max(a.Tick, b.Tick), Ended: a.Ended || b.Ended}
	out.Lossy = (a.Lossy || b.Lossy) && !out.Ended
	out.Open = mergeOpen(a, b)
	out.Seen = mergeSeen(a.Seen, b.Seen)
	return out
}

// mergeOpen walks both lists at once, in segments that each side either holds wholly or not at all.
func mergeOpen(a, b *Known) []Forks {
	var out []Forks
	x, y := walk{rest: a.Open}, walk{rest: b.Open}
	for x.next() || y.next() {
		switch {
		case !y.next() || x.next() && x.now.Last < y.now.First:
			out = pushOneSided(out, x.take(x.now.Last), b)
		case !x.next() || y.now.Last < x.now.First:
			out = pushOneSided(out, y.take(y.now.Last), a)
		case x.now.First < y.now.First:
			out = pushOneSided(out, x.take(y.now.First-1), b)
		case y.now.First < x.now.First:
			out = pushOneSided(out, y.take(x.now.First-1), a)
		default:
			last := min(x.now.Last, y.now.Last)
			out = pushBoth(out, x.take(last), y.take(last))
		}
	}
	return out
}

// walk goes through a fork list, splitting ranges where the other list asks for it.
type walk struct {
	rest []Forks
	now  Forks
	held bool
}

func (w *walk) next() bool {
	if !w.held && len(w.rest) > 0 {
		w.now, w.rest, w.held = w.rest[0], w.rest[1:], true
	}
	return w.held
}

// take returns what stands up to fork last, and goes on behind it.
func (w *walk) take(last uint32) Forks {
	part := w.now
	part.Last = last
	w.held = last < w.now.Last
	w.now.First = last + 1
	return part
}

// pushOneSided appends forks that one side lists, with what the other, which does not, says of them:
// where it knows the fork at all, it knows it completely.
func pushOneSided(out []Forks, f Forks, other *Known) []Forks {
	if f.Known == nil {
		if other.knowsFork(f.Last) {
			return out
		}
		f.First = max(f.First, other.Tick+1)
		return pushFork(out, f)
	}
	if other.knowsFork(f.First) {
		return pushIncomplete(out, f.First, completed(f.Known))
	}
	return pushIncomplete(out, f.First, pruned(f.Known))
}

func pushBoth(out []Forks, x, y Forks) []Forks {
	if x.Known == nil && y.Known == nil {
		x.Lossy = x.Lossy || y.Lossy
		return pushFork(out, x)
	}
	return pushIncomplete(out, x.First, mergeKnown(x.node(), y.node()))
}

// node is what an entry says of one of its forks.
func (f Forks) node() *Known {
	if f.Known == nil {
		return &Known{Lossy: f.Lossy}
	}
	return f.Known
}

func pushIncomplete(out []Forks, t uint32, k *Known) []Forks {
	if k.complete() {
		return out
	}
	return append(out, Forks{First: t, Last: t, Known: k})
}

func mergeSeen(a, b []Forks) []Forks {
	var out []Forks
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].First < b[0].First:
			out = append(out, Forks{First: a[0].First, Last: a[0].First, Known: pruned(a[0].Known)})
			a = a[1:]
		case len(a) == 0 || b[0].First < a[0].First:
			out = append(out, Forks{First: b[0].First, Last: b[0].First, Known: pruned(b[0].Known)})
			b = b[1:]
		default:
			out = append(out, Forks{First: a[0].First, Last: a[0].First, Known: mergeKnown(a[0].Known, b[0].Known)})
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// pruned returns k without the attached forks that are known completely: a sender's own way lists them.
func pruned(k *Known) *Known {
	out := &Known{Tick: k.Tick, Ended: k.Ended, Lossy: k.Lossy, Seen: prunedSeen(k.Seen)}
	for _, f := range k.Open {
		if f.Known == nil {
			out.Open = pushFork(out.Open, f)
		} else {
			out.Open = pushIncomplete(out.Open, f.First, pruned(f.Known))
		}
	}
	return out
}

// completed returns k as it is once its strand is known completely: all that is left to say is what
// was seen of detached forks.
func completed(k *Known) *Known {
	out := &Known{Tick: k.Tick, Ended: true, Seen: prunedSeen(k.Seen)}
	for _, f := range k.Open {
		if f.Known != nil {
			out.Open = pushIncomplete(out.Open, f.First, completed(f.Known))
		}
	}
	return out
}

func prunedSeen(list []Forks) []Forks {
	if len(list) == 0 {
		return nil
	}
	out := make([]Forks, len(list))
	for i, f := range list {
		out[i] = Forks{First: f.First, Last: f.Last, Known: pruned(f.Known)}
	}
	return out
}
