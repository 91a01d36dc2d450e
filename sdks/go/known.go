package towline

// Known is what an event knows of one strand: a node of a clock's tree of knowledge.
//
// Forks are kept by how they were made. An attached fork (a call that somebody waits for) is known
// completely unless it stands in Open; a detached one (a task that nobody joins) is not known at all
// unless it stands in Seen. Both lists are ascending and disjoint, and neighbouring forks of which
// equally nothing is known are one entry, so a thousand calls in flight are one entry.
//
// Source: spec/strand-clocks.md, "The idea".
type Known struct {
	Tick  uint32  // ticks 1 to Tick are known, at most 2³¹−1
	Ended bool    // Tick was the strand's last one
	Lossy bool    // cut for size: more than this may be known
	Open  []Forks // attached forks that are not known completely
	Seen  []Forks // detached forks of which something is known
}

// Forks is an entry of a fork list: either the forks First to Last, of which nothing is known (then
// Known is nil), or the one fork First = Last with what is known of it.
type Forks struct {
	First, Last uint32
	Lossy       bool // of a range: what these calls did cannot be told
	Known       *Known
}

// complete reports whether k is knowledge of everything that the strand and its attached forks did.
func (k *Known) complete() bool {
	return k.Ended && !k.Lossy && len(k.Open) == 0 && len(k.Seen) == 0
}

// knowsFork reports whether the strand's tick t, and so a fork made at it, lies in what k knows.
func (k *Known) knowsFork(t uint32) bool { return k.Ended || t <= k.Tick }

// clone returns a copy that shares nothing with k.
func (k *Known) clone() Known {
	out := *k
	out.Open, out.Seen = cloneForks(k.Open), cloneForks(k.Seen)
	return out
}

func cloneForks(list []Forks) []Forks {
	if len(list) == 0 {
		return nil
	}
	out := make([]Forks, len(list))
	for i, f := range list {
		if f.Known != nil {
			known := f.Known.clone()
			f.Known = &known
		}
		out[i] = f
	}
	return out
}

// size counts the forks of which nothing is known, and the levels of nested lists below k.
func (k *Known) size() (forks, levels int) {
	for _, list := range [2][]Forks{k.Open, k.Seen} {
		for _, f := range list {
			below := 1
			if f.Known == nil {
				forks += int(f.Last-f.First) + 1
			} else {
				inner, deeper := f.Known.size()
				forks, below = forks+inner, deeper+1
			}
			levels = max(levels, below)
		}
	}
	return forks, levels
}
