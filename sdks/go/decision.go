package towline

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// decision gathers what options said; nil and empty mean that they said nothing.
type decision struct {
	serviceName, instance, clock   string
	disabled, tracestate, sampled  *bool
	traceResponse                  *bool
	deadlines, hashLabels          *bool
	propagators                    []string
	probe                          string
	probeRule                      probeRule
	spans                          Spans
	propagateTo, traceparentTo     []string
	headerBytesMax                 *int
	levelsMax, forksMax            *int
	trust                          func(*http.Request) Trust
	filter                         func(method, path string) bool
	observers                      []Observer
	logger                         *slog.Logger
	clockHosts, traceparentTargets hostList
}

func decide(options []Option) (*decision, Config) {
	d := new(decision)
	for _, option := range options {
		if option != nil {
			option(d)
		}
	}
	if d.logger == nil {
		d.logger = slog.Default()
	}
	attributes := d.resourceAttributes()
	c := Config{
		ServiceName:   firstOf(d.serviceName, environment("TOWLINE_SERVICE_NAME"), environment("OTEL_SERVICE_NAME"), attributes["service.name"], "unknown_service"),
		Instance:      firstOf(d.instance, environment("TOWLINE_INSTANCE"), attributes["service.instance.id"]),
		Disabled:      d.boolean(d.disabled, "TOWLINE_DISABLED", false),
		Clock:         d.clockMode(),
		Tracestate:    d.tracestateOn(),
		PropagateTo:   d.list(d.propagateTo, "TOWLINE_PROPAGATE_TO"),
		TraceparentTo: d.list(d.traceparentTo, "TOWLINE_TRACEPARENT_TO"),
		Sampled:       d.boolean(d.sampled, "TOWLINE_SAMPLED", true),
		Trust:         d.trust,
		TraceResponse: d.boolean(d.traceResponse, "TOWLINE_TRACE_RESPONSE", false),
		Propagators:   d.propagatorWords(),
		Deadlines:     d.boolean(d.deadlines, "TOWLINE_DEADLINES", false),
		HashLabels:    d.boolean(d.hashLabels, "TOWLINE_HASH_LABELS", false),
		Limits:        d.limits(),
		Filter:        d.filter,
		Observers:     d.observers,
		Logger:        d.logger,
	}
	if c.Instance == "" {
		c.Instance = fmt.Sprintf("%08x", rand.Uint32())
	}
	d.probeRule = probeRuleOf(firstOf(d.probe, environment("TOWLINE_PROBE")))
	c.Probe = d.probeRule.mode
	d.clockHosts = nearby()
	c.PropagateTo = d.addHosts(&d.clockHosts, "propagate_to", c.PropagateTo)
	c.TraceparentTo = d.addHosts(&d.traceparentTargets, "traceparent_to", c.TraceparentTo)
	if len(c.TraceparentTo) == 0 {
		c.TraceparentTo, d.traceparentTargets.all = []string{"*"}, true
	}
	return d, c
}

// environment gives a setting of the environment; empty means unset.
func environment(name string) string { return strings.TrimSpace(os.Getenv(name)) }

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (d *decision) ignored(name, value string) {
	d.logger.Warn("towline: a setting is not understood and ignored", "setting", name, "value", value)
}

// boolean is true only for "true", in any case.
func (d *decision) boolean(option *bool, name string, otherwise bool) bool {
	if option != nil {
		return *option
	}
	switch text := environment(name); {
	case text == "":
		return otherwise
	case strings.EqualFold(text, "true"):
		return true
	default:
		if !strings.EqualFold(text, "false") {
			d.ignored(name, text)
		}
		return false
	}
}

func (d *decision) clockMode() ClockMode {
	for _, said := range [2]struct{ name, text string }{{"clock", d.clock}, {"TOWLINE_CLOCK", environment("TOWLINE_CLOCK")}} {
		switch mode := ClockMode(strings.ToLower(said.text)); mode {
		case "":
		case ClockAuto, ClockV2, ClockOnV1, ClockOff:
			return mode
		default:
			d.ignored(said.name, said.text)
		}
	}
	return ClockAuto
}

func (d *decision) tracestateOn() bool {
	if d.tracestate != nil {
		return *d.tracestate
	}
	switch text := environment("TOWLINE_TRACESTATE"); strings.ToLower(text) {
	case "off":
		return false
	case "", "on":
	default:
		d.ignored("TOWLINE_TRACESTATE", text)
	}
	return true
}

// list splits a comma-separated setting; an option, if only an empty one, wins over it.
func (d *decision) list(option []string, name string) []string {
	if option == nil {
		option = strings.Split(environment(name), ",")
	}
	var out []string
	for _, entry := range option {
		if entry = strings.TrimSpace(entry); entry != "" {
			out = append(out, entry)
		}
	}
	return out
}

// addHosts adds the entries that are understood, and returns them.
func (d *decision) addHosts(list *hostList, name string, entries []string) []string {
	var out []string
	for _, entry := range entries {
		if list.add(entry) {
			out = append(out, entry)
		} else {
			d.ignored(name, entry)
		}
	}
	return out
}

func (d *decision) limits() Limits {
	l := DefaultLimits()
	if text := environment("TOWLINE_HEADER_BYTES_MAX"); text != "" {
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			l.HeaderBytesMax = n
		} else {
			d.ignored("TOWLINE_HEADER_BYTES_MAX", text)
		}
	}
	d.lower(&l.HeaderBytesMax, d.headerBytesMax, "header_bytes_max", int(^uint(0)>>1))
	d.lower(&l.LevelsMax, d.levelsMax, "levels_max", levelsMax)
	d.lower(&l.ForksMax, d.forksMax, "forks_max", forksMax)
	return l
}

func (d *decision) lower(limit, option *int, name string, most int) {
	switch {
	case option == nil:
	case *option < 1 || *option > most:
		d.ignored(name, strconv.Itoa(*option))
	default:
		*limit = *option
	}
}

// resourceAttributes reads OTEL_RESOURCE_ATTRIBUTES: key=value pairs, comma-separated, percent-encoded.
func (d *decision) resourceAttributes() map[string]string {
	out := map[string]string{}
	text := environment("OTEL_RESOURCE_ATTRIBUTES")
	if text == "" {
		return out
	}
	for _, pair := range strings.Split(text, ",") {
		key, value, hasValue := strings.Cut(pair, "=")
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !hasValue || err != nil {
			d.ignored("OTEL_RESOURCE_ATTRIBUTES", text)
			return map[string]string{}
		}
		out[strings.TrimSpace(key)] = decoded
	}
	return out
}
