package towline

// What names what was refused, withheld or cut; with a Reason it makes the key of a counter.
// Source: spec/api.md, "Observers".
type What string

// What can be dropped.
const (
	WhatTraceparent What = "traceparent"
	WhatTracestate  What = "tracestate"
	WhatClock       What = "clock"  // received on a request
	WhatMember      What = "member" // our tracestate member
	WhatAnswer      What = "answer" // a clock received on a response
	WhatSend        What = "send"
	WhatContext     What = "context"
	WhatBaggage     What = "baggage"
	WhatTimeout     What = "timeout"
)

// Reason says why something was refused, withheld or cut.
type Reason string

// The reasons; which of them go with which What is listed in spec/api.md and spec/edge.md.
const (
	ReasonAbsent         Reason = "absent"
	ReasonDuplicate      Reason = "duplicate"
	ReasonMalformed      Reason = "malformed"
	ReasonZeroID         Reason = "zero_id"
	ReasonUntrusted      Reason = "untrusted"
	ReasonTooManyMembers Reason = "too_many_members"
	ReasonTooLong        Reason = "too_long"
	ReasonVersion        Reason = "version"
	ReasonOtherTrace     Reason = "other_trace"
	ReasonOverLimits     Reason = "over_limits"
	ReasonNoTraceparent  Reason = "no_traceparent"
	ReasonOtherStrand    Reason = "other_strand"
	ReasonWithheld       Reason = "withheld"
	ReasonCut            Reason = "cut"
	ReasonNone           Reason = "none"
	ReasonB3Malformed    Reason = "b3_malformed"
	ReasonExpired        Reason = "expired"
)

// RefusedError is why a header was not read, or a clock not merged or written.
type RefusedError struct {
	Reason Reason
	Detail string // for people: a fragment that names the rule
}

// Error implements error.
func (e *RefusedError) Error() string { return "towline: " + string(e.Reason) + ": " + e.Detail }

// Is reports whether target is a RefusedError of the same reason, so that errors.Is finds a kind of
// refusal whatever its detail.
func (e *RefusedError) Is(target error) bool {
	other, ok := target.(*RefusedError)
	return ok && other.Reason == e.Reason
}

// reasonOf returns the reason of an error that the readers and writers of this package return.
func reasonOf(err error) Reason {
	if refused, ok := err.(*RefusedError); ok {
		return refused.Reason
	}
	return ReasonMalformed
}
