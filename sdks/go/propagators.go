package towline

import (
	"slices"
	"strings"
)

// The propagators that WithPropagators and OTEL_PROPAGATORS may name. Trace Context and Towline's clock
// are always read and sent, so that nothing is silently off.
const (
	PropagatorTraceContext = "tracecontext"
	PropagatorBaggage      = "baggage"
	PropagatorB3           = "b3"      // one header
	PropagatorB3Multi      = "b3multi" // several headers
	PropagatorTowline      = "towline"
	PropagatorNone         = "none"
)

// propagators decides what is read and written beside Trace Context.
//
// Source: spec/edge.md, "Beside other propagators".
func (d *decision) propagatorWords() []string {
	said, isSet := d.propagators, d.propagators != nil
	if !isSet {
		text := environment("OTEL_PROPAGATORS")
		said, isSet = strings.Split(text, ","), text != ""
	}
	if !isSet {
		return []string{PropagatorTraceContext, PropagatorBaggage}
	}
	out := []string{}
	for _, entry := range said {
		switch word := strings.ToLower(strings.TrimSpace(entry)); word {
		case PropagatorTraceContext, PropagatorBaggage, PropagatorB3, PropagatorB3Multi, PropagatorTowline, PropagatorNone:
			if !slices.Contains(out, word) {
				out = append(out, word)
			}
		case "":
		default:
			d.ignored("propagators", word)
		}
	}
	if slices.Contains(out, PropagatorNone) {
		out = []string{PropagatorNone}
	}
	if !slices.Contains(out, PropagatorTraceContext) {
		d.logger.Warn("towline: the propagators do not name tracecontext, which is read and sent all the same", "setting", "propagators", "value", strings.Join(out, ","))
	}
	return out
}

// beside is which other formats are read and written.
type beside struct{ baggage, b3, b3multi bool }

func besideOf(propagators []string) beside {
	return beside{
		baggage: slices.Contains(propagators, PropagatorBaggage),
		b3:      slices.Contains(propagators, PropagatorB3),
		b3multi: slices.Contains(propagators, PropagatorB3Multi),
	}
}

func (b beside) anyB3() bool { return b.b3 || b.b3multi }
