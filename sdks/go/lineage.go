package towline

import "slices"

// lineage is a clock taken apart: the hops from the first strand to the sender, and what is known of
// each of them. What is known of a hop leaves out the fork that leads to the next one, as on the wire.
type lineage struct {
	trace uint32
	hops  []hop
	spine []Known
}

// hop is one strand on the way. Its label is as on the wire: "service#instance", escaped.
type hop struct {
	label    string
	nonce    uint32
	fork     uint32 // the tick of the hop above at which this one was forked; 0 of the first
	detached bool
	gap      bool // reached through a service that carries no clocks
}

func (l *lineage) own() *Known { return &l.spine[len(l.spine)-1] }

// tree puts the hops back into the tree of knowledge, and returns its node for each hop, the root first.
func (l *lineage) tree() []*Known {
	nodes := make([]*Known, len(l.spine))
	for i := len(l.spine) - 1; i >= 0; i-- {
		node := l.spine[i]
		if i+1 < len(nodes) {
			next := l.hops[i+1]
			f := Forks{First: next.fork, Last: next.fork, Known: nodes[i+1]}
			if next.detached {
				node.Seen = insertFork(node.Seen, f)
			} else {
				node.Open = insertFork(node.Open, f)
			}
		}
		nodes[i] = &node
	}
	return nodes
}

// claims returns the highest tick of the strand with these hops that root lists; 0 where it lists none.
func claims(root *Known, hops []hop) uint32 {
	k := root
	for _, h := range hops[1:] {
		list := k.Open
		if h.detached {
			list = k.Seen
		}
		at, listed := findFork(list, h.fork)
		if !listed {
			return 0
		}
		k = list[at].node()
	}
	return k.Tick
}

// adopt takes what is known of all hops from root, which grew from the tree was. Where one send was
// handled twice, the other handling may have ended, and then root no longer lists the way: what was
// known of it stays.
func (l *lineage) adopt(root *Known, was []*Known) {
	node := *root
	for i := range l.hops[1:] {
		next := l.hops[i+1]
		list := &node.Open
		if next.detached {
			list = &node.Seen
		}
		below := was[i+1]
		if at, listed := findFork(*list, next.fork); listed {
			below = (*list)[at].node()
			*list = removeFork(slices.Clone(*list), at, next.fork)
		}
		l.spine[i] = node
		node = *below
	}
	*l.own() = node
}
