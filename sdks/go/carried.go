package towline

import "time"

// carried is what a place has beside its trace. Few requests bring any of it, and then it is nil.
type carried struct {
	baggage  string
	deadline time.Time // zero: none
	probe    *probing  // nil: nobody asked, or was not allowed to
	links    []TraceContext
}

// carry makes p able to carry something.
func (p *Place) carry() *carried {
	if p.carried == nil {
		p.carried = new(carried)
	}
	return p.carried
}

// forked is what an attached child carries, to whom deadline applies.
func (c *carried) forked(deadline time.Time) *carried {
	switch {
	case c == nil && deadline.IsZero():
		return nil
	case c == nil:
		return &carried{deadline: deadline}
	case c.deadline.Equal(deadline):
		return c
	default:
		out := *c
		out.deadline = deadline
		return &out
	}
}

func (c *carried) probing() *probing {
	if c == nil {
		return nil
	}
	return c.probe
}
