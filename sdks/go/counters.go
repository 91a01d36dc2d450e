package towline

import "sync/atomic"

// Counters counts what an [Observer] is told; every Towline has one. It is safe for concurrent use.
//
// The keys are strand_start, strand_end, call_sent, call_answered, cancelled, and what/reason for
// everything refused, withheld or cut, such as clock/malformed or send/withheld. [Counters.Summary]
// gives the same by what it means.
type Counters struct {
	counts [len(counterKeys)]atomic.Uint64

	// Parts of strand_start, call_sent and call_answered, counted in place of those: nothing is counted
	// twice for one event.
	served  atomic.Uint64 // strands that a request or a message started
	clocked atomic.Uint64 // calls with a clock
	joined  atomic.Uint64 // calls whose answer was joined

	batches, batched, linked atomic.Uint64 // batches of messages, their messages, and those that are linked
}

// count returns the count of the key with that index.
func (c *Counters) count(i int) uint64 {
	n := c.counts[i].Load()
	switch i {
	case countStrandStart:
		n += c.served.Load()
	case countCallSent:
		n += c.clocked.Load()
	case countCallAnswered:
		n += c.joined.Load()
	}
	return n
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
			return c.count(i)
		}
	}
	return 0
}

// All returns the counts that are not 0, by key.
func (c *Counters) All() map[string]uint64 {
	out := map[string]uint64{}
	for i, key := range counterKeys {
		if n := c.count(i); n > 0 {
			out[key] = n
		}
	}
	return out
}

// OnStrandStart implements [Observer].
func (c *Counters) OnStrandStart(e StrandEvent) { c.strandStarted(e.Kind) }

func (c *Counters) strandStarted(kind Kind) {
	if kind == KindServer || kind == KindConsumer {
		c.served.Add(1)
	} else {
		c.counts[countStrandStart].Add(1)
	}
}

// OnStrandEnd implements [Observer].
func (c *Counters) OnStrandEnd(e StrandEvent) { c.strandEnded(e.Outcome) }

func (c *Counters) strandEnded(outcome Outcome) {
	c.counts[countStrandEnd].Add(1)
	if outcome == OutcomeCancelled {
		c.counts[countCancelled].Add(1)
	}
}

// OnCallSent implements [Observer].
func (c *Counters) OnCallSent(e CallEvent) { c.callSent(!e.Clock.IsZero() && e.Kind != KindProducer) }

func (c *Counters) callSent(withClock bool) {
	if withClock {
		c.clocked.Add(1)
	} else {
		c.counts[countCallSent].Add(1)
	}
}

// OnCallAnswered implements [Observer].
func (c *Counters) OnCallAnswered(e CallEvent) {
	c.callEnded(e.Outcome == OutcomeOK && e.Kind != KindProducer)
}

func (c *Counters) callEnded(joined bool) {
	if joined {
		c.joined.Add(1)
	} else {
		c.counts[countCallAnswered].Add(1)
	}
}

// OnDropped implements [Observer]. What is not on the list of the specification is not counted.
func (c *Counters) OnDropped(what What, reason Reason) {
	if at, known := dropCounts[drop{what, reason}]; known {
		c.counts[at].Add(1)
	}
}
