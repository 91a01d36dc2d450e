package towline

import (
	"bytes"
	"log/slog"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		environment map[string]string
		options     []Option
		want        func(*Config)
		warnings    int
	}{
		"defaults": {nil, nil, func(*Config) {}, 0},
		"environment": {map[string]string{
			"TOWLINE_SERVICE_NAME": " s", "TOWLINE_INSTANCE": "i ", "TOWLINE_DISABLED": " True ", "TOWLINE_CLOCK": "V1", "TOWLINE_TRACESTATE": "OFF",
			"TOWLINE_PROPAGATE_TO": "example.com, 1.2.3.0/24,", "TOWLINE_TRACEPARENT_TO": "*", "TOWLINE_SAMPLED": "false",
			"TOWLINE_TRACE_RESPONSE": "TRUE", "TOWLINE_HEADER_BYTES_MAX": " 9000",
			"OTEL_PROPAGATORS": " B3 ,tracecontext,b3, b3multi,towline", "TOWLINE_DEADLINES": "true", "TOWLINE_HASH_LABELS": "TRUE", "TOWLINE_PROBE": " a token ",
			"OTEL_SERVICE_NAME": "other", "OTEL_RESOURCE_ATTRIBUTES": "service.name=third,service.instance.id=third",
		}, nil, func(c *Config) {
			*c = Config{ServiceName: "s", Instance: "i", Disabled: true, Clock: ClockOnV1, PropagateTo: []string{"example.com", "1.2.3.0/24"},
				TraceparentTo: []string{"*"}, TraceResponse: true, Limits: c.Limits,
				Propagators: []string{"b3", "tracecontext", "b3multi", "towline"}, Deadlines: true, HashLabels: true, Probe: ProbeToken}
			c.Limits.HeaderBytesMax = 9000
		}, 0},
		"OpenTelemetry's names": {map[string]string{"OTEL_SERVICE_NAME": "o", "OTEL_RESOURCE_ATTRIBUTES": "service.name=third, service.instance.id = a%20b%2Cc"}, nil,
			func(c *Config) { c.ServiceName, c.Instance = "o", "a b,c" }, 0},
		"resource attributes": {map[string]string{"OTEL_SERVICE_NAME": "", "OTEL_RESOURCE_ATTRIBUTES": "service.name=third,x=1,service.name=fourth"}, nil,
			func(c *Config) { c.ServiceName = "fourth" }, 0},
		"options win": {map[string]string{
			"TOWLINE_SERVICE_NAME": "s", "TOWLINE_INSTANCE": "i", "TOWLINE_CLOCK": "v1", "TOWLINE_TRACESTATE": "off", "TOWLINE_SAMPLED": "false",
			"TOWLINE_PROPAGATE_TO": "example.com", "TOWLINE_DISABLED": "true", "TOWLINE_HEADER_BYTES_MAX": "9000",
			"OTEL_PROPAGATORS": "b3", "TOWLINE_DEADLINES": "true", "TOWLINE_HASH_LABELS": "true", "TOWLINE_PROBE": "secret",
		}, []Option{WithPropagators("tracecontext"), WithDeadlines(false), WithHashLabels(false), WithProbe("Off"), WithServiceName("o"), WithInstance("p"), WithClock(ClockV2), WithTracestate(true), WithSampled(true), WithPropagateTo(), WithDisabled(false),
			WithHeaderBytesMax(500), WithLevelsMax(10), WithForksMax(100), nil},
			func(c *Config) {
				c.ServiceName, c.Instance, c.Clock = "o", "p", ClockV2
				c.Propagators, c.Probe = []string{"tracecontext"}, ProbeOff
				c.Limits = Limits{HeaderBytesMax: 500, LevelsMax: 10, ForksMax: 100}
			}, 0},
		"no propagators":                   {map[string]string{"OTEL_PROPAGATORS": "b3,none"}, nil, func(c *Config) { c.Propagators = []string{"none"} }, 1},
		"propagators without tracecontext": {map[string]string{"OTEL_PROPAGATORS": "b3,jaeger"}, nil, func(c *Config) { c.Propagators = []string{"b3"} }, 2},
		"not understood": {map[string]string{
			"TOWLINE_CLOCK": "v9", "TOWLINE_TRACESTATE": "maybe", "TOWLINE_SAMPLED": "yes", "TOWLINE_PROPAGATE_TO": "a b,*.x,http://x,1.2.3.4/99",
			"TOWLINE_HEADER_BYTES_MAX": "many", "OTEL_RESOURCE_ATTRIBUTES": "service.name=third,oops",
		}, []Option{WithLevelsMax(65), WithForksMax(0), WithHeaderBytesMax(-1), WithClock("v7")}, func(c *Config) { c.Sampled = false }, 13},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"TOWLINE_SERVICE_NAME", "TOWLINE_INSTANCE", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"} {
				t.Setenv(name, "")
			}
			for name, value := range c.environment {
				t.Setenv(name, value)
			}
			var log bytes.Buffer
			got := New(append(c.options, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))...).Config()
			got.Logger = nil
			if len(got.Instance) == 8 {
				if !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(got.Instance) {
					t.Errorf("instance %q", got.Instance)
				}
				got.Instance = "random"
			}
			want := Config{ServiceName: "unknown_service", Instance: "random", Clock: ClockAuto, Tracestate: true, Sampled: true, Limits: DefaultLimits(), TraceparentTo: []string{"*"},
				Propagators: []string{"tracecontext", "baggage"}, Probe: ProbeLoopback}
			c.want(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("decided %+v,\nnot     %+v", got, want)
			}
			if n := strings.Count(log.String(), "level=WARN"); n != c.warnings || strings.Count(log.String(), "level=INFO") != 1 {
				t.Errorf("%d warnings, not %d:\n%s", n, c.warnings, &log)
			}
		})
	}
}

