package towline

import (
	"net/http"
	"strings"
)

// What a call carries beside the trace, where there is some of it: B3, baggage, the deadline, a probe.

// isPrivate reports whether a header field that is on the request already must not reach the host. A
// far one gets nothing that is ours, nor on a redirect the baggage that was meant for another host. A
// probe that this service does not answer goes nowhere, or a proxy would lend strangers its address.
func (c *Call) isPrivate(key string) bool {
	switch len(key) {
	case len(keyProbe):
		return (c.far || !c.began) && strings.EqualFold(key, keyProbe)
	case len(keyTimeout):
		return c.far && strings.EqualFold(key, keyTimeout)
	case len(keyBaggage):
		return c.far && c.redirected && strings.EqualFold(key, keyBaggage)
	default:
		return false
	}
}

func (c *Call) fillBeside(header http.Header) {
	t := c.towline
	if c.traceparent != "" && t.beside.anyB3() {
		removeFields(header, keyB3, keyB3Trace, keyB3Span, keyB3Sampled, keyB3Flags)
		t.beside.writeB3(header, c.place.traceID, c.spanID, c.place.flags)
	}
	c.fillBaggage(header)
	if c.far {
		return
	}
	if probe := c.place.carried.probing(); probe != nil {
		removeFields(header, keyProbe)
		header[keyProbe] = []string{probe.value}
	}
	if !c.deadline.IsZero() {
		removeFields(header, keyTimeout)
		if text, ok := timeoutText(c.deadline); ok {
			header[keyTimeout] = []string{text}
		} else {
			t.dropped(WhatTimeout, ReasonExpired)
		}
	}
}

// fillBaggage passes baggage on, unless the application has set its own.
func (c *Call) fillBaggage(header http.Header) {
	baggage := c.place.Baggage()
	if baggage == "" {
		return
	}
	for key := range header {
		if strings.EqualFold(key, keyBaggage) {
			return
		}
	}
	if c.far {
		c.towline.dropped(WhatBaggage, ReasonWithheld)
	} else {
		header[keyBaggage] = []string{baggage}
	}
}

// removeFields takes fields out, in whatever case they were put into the map.
func removeFields(header http.Header, keys ...string) {
	for key := range header {
		for _, name := range keys {
			if strings.EqualFold(key, name) {
				delete(header, key)
			}
		}
	}
}
