package towline

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// componentsMax is the largest number of components that a v1 clock may have.
const componentsMax = 256

// ClockV1 is the clock of the first version: one counter for each service instance that a request has
// passed, in the order received. It cannot tell concurrent handlers of one service apart, so every
// order that it gives holds per service only.
//
// Source: spec/strand-clocks.md, "v1"; vectors/clock-v1.json pins it.
type ClockV1 struct{ components []ComponentV1 }

// ComponentV1 is one counter of a ClockV1.
type ComponentV1 struct {
	Name  string // "service#instance"
	Count uint32 // at most 2³¹−1
}

// NewClockV1 returns the clock of these components, which have to have different names.
func NewClockV1(components ...ComponentV1) ClockV1 {
	return ClockV1{append([]ComponentV1(nil), components...)}
}

// ReadClockV1 reads a v1 clock, "v1;" and base64url of JSON. trace is that of the traceparent beside
// it, and the payload has to name the same. The error is a [*RefusedError].
func ReadClockV1(header string, trace TraceID) (ClockV1, error) {
	return readClockV1(header, trace, headerDefault)
}

func readClockV1(header string, trace TraceID, bytesMax int) (ClockV1, error) {
	if len(header) > bytesMax {
		return ClockV1{}, &RefusedError{ReasonTooLong, "v1 clock is longer than the limit"}
	}
	encoded, isV1 := strings.CutPrefix(strings.Trim(header, " \t"), "v1;")
	if !isV1 {
		return ClockV1{}, &RefusedError{ReasonVersion, "not a v1 clock"}
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // which the decoder would skip
		return ClockV1{}, malformedV1("not base64url")
	}
	payload, ok := parseJSON(raw)
	if !ok || payload.kind != jsonObject {
		return ClockV1{}, malformedV1("not base64url of a JSON object")
	}
	id := payload.member("trace_id")
	if id == nil || id.kind != jsonString {
		return ClockV1{}, malformedV1("no trace id")
	}
	of, ok := parseUUID(id.text)
	if !ok {
		return ClockV1{}, malformedV1("trace id is not a UUID in lower case")
	}
	if of != trace {
		return ClockV1{}, &RefusedError{ReasonOtherTrace, "v1 clock is of another trace"}
	}
	return readComponents(payload.member("clock"))
}

func malformedV1(detail string) error { return &RefusedError{ReasonMalformed, detail} }

func readComponents(list *jsonValue) (ClockV1, error) {
	if list == nil || list.kind != jsonArray {
		return ClockV1{}, malformedV1("clock is not a list")
	}
	if len(list.items) > componentsMax {
		return ClockV1{}, &RefusedError{ReasonOverLimits, "more than 256 components"}
	}
	var out ClockV1
	for _, entry := range list.items {
		if entry.kind != jsonArray || len(entry.items) != 2 || entry.items[0].kind != jsonString || entry.items[1].kind != jsonNumber {
			return ClockV1{}, malformedV1("an entry is not a name and a number")
		}
		name := entry.items[0].text
		count, ok := parseCount(entry.items[1].text)
		if ok && count > tickMax {
			return ClockV1{}, &RefusedError{ReasonOverLimits, "counter above 2^31-1"}
		}
		if _, twice := out.get(name); !ok || twice || name == "" || strings.IndexFunc(name, isControl) >= 0 {
			return ClockV1{}, malformedV1("bad component")
		}
		out.components = append(out.components, ComponentV1{name, uint32(count)})
	}
	return out, nil
}

// parseCount reads a JSON number that is whole and not negative as it is written; one that is larger
// than any integer is the largest.
func parseCount(text string) (count uint64, ok bool) {
	count, err := strconv.ParseUint(text, 10, 64)
	return count, err == nil || errors.Is(err, strconv.ErrRange)
}

func parseUUID(s string) (id TraceID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	return id, parseHex(id[:], s[:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])
}

// Components returns the counters in the order received.
func (c ClockV1) Components() []ComponentV1 { return append([]ComponentV1(nil), c.components...) }

func (c ClockV1) get(name string) (uint32, bool) {
	for _, component := range c.components {
		if component.Name == name {
			return component.Count, true
		}
	}
	return 0, false
}

// Send returns the clock to send: the component own raised by one, the others as they are. The error,
// over_limits, says that a receiver would refuse it.
func (c ClockV1) Send(own string) (ClockV1, error) {
	out := c.Components()
	for i := range out {
		if out[i].Name == own {
			if out[i].Count >= tickMax {
				return ClockV1{}, &RefusedError{ReasonOverLimits, "counter above 2^31-1"}
			}
			out[i].Count++
			return ClockV1{out}, nil
		}
	}
	if len(out) >= componentsMax {
		return ClockV1{}, &RefusedError{ReasonOverLimits, "more than 256 components"}
	}
	return ClockV1{append(out, ComponentV1{own, 1})}, nil
}

// Write returns the header value. span is the call's client span, parent the caller's own.
func (c ClockV1) Write(trace TraceID, span, parent SpanID, service, instance string) string {
	id := trace.String()
	clock := make([][2]any, len(c.components))
	for i, component := range c.components {
		clock[i] = [2]any{component.Name, component.Count}
	}
	payload, err := json.Marshal(struct {
		TraceID      string   `json:"trace_id"`
		SpanID       string   `json:"span_id"`
		ParentSpanID string   `json:"parent_span_id"`
		Service      string   `json:"service"`
		Instance     string   `json:"instance"`
		Clock        [][2]any `json:"clock"`
	}{id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:], span.String(), parent.String(), service, instance, clock})
	if err != nil {
		panic("towline: strings and numbers cannot be written as JSON: " + err.Error())
	}
	return "v1;" + base64.RawURLEncoding.EncodeToString(payload)
}

// Compare returns how c stands to other, component by component; never Unknown.
func (c ClockV1) Compare(other ClockV1) Order {
	below, above := c.within(other), other.within(c)
	switch {
	case below && above:
		return Equal
	case below:
		return Before
	case above:
		return After
	default:
		return Concurrent
	}
}

func (c ClockV1) within(other ClockV1) bool {
	for _, component := range c.components {
		if count, _ := other.get(component.Name); count < component.Count {
			return false
		}
	}
	return true
}
