package towline

import "strings"

// Summary is what the counters mean for an operator: how many requests kept their trace, how many calls
// carried a clock, and why others did not. Its JSON is that of the status handler.
//
// Source: spec/edge.md, "Status".
type Summary struct {
	Received     uint64            `json:"received"`      // requests and messages that were read
	Continued    uint64            `json:"continued"`     // those whose trace went on
	Restarted    map[Reason]uint64 `json:"restarted"`     // those where it began anew
	Cancelled    uint64            `json:"cancelled"`     // strands that ended because the caller went
	ClockDropped map[Reason]uint64 `json:"clock_dropped"` // clocks that came and were not used
	ClockCut     uint64            `json:"clock_cut"`     // clocks that were sent shortened
	Sent         uint64            `json:"sent"`          // calls with a clock
	NotSent      map[Reason]uint64 `json:"not_sent"`      // calls without one that should have had one
	NoContext    uint64            `json:"no_context"`    // calls without a current place
	Joined       uint64            `json:"joined"`        // calls whose answer was joined
	Lost         map[Reason]uint64 `json:"lost"`          // calls whose answer could not be joined
}

// Summary returns the counts so far.
func (c *Counters) Summary() Summary {
	restarted, begun := c.byReason(WhatTraceparent), c.linked.Load()
	for _, n := range restarted {
		begun += n
	}
	// A batch is one strand, but as many messages as it has. It is counted after its strand.
	batches := c.batches.Load()
	received := c.batched.Load() + c.served.Load() - batches
	return Summary{
		Received: received, Continued: received - min(begun, received), // a request is counted after its drops
		Restarted:    restarted,
		Cancelled:    c.Get("cancelled"),
		ClockDropped: c.byReason(WhatClock, WhatMember),
		ClockCut:     c.Get("send/cut"),
		Sent:         c.clocked.Load(),
		NotSent:      c.notSent(),
		NoContext:    c.Get("context/none"),
		Joined:       c.joined.Load(),
		Lost:         c.byReason(WhatAnswer),
	}
}

// notSent leaves out the clocks that were sent, but shortened.
func (c *Counters) notSent() map[Reason]uint64 {
	out := c.byReason(WhatSend)
	delete(out, ReasonCut)
	return out
}

// byReason adds up what was counted as one of whats, by reason.
func (c *Counters) byReason(whats ...What) map[Reason]uint64 {
	out := map[Reason]uint64{}
	for i, key := range counterKeys[countDrops:] {
		what, reason, _ := strings.Cut(key, "/")
		for _, wanted := range whats {
			if n := c.counts[countDrops+i].Load(); What(what) == wanted && n > 0 {
				out[Reason(reason)] += n
			}
		}
	}
	return out
}
