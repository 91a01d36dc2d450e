package towline

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Version is the version of this package.
const Version = "0.1.0"

// StatusPath is where the status handler is looked for.
const StatusPath = "/.well-known/towline"

// status is what the status handler answers.
type status struct {
	Towline  string         `json:"towline"`
	Language string         `json:"language"`
	Service  string         `json:"service"`
	Instance string         `json:"instance"`
	UptimeMS int64          `json:"uptime_ms"`
	Settings statusSettings `json:"settings"`
	Counters Summary        `json:"counters"`
}

type statusSettings struct {
	Disabled       bool      `json:"disabled"`
	Clock          ClockMode `json:"clock"`
	Tracestate     bool      `json:"tracestate"`
	Propagators    []string  `json:"propagators"`
	PropagateTo    string    `json:"propagate_to"`
	TraceparentTo  string    `json:"traceparent_to"`
	Sampled        bool      `json:"sampled"`
	Trust          string    `json:"trust"`
	TraceResponse  bool      `json:"trace_response"`
	Deadlines      bool      `json:"deadlines"`
	HashLabels     bool      `json:"hash_labels"`
	Probe          ProbeMode `json:"probe"`
	HeaderBytesMax int       `json:"header_bytes_max"`
	LevelsMax      int       `json:"levels_max"`
	ForksMax       int       `json:"forks_max"`
}

// StatusHandler answers GET with the settings and counters of t as JSON, for an application to mount at
// [StatusPath] where it wants to be asked; nil is the [Default] instance. No secret is in it.
//
//	mux.Handle("GET "+towline.StatusPath, towline.StatusHandler(tow))
//
// Source: spec/edge.md, "Status".
func StatusHandler(t *Towline) http.Handler {
	if t == nil {
		t = Default()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET", http.StatusMethodNotAllowed)
			return
		}
		body, err := json.Marshal(t.status())
		if err != nil {
			http.Error(w, "no status", http.StatusInternalServerError)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Cache-Control", "no-store")
		header.Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // who has gone needs no answer
	})
}

func (t *Towline) status() status {
	c := &t.config
	trust := "continue"
	if c.Trust != nil {
		trust = "function"
	}
	return status{
		Towline: Version, Language: "go", Service: c.ServiceName, Instance: c.Instance,
		UptimeMS: time.Since(t.made).Milliseconds(),
		Settings: statusSettings{
			Disabled: c.Disabled, Clock: c.Clock, Tracestate: c.Tracestate, Propagators: c.Propagators,
			PropagateTo:   strings.Join(append([]string{"local"}, c.PropagateTo...), ","),
			TraceparentTo: strings.Join(c.TraceparentTo, ","),
			Sampled:       c.Sampled, Trust: trust, TraceResponse: c.TraceResponse,
			Deadlines: c.Deadlines, HashLabels: c.HashLabels, Probe: c.Probe,
			HeaderBytesMax: c.Limits.HeaderBytesMax, LevelsMax: c.Limits.LevelsMax, ForksMax: c.Limits.ForksMax,
		},
		Counters: t.counters.Summary(),
	}
}
