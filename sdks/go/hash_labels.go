package towline

import (
	"crypto/sha256"
	"strings"
)

// withoutNames is a clock's text with each service and instance replaced by the first 8 hex digits of
// its SHA-256, within limits. Labels are no part of any order.
//
// Source: spec/edge.md, "Safe by default".
func withoutNames(text string, limits Limits) (hashed string, wasCut bool, err error) {
	l := Clock{text}.lineage()
	for i := range l.hops {
		service, instance, _ := strings.Cut(l.hops[i].label, "#")
		l.hops[i].label = hashedLabel(unquoted(service)) + "#" + hashedLabel(unquoted(instance))
	}
	if b := l.appendClock(nil); len(b) <= limits.HeaderBytesMax {
		return string(b), false, nil
	}
	hashed, err = l.cut(limits)
	return hashed, true, err
}

// unquoted reads a label that was written here, or read before.
func unquoted(quoted string) string {
	label, _ := unquoteLabel(quoted)
	return label
}

func hashedLabel(label string) string {
	sum := sha256.Sum256([]byte(label))
	var b [8]byte
	putHex(b[:], sum[:4])
	return string(b[:])
}

// withoutNames is the clock with hashes in place of the names of its components.
func (c ClockV1) withoutNames() ClockV1 {
	out := make([]ComponentV1, len(c.components))
	for i, component := range c.components {
		name, instance, hasInstance := strings.Cut(component.Name, "#")
		out[i] = ComponentV1{hashedLabel(name), component.Count}
		if hasInstance {
			out[i].Name += "#" + hashedLabel(instance)
		}
	}
	return ClockV1{out}
}
