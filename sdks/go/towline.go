package towline

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// Towline is one configured instance: settings, observers and counters. It makes contexts. It is safe
// for concurrent use.
type Towline struct {
	config        Config
	counters      Counters
	label         string // "service#instance" as in a clock
	component     string // "service#instance" as in a v1 clock
	clockHosts    hostList
	nearbyHosts   hostList // those that need no setting
	traceparentTo hostList
	beside        beside
	probe         probeRule
	spans         Spans // nil: all spans are ours
	made          time.Time
	withheld      withheldHosts
}

// New makes an instance of options, environment and defaults, and logs in one line what it does. It
// never fails: a setting that is not understood is warned of and ignored.
func New(options ...Option) *Towline {
	d, config := decide(options)
	t := &Towline{
		config:        config,
		label:         joinLabel(config.ServiceName, config.Instance),
		component:     cleanLabel(config.ServiceName) + "#" + cleanLabel(config.Instance),
		clockHosts:    d.clockHosts,
		nearbyHosts:   nearby(),
		traceparentTo: d.traceparentTargets,
		beside:        besideOf(config.Propagators),
		probe:         d.probeRule,
		spans:         d.spans,
		made:          time.Now(),
	}
	t.introduce()
	return t
}

// Default returns the instance of this process, made of the environment when it is first needed.
func Default() *Towline { return processDefault() }

var processDefault = sync.OnceValue(func() *Towline { return New() })

// forOptions is Default, or a new instance where there are options.
func forOptions(options []Option) *Towline {
	if len(options) == 0 {
		return Default()
	}
	return New(options...)
}

// Config returns the settings as they were decided.
func (t *Towline) Config() Config { return t.config }

// Counters returns the counters of this instance.
func (t *Towline) Counters() *Counters { return &t.counters }

func (t *Towline) introduce() {
	c := &t.config
	if c.Disabled {
		c.Logger.Info("towline: disabled", "service", c.ServiceName, "instance", c.Instance)
		return
	}
	reads, writes := []string{"traceparent", "tracestate", headerClock}, []string{"traceparent", "tracestate"}
	if c.Clock != ClockOff {
		writes = append(writes, headerClock)
	}
	for _, word := range c.Propagators {
		if word == PropagatorBaggage || word == PropagatorB3 || word == PropagatorB3Multi {
			reads, writes = append(reads, word), append(writes, word)
		}
	}
	c.Logger.Info("towline: ready", "extracts", strings.Join(reads, " "), "injects", strings.Join(writes, " "),
		"service", c.ServiceName, "instance", c.Instance, "clock", string(c.Clock))
}

// The headers, as they are written in prose and as net/http has them.
const (
	headerClock    = "raceway-clock"
	keyTraceparent = "Traceparent"
	keyTracestate  = "Tracestate"
	keyClock       = "Raceway-Clock"
)

// Handler wraps a server's handler; see [Handler].
func (t *Towline) Handler(next http.Handler) http.Handler {
	if t.config.Disabled {
		return next
	}
	return &handler{towline: t, next: next}
}

// Transport wraps a client's transport; see [Transport].
func (t *Towline) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if t.config.Disabled {
		return base
	}
	return &transport{towline: t, base: base}
}

// withheldHosts remembers which hosts it was already said of that no clock goes there.
type withheldHosts struct {
	mu   sync.Mutex
	said map[string]struct{}
}

// withheldHostsMax bounds the memory that a crawler of hosts can make this take.
const withheldHostsMax = 1024

func (w *withheldHosts) first(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, said := w.said[host]; said || len(w.said) >= withheldHostsMax {
		return false
	}
	if w.said == nil {
		w.said = map[string]struct{}{}
	}
	w.said[strings.Clone(host)] = struct{}{}
	return true
}

// withhold counts that no clock went to host, and logs it the first time.
func (t *Towline) withhold(host string) {
	t.dropped(WhatSend, ReasonWithheld)
	if t.withheld.first(host) {
		t.config.Logger.Info("towline: no clock goes to this host, see propagate_to", "host", host)
	}
}
