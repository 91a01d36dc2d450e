package towline

import "sync/atomic"

// Counters counts what an [Observer] is told; every Towline has one. It is safe for concurrent use.
//
// The keys are strand_start, strand_end, call_sent, call_answered, cancelled, and what/reason for
// everything refused, withheld or cut, such as clock/malformed or send/withheld. [Counters.Summary]
// gives the same by what it means.
type Counters struct {
	counts [len(counterKeys)]atomic.Uint64

	received, continued, sent, joined atomic.Uint64
}

// counterKeys are all keys that there are. Source: spec/api.md, "Observers", and spec/edge.md.
var counterKeys = [...]string{
	"strand_start", "strand_end", "call_sent", "call_answered", "cancelled",
	"traceparent/absent", "traceparent/duplicate", "traceparent/malformed", "traceparent/zero_id", "traceparent/untrusted",
	"traceparent/b3_malformed",
	"tracestate/malformed", "tracestate/too_many_members", "tracestate/untrusted", "tracestate/too_long",
	"clock/duplicate", "clock/too_long", "clock/version", "clock/other_trace", "clock/malformed", "clock/over_limits",
	"clock/no_traceparent", "clock/untrusted",
	"member/malformed", "member/over_limits",
	"answer/absent", "answer/duplicate", "answer/too_long", "answer/version", "answer/other_trace", "answer/malformed",
	"answer/over_limits", "answer/other_strand",
	"send/withheld", "send/cut", "send/too_long", "send/over_limits",
	"context/none", "context/shared_strand",
	"baggage/too_long", "baggage/too_many_members", "baggage/malformed", "baggage/withheld",
	"timeout/malformed", "timeout/expired",
}

const (
	countStrandStart = iota
	countStrandEnd
	countCallSent
	countCallAnswered
	countCancelled
	countDrops // where the keys of drops begin
)

type drop struct {
	what   What
	reason Reason
}

// dropCounts is where each drop is counted.
var dropCounts = func() map[drop]int {
	out := make(map[drop]int, len(counterKeys))
	for i, key := range counterKeys[countDrops:] {
		for at := range key {
			if key[at] == '/' {
				out[drop{What(key[:at]), Reason(key[at+1:])}] = countDrops + i
			}
		}
	}
	return out
}()

// Get returns the count of a key, 0 for a key that there is not.
func (c *Counters) Get(key string) uint64 {
	for i, known := range counterKeys {
		if known == key {
			return c.counts[i].Load()
		}
	}
	return 0
}

// All returns the counts that are not 0, by key.
func (c *Counters) All() map[string]uint64 {
	out := map[string]uint64{}
	for i, key := range counterKeys {
		if n := c.counts[i].Load(); n > 0 {
			out[key] = n
		}
	}
	return out
}

// OnStrandStart implements [Observer].
func (c *Counters) OnStrandStart(StrandEvent) { c.counts[countStrandStart].Add(1) }

// OnStrandEnd implements [Observer].
func (c *Counters) OnStrandEnd(e StrandEvent) {
	c.counts[countStrandEnd].Add(1)
	if e.Outcome == OutcomeCancelled {
		c.counts[countCancelled].Add(1)
	}
}

// OnCallSent implements [Observer].
func (c *Counters) OnCallSent(CallEvent) { c.counts[countCallSent].Add(1) }

// OnCallAnswered implements [Observer].
func (c *Counters) OnCallAnswered(CallEvent) { c.counts[countCallAnswered].Add(1) }

// OnDropped implements [Observer]. What is not on the list of the specification is not counted.
func (c *Counters) OnDropped(what What, reason Reason) {
	if at, known := dropCounts[drop{what, reason}]; known {
		c.counts[at].Add(1)
	}
}
