package towline

import (
	"context"
	"strings"
)

// SendMessage puts the trace into a message's headers, as a detached fork: nobody waits for what becomes
// of it. It returns the producer span, which the consumer sees as its parent. Without a current place a
// new trace begins for the message, by the [Default] instance, and context/none is counted.
//
//	message := map[string]string{}
//	towline.SendMessage(ctx, towline.MapCarrier(message))
//
// Source: spec/edge.md, "Messages".
func SendMessage(ctx context.Context, carrier Carrier) SpanID {
	place := FromContext(ctx)
	if place == nil {
		return Default().sendMessage(nil, carrier)
	}
	return place.towline.sendMessage(place, carrier)
}

// SendMessage is [SendMessage] by the settings of t.
func (t *Towline) SendMessage(ctx context.Context, carrier Carrier) SpanID {
	return t.sendMessage(FromContext(ctx), carrier)
}

func (t *Towline) sendMessage(place *Place, carrier Carrier) SpanID {
	if t.config.Disabled {
		return SpanID{}
	}
	if !takes(carrier) {
		t.config.Logger.Warn("towline: a message has no headers that could be set, so its trace ends here")
		return SpanID{}
	}
	alone := place == nil
	if alone {
		place = t.beginAlone(KindProducer)
	}
	c := &Call{towline: t, detached: true}
	c.begin(place)
	put(carrier, traceFields(c.traceparent, c.tracestate, c.clock))
	c.Sent()
	if alone {
		place.End(OutcomeOK)
	}
	return c.spanID
}

func traceFields(traceparent, tracestate, clock string) [3]field {
	return [3]field{
		{strings.ToLower(keyTraceparent), []string{traceparent}},
		{strings.ToLower(keyTracestate), []string{tracestate}},
		{strings.ToLower(keyClock), []string{clock}},
	}
}

// sendAnywhere is send to who is nobody's host, such as a broker: it gets all.
func (c *Call) sendAnywhere(place *Place) {
	switch c.mode(place) {
	case ClockOff:
		c.place, _ = place.act((*Strand).event)
	case ClockOnV1:
		c.place, _ = place.act((*Strand).event)
		c.sendV1()
	default:
		c.sendV2(place, sending{detached: c.detached})
	}
	c.writeTrace()
}

// ReceiveMessage reads the trace of a message, with all rules of a request but that of its peer, which
// is not known. The place of its handling, of kind consumer, is current in the context returned; end it
// with [Place.End].
//
//	ctx, place := tow.ReceiveMessage(ctx, towline.MapCarrier(message.Attributes))
//	defer place.End(towline.OutcomeOK)
func (t *Towline) ReceiveMessage(ctx context.Context, carrier Carrier) (context.Context, *Place) {
	if t.config.Disabled || carrier == nil {
		return ctx, nil
	}
	place := new(Place)
	t.serve(place, headerOf(carrier), nil)
	t.strandStarted(place)
	return NewContext(ctx, place), place
}

// ReceiveBatch begins a new trace for the handling of several messages at once, with a link to each of
// them ([Place.Links]). The place is of kind consumer; end it with [Place.End].
func (t *Towline) ReceiveBatch(ctx context.Context, carriers ...Carrier) (context.Context, *Place) {
	if t.config.Disabled {
		return ctx, nil
	}
	place := new(Place)
	for _, carrier := range carriers {
		if carrier == nil {
			continue
		}
		header := headerOf(carrier)
		t.counters.batched.Add(1)
		came, err := ParseTraceContext(header[keyTraceparent], header[keyTracestate])
		if err == errTraceparentAbsent && t.beside.anyB3() {
			came, _, err = t.fromB3(header)
		}
		if err != nil {
			t.dropped(WhatTraceparent, reasonOf(err))
			continue
		}
		if came.TracestateDropped != "" {
			t.dropped(WhatTracestate, came.TracestateDropped)
		}
		t.counters.linked.Add(1)
		place.carry().links = append(place.carry().links, came)
	}
	place.begin(t, KindConsumer, t.config.Sampled)
	t.strandStarted(place)
	t.counters.batches.Add(1)
	return NewContext(ctx, place), place
}

// ReceiveMessage is [Towline.ReceiveMessage] of the [Default] instance.
func ReceiveMessage(ctx context.Context, carrier Carrier) (context.Context, *Place) {
	return Default().ReceiveMessage(ctx, carrier)
}

// ReceiveBatch is [Towline.ReceiveBatch] of the [Default] instance.
func ReceiveBatch(ctx context.Context, carriers ...Carrier) (context.Context, *Place) {
	return Default().ReceiveBatch(ctx, carriers...)
}

// Links returns the traces that the place belongs to beside its own: those of the messages of a batch,
// and the one that was restarted for lack of trust. The caller owns the list.
func (p *Place) Links() []TraceContext {
	if p == nil {
		return nil
	}
	var out []TraceContext
	if p.link != nil {
		out = append(out, *p.link)
	}
	if p.carried != nil {
		out = append(out, p.carried.links...)
	}
	return out
}