func TestIntroductionSaysWhatItDoes(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	tow := New(WithServiceName("s"), WithInstance("i"), WithLogger(logger))
	for _, want := range []string{"extracts=", "injects=", "raceway-clock", "service=s", "instance=i", "clock=auto"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in %q", want, &log)
		}
	}
	log.Reset()
	place := tow.Begin()
	for range 3 {
		place.Call("example.com")
		place.Call("example.org")
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || tow.Counters().Get("send/withheld") != 6 {
		t.Errorf("%d lines: %s", n, &log)
	}
	for range 2 * withheldHostsMax {
		tow.withheld.first(newTraceID().String())
	}
	if n := len(tow.withheld.said); n > withheldHostsMax {
		t.Errorf("%d hosts are remembered", n)
	}
}

func TestHosts(t *testing.T) {
	list := nearby()
	for _, entry := range []string{"Example.com", ".dotted.org.", "8.8.8.8", "2001:db8::/32", "::ffff:9.9.9.0/120", "[2606:4700::1]"} {
		if !list.add(entry) {
			t.Errorf("%q is not understood", entry)
		}
	}
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST.": true, "orders": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "[::1]": true, "10.0.0.1": true,
		"172.16.0.1": true, "172.31.255.255": true, "172.32.0.1": false, "192.168.1.1": true, "192.169.1.1": false, "169.254.169.254": true,
		"fe80::1%eth0": true, "fc00::1": true, "fdff::1": true, "fec0::1": false, "::ffff:10.0.0.1": true, "::ffff:8.8.4.4": false,
		"db.svc": true, "db.prod.svc.cluster.local": true, "printer.local": true, "api.internal": true, "API.Internal.": true, "notinternal": true,
		"notlocal.com": false, "x.notsvc": false, "example.com": true, "EXAMPLE.COM": true, "a.b.example.com": true, "badexample.com": false, "example.com.evil.org": false,
		"dotted.org": true, "8.8.8.8": true, "8.8.8.9": false, "2001:db8::5": true, "2001:db9::5": false, "9.9.9.77": true, "2606:4700::1": true,
		"": false, ".": false, "134744072": false, "0x8080808": false, "8.8": false, "a b": false, "host:80": true, "evil.com/.local": false,
	} {
		if got := list.holds(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
	for _, entry := range []string{"", "*.example.com", "a b", "http://x", "1.2.3.4/40", "x:80", "1234"} {
		if list.add(entry) {
			t.Errorf("%q is understood", entry)
		}
	}
	all := hostList{}
	if !all.add("*") || !all.holds("anything.example") {
		t.Error("* does not hold everything")
	}
}

func TestDefaultIsOneForTheProcess(t *testing.T) {
	first := Default()
	if first != Default() || forOptions(nil) != first || forOptions([]Option{WithLogger(discard)}) == Default() {
		t.Error("the default instance is not one")
	}
	below := new(wire)
	call := (*Place)(nil).Call("localhost")
	if call.place == nil || call.towline != Default() || !call.began {
		t.Errorf("a call without a place is %+v", call)
	}
	if _, wrapped := Handler(http.NotFoundHandler(), WithLogger(discard), WithDisabled(true)).(*handler); wrapped {
		t.Error("a disabled instance wraps a handler")
	}
	if Transport(below, WithLogger(discard), WithDisabled(true)) != http.RoundTripper(below) {
		t.Error("a disabled instance wraps a transport")
	}
}

func TestCounters(t *testing.T) {
	var c Counters
	c.OnDropped(WhatSend, ReasonCut)
	c.OnDropped(WhatSend, ReasonZeroID)
	c.OnCallSent(CallEvent{})
	if want := map[string]uint64{"send/cut": 1, "call_sent": 1}; !reflect.DeepEqual(c.All(), want) || c.Get("send/cut") != 1 || c.Get("send/none") != 0 {
		t.Errorf("counted %v", c.All())
	}
	if len(dropCounts) != len(counterKeys)-countDrops {
		t.Errorf("%d drops have a count, of %d", len(dropCounts), len(counterKeys)-countDrops)
	}
	var o Observer = struct{ BaseObserver }{}
	o.OnStrandStart(StrandEvent{})
	o.OnStrandEnd(StrandEvent{})
	o.OnCallSent(CallEvent{})
	o.OnCallAnswered(CallEvent{})
	o.OnDropped(WhatSend, ReasonCut)
}
