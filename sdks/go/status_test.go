package towline

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// keysOfObject lists the keys of an object, in the order of the text.
func keysOfObject(t *testing.T, text json.RawMessage) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	var out []string
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, key.(string))
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestStatusSaysWhatIsSetAndCounted(t *testing.T) {
	tow, _ := newTowline(WithProbe("a secret"), WithPropagateTo("example.com"), WithTrust(func(*http.Request) Trust { return Trust{} }))
	handler := tow.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	handler.ServeHTTP(httptest.NewRecorder(), clocked(t, "http://localhost/"))
	handler.ServeHTTP(httptest.NewRecorder(), newRequest(t, http.MethodGet, "http://localhost/"))
	handler.ServeHTTP(httptest.NewRecorder(), newRequest(t, http.MethodGet, "http://localhost/", keyTraceparent, testParent, keyClock, "v2;nonsense"))
	place := tow.Begin()
	place.Call("far.example.org").Failed(nil)
	call := place.Call("localhost")
	call.Answered(200, http.Header{keyClock: {calleeStrand(t, call.sent.text).Stamp().Format()}})
	place.Call("localhost").Answered(200, nil)

	server := serve(t, StatusHandler(tow))
	response, body := do(t, http.DefaultClient, newRequest(t, http.MethodGet, server.URL+StatusPath))
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/json" || response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	if strings.Contains(body, "secret") {
		t.Errorf("a secret is told: %s", body)
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &top); err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]string{
		"":         "towline language service instance uptime_ms settings counters",
		"settings": "disabled clock tracestate propagators propagate_to traceparent_to sampled trust trace_response deadlines hash_labels probe header_bytes_max levels_max forks_max",
		"counters": "received continued restarted cancelled clock_dropped clock_cut sent not_sent no_context joined lost",
	} {
		text := json.RawMessage(body)
		if part != "" {
			text = top[part]
		}
		if got := strings.Join(keysOfObject(t, text), " "); got != want {
			t.Errorf("%q has %s,\nnot %s", part, got, want)
		}
	}
	var got status
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Towline != Version || got.Language != "go" || got.Service != "go" || got.Instance != "g-1" || got.UptimeMS < 0 {
		t.Errorf("it says it is %+v", got)
	}
	settings := statusSettings{Clock: ClockAuto, Tracestate: true, Propagators: []string{"tracecontext", "baggage"}, PropagateTo: "local,example.com",
		TraceparentTo: "*", Sampled: true, Trust: "function", Probe: ProbeToken, HeaderBytesMax: 4096, LevelsMax: 64, ForksMax: 65536}
	if !reflect.DeepEqual(got.Settings, settings) {
		t.Errorf("settings %+v,\nnot      %+v", got.Settings, settings)
	}
	counts := Summary{Received: 3, Continued: 2, Restarted: map[Reason]uint64{"absent": 1}, ClockDropped: map[Reason]uint64{"version": 1},
		Sent: 2, NotSent: map[Reason]uint64{"withheld": 1}, Joined: 1, Lost: map[Reason]uint64{"absent": 1}}
	if !reflect.DeepEqual(got.Counters, counts) {
		t.Errorf("counted %+v,\nnot     %+v", got.Counters, counts)
	}
}

func TestStatusIsForReadingOnly(t *testing.T) {
	tow, _ := newTowline(WithDisabled(true))
	server := serve(t, StatusHandler(tow))
	if response, _ := do(t, http.DefaultClient, newRequest(t, http.MethodPost, server.URL)); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", response.StatusCode)
	}
	var got status
	if _, body := do(t, http.DefaultClient, newRequest(t, http.MethodGet, server.URL)); json.Unmarshal([]byte(body), &got) != nil || !got.Settings.Disabled || got.Settings.Trust != "continue" {
		t.Errorf("GET of a disabled instance: %s", body)
	}
	response := httptest.NewRecorder()
	StatusHandler(nil).ServeHTTP(response, newRequest(t, http.MethodGet, "http://localhost/"))
	if json.Unmarshal(response.Body.Bytes(), &got) != nil || got.Instance != Default().Config().Instance {
		t.Errorf("without an instance: %s", response.Body)
	}
}

func TestSummaryAddsUpWhatOneReasonMeans(t *testing.T) {
	var c Counters
	for _, d := range []drop{{WhatClock, ReasonMalformed}, {WhatMember, ReasonMalformed}, {WhatMember, ReasonOverLimits}, {WhatSend, ReasonCut}, {WhatSend, ReasonTooLong},
		{WhatContext, ReasonNone}, {WhatAnswer, ReasonVersion}, {WhatTraceparent, ReasonB3Malformed}, {WhatBaggage, ReasonWithheld}} {
		c.OnDropped(d.what, d.reason)
	}
	c.OnStrandEnd(StrandEvent{Outcome: OutcomeCancelled})
	want := Summary{Restarted: map[Reason]uint64{"b3_malformed": 1}, Cancelled: 1, ClockDropped: map[Reason]uint64{"malformed": 2, "over_limits": 1}, ClockCut: 1,
		NotSent: map[Reason]uint64{"too_long": 1}, NoContext: 1, Lost: map[Reason]uint64{"version": 1}}
	if got := c.Summary(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, not %+v", got, want)
	}
	if c.Get("baggage/withheld") != 1 || c.Get("cancelled") != 1 {
		t.Errorf("counted %v", c.All())
	}
}
