package towline

import (
	"log/slog"
	"net/http"
)

// ClockMode is which clock calls carry.
type ClockMode string

// The modes of the clock. Auto writes v2, except inside a request that came with v1. Off neither reads
// nor writes clocks.
const (
	ClockAuto ClockMode = "auto"
	ClockV2   ClockMode = "v2"
	ClockOnV1 ClockMode = "v1"
	ClockOff  ClockMode = "off"
)

// Config is the settings of a [Towline], decided from options, environment and defaults.
//
// Source: spec/api.md, "Settings".
type Config struct {
	ServiceName   string
	Instance      string
	Disabled      bool // nothing is read, sent or counted, requests pass untouched
	Clock         ClockMode
	Tracestate    bool     // our tracestate member is written
	PropagateTo   []string // what is added to the allow-list of clocks
	TraceparentTo []string // where traceparent and others' tracestate go
	Sampled       bool     // the flag of traces that begin here
	Trust         func(*http.Request) Trust
	TraceResponse bool      // traceresponse and Server-Timing on responses
	Propagators   []string  // what OTEL_PROPAGATORS may name
	Deadlines     bool      // towline-timeout is read and sent
	HashLabels    bool      // clocks to hosts that only PropagateTo allows name nobody
	Probe         ProbeMode // who is told what this service saw
	Limits        Limits
	Filter        func(method, path string) bool // true: the request is handled
	Observers     []Observer
	Logger        *slog.Logger
}

// Trust is what may be taken from a peer.
type Trust struct {
	Traceparent    TraceparentTrust
	DropTracestate bool
}

// TraceparentTrust is what becomes of the trace that a request says to belong to.
type TraceparentTrust int

// The degrees of trust.
const (
	TrustContinue TraceparentTrust = iota // the request belongs to it
	TrustRestart                          // a new trace begins, with the received one as its link
	TrustIgnore                           // a new trace begins, and nothing is kept
)

// Option sets something in code, which wins over the environment. An empty string is no setting.
type Option func(*decision)

// WithServiceName names the service. Environment: TOWLINE_SERVICE_NAME, OTEL_SERVICE_NAME, service.name
// in OTEL_RESOURCE_ATTRIBUTES. Default: unknown_service.
func WithServiceName(name string) Option {
	return func(d *decision) { d.serviceName = name }
}

// WithInstance names this instance of the service. Environment: TOWLINE_INSTANCE, service.instance.id in
// OTEL_RESOURCE_ATTRIBUTES. Default: 8 random hex digits.
func WithInstance(name string) Option {
	return func(d *decision) { d.instance = name }
}

// WithDisabled makes everything pass through untouched. Environment: TOWLINE_DISABLED. Default: false.
func WithDisabled(disabled bool) Option {
	return func(d *decision) { d.disabled = &disabled }
}

// WithClock chooses the clock that calls carry. Environment: TOWLINE_CLOCK. Default: [ClockAuto].
func WithClock(mode ClockMode) Option {
	return func(d *decision) { d.clock = string(mode) }
}

// WithTracestate says whether our tracestate member is written; it is taken out of what came in any
// case. Environment: TOWLINE_TRACESTATE, on or off. Default: on.
func WithTracestate(written bool) Option {
	return func(d *decision) { d.tracestate = &written }
}

// WithPropagateTo adds to the hosts that clocks go to: host suffixes (example.com fits itself and what
// is below), addresses, CIDR blocks, "*". Environment: TOWLINE_PROPAGATE_TO, comma-separated. By default
// these are loopback, private and link-local addresses, names of one label, and names below .local,
// .internal, .svc and .cluster.local.
func WithPropagateTo(hosts ...string) Option {
	return func(d *decision) { d.propagateTo = append([]string{}, hosts...) }
}

// WithTraceparentTo narrows the hosts that traceparent and others' tracestate go to; the same kind of
// list. Environment: TOWLINE_TRACEPARENT_TO. Default: "*".
func WithTraceparentTo(hosts ...string) Option {
	return func(d *decision) { d.traceparentTo = append([]string{}, hosts...) }
}

// WithSampled sets the sampled flag of traces that begin here. Environment: TOWLINE_SAMPLED. Default:
// true.
func WithSampled(sampled bool) Option {
	return func(d *decision) { d.sampled = &sampled }
}

// WithTrust decides what is taken from the peer of a request. Default: [TrustContinue] for every peer.
func WithTrust(trust func(*http.Request) Trust) Option {
	return func(d *decision) { d.trust = trust }
}

// WithTraceResponse adds traceresponse and Server-Timing: trace;desc=… to responses. Environment:
// TOWLINE_TRACE_RESPONSE. Default: false.
func WithTraceResponse(on bool) Option {
	return func(d *decision) { d.traceResponse = &on }
}

// WithPropagators names what is read and sent beside Trace Context and the clock: [PropagatorBaggage],
// [PropagatorB3], [PropagatorB3Multi]. Environment: OTEL_PROPAGATORS, comma-separated. Default:
// tracecontext, baggage.
func WithPropagators(words ...string) Option {
	return func(d *decision) { d.propagators = append([]string{}, words...) }
}

// WithDeadlines makes servers read how much time their caller leaves (towline-timeout, grpc-timeout),
// and clients tell it to their callees and give up with it. Environment: TOWLINE_DEADLINES. Default:
// false.
func WithDeadlines(on bool) Option {
	return func(d *decision) { d.deadlines = &on }
}

// WithHashLabels hides names: in clocks to hosts that only [WithPropagateTo] allows, services and
// instances are the first 8 hex digits of their SHA-256. Environment: TOWLINE_HASH_LABELS. Default:
// false.
func WithHashLabels(on bool) Option {
	return func(d *decision) { d.hashLabels = &on }
}

// WithProbe sets the token with which a request learns what this service saw; "off": none does, and
// "loopback": those that carry "1" and come from this machine. Environment: TOWLINE_PROBE. Default:
// loopback.
func WithProbe(token string) Option {
	return func(d *decision) { d.probe = token }
}

// WithHeaderBytesMax sets the size of the largest clock header that is read or written, in bytes.
// Environment: TOWLINE_HEADER_BYTES_MAX. Default: 4096.
func WithHeaderBytesMax(bytes int) Option {
	return func(d *decision) { d.headerBytesMax = &bytes }
}

// WithLevelsMax lowers the number of levels that a clock may have, 64 by default and at most.
func WithLevelsMax(levels int) Option {
	return func(d *decision) { d.levelsMax = &levels }
}

// WithForksMax lowers the number of forks in flight that a clock may name, 65536 by default and at most.
func WithForksMax(forks int) Option {
	return func(d *decision) { d.forksMax = &forks }
}

// WithFilter leaves requests out for which handled is false: they pass untouched.
//
//	towline.WithFilter(func(method, path string) bool { return path != "/health" })
func WithFilter(handled func(method, path string) bool) Option {
	return func(d *decision) { d.filter = handled }
}

// WithObserver adds an observer beside the counters.
func WithObserver(o Observer) Option {
	return func(d *decision) { d.observers = append(d.observers, o) }
}

// WithLogger sets where the few log lines go. Default: [slog.Default].
func WithLogger(logger *slog.Logger) Option {
	return func(d *decision) { d.logger = logger }
}
