package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	towline "towline.invalid/go"
)

// start runs the service as a user would, and returns where it listens.
func start(t *testing.T, settings ...string) string {
	t.Helper()
	if output, err := exec.CommandContext(t.Context(), "./setup.sh").CombinedOutput(); err != nil {
		t.Fatalf("setup.sh: %v\n%s", err, output)
	}
	command := exec.Command("./start.sh")
	command.Env = append(command.Environ(), append([]string{"PORT=0"}, settings...)...)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, output)
		if err := command.Wait(); err != nil {
			t.Errorf("stopped: %v", err)
		}
	})
	killer := time.AfterFunc(20*time.Second, func() { _ = command.Process.Kill() })
	defer killer.Stop()
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if name, address, found := strings.Cut(lines.Text(), " listening on "); found {
			if name != "go" {
				t.Errorf("the name is %q", name)
			}
			return "http://" + address
		}
	}
	t.Fatal("it never listened")
	return ""
}

const (
	trace  = "0af7651916cd43dd8448eb211c80319c"
	parent = "00-" + trace + "-b7ad6b7169203331-01"
	clock  = `v2;t=1c80319c, probe#p/69203331:2;x="2"`
)

func post(t *testing.T, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// process posts a job in the trace of these tests, and returns the report.
func process(t *testing.T, url, body string) (*http.Response, *report) {
	t.Helper()
	response, text := post(t, url+"/process", body, "traceparent", parent, "tracestate", "a=1", "raceway-clock", clock)
	var out report
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&out); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%d %s: %v", response.StatusCode, text, err)
	}
	return response, &out
}

func answerOf(t *testing.T, raw json.RawMessage) *report {
	t.Helper()
	var out report
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return &out
}

func TestContract(t *testing.T) {
	url := start(t)
	t.Run("health", func(t *testing.T) {
		response, err := http.Get(url + "/health")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		if string(body) != `{"instance":"go-1","service":"go","status":"healthy"}` || response.StatusCode != 200 {
			t.Errorf("%d %s", response.StatusCode, body)
		}
	})
	t.Run("status", func(t *testing.T) {
		var was, is struct {
			Service  string
			Counters struct{ Received, Sent, Joined int }
		}
		for _, into := range []any{&was, &is} {
			response, err := http.Get(url + towline.StatusPath)
			if err != nil {
				t.Fatal(err)
			}
			err = json.NewDecoder(response.Body).Decode(into)
			_ = response.Body.Close()
			if err != nil || response.StatusCode != 200 {
				t.Fatalf("%d: %v", response.StatusCode, err)
			}
			process(t, url, fmt.Sprintf(`{"payload":"p","calls":[{"url":%q}]}`, url))
		}
		if is.Service != "go" || is.Counters.Received != was.Counters.Received+2 || is.Counters.Sent != was.Counters.Sent+1 || is.Counters.Joined != was.Counters.Joined+1 {
			t.Errorf("was %+v, is %+v", was, is)
		}
	})
	t.Run("probe", func(t *testing.T) {
		response, _ := post(t, url+"/process", fmt.Sprintf(`{"payload":"p","calls":[{"url":%q}]}`, url), "towline-probe", "1")
		var got struct {
			Service   string
			Restarted string
			Calls     []struct {
				Answer string
				Hops   struct{ Service, Clock string }
			}
		}
		if err := json.Unmarshal([]byte(response.Header.Get("towline-hops")), &got); err != nil || got.Service != "go" || got.Restarted != "absent" ||
			len(got.Calls) != 1 || got.Calls[0].Answer != "joined" || got.Calls[0].Hops.Service != "go" || got.Calls[0].Hops.Clock != "continued" {
			t.Errorf("%q: %v", response.Header.Get("towline-hops"), err)
		}
	})
	t.Run("no calls", func(t *testing.T) {
		response, got := process(t, url, `{"payload":"hello"}`)
		if got.Service != "go" || got.Instance != "go-1" || got.Payload != "hello" || got.TraceID != trace || *got.ParentID != "b7ad6b7169203331" || got.Flags != "01" ||
			got.Received["traceparent"] != parent || got.Received["tracestate"] != "a=1" || got.Received["raceway-clock"] != clock || len(got.Calls) != 0 || string(got.Downstream) != "null" {
			t.Errorf("%+v", got)
		}
		if want := regexp.MustCompile(`^v2;t=1c80319c, probe#p/69203331:2, go#go-1/` + got.SpanID[8:] + `:2;e$`); !want.MatchString(response.Header.Get("raceway-clock")) {
			t.Errorf("answered %q", response.Header.Get("raceway-clock"))
		}
	})
	t.Run("a trace of its own", func(t *testing.T) {
		_, text := post(t, url+"/process", `{"payload":""}`)
		if got := answerOf(t, json.RawMessage(text)); got.ParentID != nil || len(got.Received) != 0 || got.Clock == nil || got.Flags != "03" {
			t.Errorf("%s", text)
		}
	})
	t.Run("calls in turn", func(t *testing.T) {
		_, got := process(t, url, fmt.Sprintf(`{"payload":"p","calls":[{"url":%q},{"url":%q,"payload":"q","calls":[{"url":%q}],"mode":"parallel"}]}`, url, url+"/process", url+"/"))
		checkCalls(t, got, 2)
		one, two := answerOf(t, got.Calls[0].Answer), answerOf(t, got.Calls[1].Answer)
		if one.Payload != "p" || two.Payload != "q" || answerOf(t, two.Calls[0].Answer).Payload != "q" {
			t.Errorf("payloads %q, %q", one.Payload, two.Payload)
		}
		if order := stamp(t, *one.Clock).Compare(stamp(t, *two.Clock)); order != towline.Before {
			t.Errorf("calls in turn are %s", order)
		}
	})
	t.Run("calls at once", func(t *testing.T) {
		_, got := process(t, url, fmt.Sprintf(`{"payload":"p","mode":"parallel","calls":[{"url":%q},{"url":%q},{"url":%q}]}`, url, url, url))
		checkCalls(t, got, 3)
		for i := range got.Calls {
			a, b := answerOf(t, got.Calls[i].Answer), answerOf(t, got.Calls[(i+1)%3].Answer)
			if order := stamp(t, *a.Clock).Compare(stamp(t, *b.Clock)); order != towline.Concurrent {
				t.Errorf("calls at once are %s", order)
			}
		}
	})
	t.Run("downstream", func(t *testing.T) {
		_, got := process(t, url, fmt.Sprintf(`{"payload":"p","downstream":%q,"next_downstream":%q,"next_next_downstream":%q}`, url, url, url))
		if len(got.Calls) != 1 || string(got.Calls[0].Answer) != "null" || *got.Calls[0].Status != 200 {
			t.Errorf("%+v", got.Calls)
		}
		depth := 0
		for at := got; string(at.Downstream) != "null"; depth++ {
			at = answerOf(t, at.Downstream)
		}
		if depth != 3 {
			t.Errorf("%d levels", depth)
		}
	})
	t.Run("calls that fail", func(t *testing.T) {
		_, got := process(t, url, fmt.Sprintf(`{"payload":"p","calls":[{"url":"http://127.0.0.1:1"},{"url":%q}]}`, url+"/nowhere"))
		for _, call := range got.Calls {
			if call.Error == nil || *call.Error == "" || call.Status != nil || string(call.Answer) != "null" || call.SentHeaders["traceparent"] == "" {
				t.Errorf("%+v", call)
			}
		}
	})
	t.Run("bodies that are refused", func(t *testing.T) {
		tooMany := `{"payload":"p","calls":[` + strings.Repeat(`{"url":"http://127.0.0.1:1"},`, 64) + `{"url":"http://127.0.0.1:1"}]}`
		for _, body := range []string{"", "x", "[]", "{}", `{"payload":5}`, `{"payload":"p"} x`, `{"payload":"p","mode":"fast"}`, `{"payload":"p","calls":5}`, `{"payload":"p","calls":[{}]}`,
			`{"payload":"p","calls":[{"url":5}]}`, tooMany, `{"payload":"` + strings.Repeat("x", 1<<20) + `"}`} {
			response, text := post(t, url+"/process", body)
			var got struct {
				Error string `json:"error"`
			}
			if err := json.Unmarshal([]byte(text), &got); err != nil || response.StatusCode != http.StatusBadRequest || got.Error == "" {
				t.Errorf("%.60s: %d %s", body, response.StatusCode, text)
			}
		}
	})
	t.Run("test", func(t *testing.T) {
		response, text := post(t, url+"/test", fmt.Sprintf(`[{"url":%q,"arguments":[{"url":%q,"arguments":[]}]},{"url":"http://127.0.0.1:1","arguments":null}]`, url+"/test", url+"/test"))
		if text != "{}" || response.StatusCode != http.StatusOK {
			t.Errorf("%d %s", response.StatusCode, text)
		}
	})
}

func stamp(t *testing.T, text string) towline.Clock {
	t.Helper()
	c, err := towline.ParseClock(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return c
}

// checkCalls checks that each call was of the service's trace, and joined.
func checkCalls(t *testing.T, got *report, count int) {
	t.Helper()
	if len(got.Calls) != count {
		t.Fatalf("%d calls", len(got.Calls))
	}
	for _, call := range got.Calls {
		callee := answerOf(t, call.Answer)
		if call.Error != nil || *call.Status != 200 || callee.TraceID != got.TraceID || *callee.ParentID != *call.SpanID ||
			call.SentHeaders["traceparent"] != callee.Received["traceparent"] || !strings.HasSuffix(call.SentHeaders["tracestate"], ",a=1") ||
			!strings.HasSuffix(call.AnswerHeaders["raceway-clock"], ";e") {
			t.Errorf("%+v", call)
		}
		if order := stamp(t, *callee.Clock).Compare(stamp(t, *got.Clock)); order != towline.Before {
			t.Errorf("the callee's work is %s to the caller's end", order)
		}
	}
}

func TestFaultsShowOnTheWire(t *testing.T) {
	plain := start(t)
	for fault, check := range map[string]func(*http.Response, *report, outcome, *report) bool{
		"drop-traceparent": func(_ *http.Response, got *report, call outcome, callee *report) bool {
			return call.SentHeaders["traceparent"] == "" && call.SpanID != nil && callee.TraceID != got.TraceID
		},
		"new-trace": func(_ *http.Response, got *report, _ outcome, _ *report) bool {
			return got.TraceID != trace && got.Received["traceparent"] == parent && got.ParentID == nil
		},
		"drop-clock": func(_ *http.Response, _ *report, call outcome, callee *report) bool {
			return call.SentHeaders["raceway-clock"] == "" && callee.Received["raceway-clock"] == ""
		},
		"stale-clock": func(_ *http.Response, _ *report, call outcome, callee *report) bool {
			return call.SentHeaders["raceway-clock"] == clock && callee.Received["raceway-clock"] == clock
		},
		"drop-clock-answer": func(response *http.Response, _ *report, _ outcome, _ *report) bool {
			return response.Header.Get("raceway-clock") == ""
		},
		"stale-clock-answer": func(response *http.Response, _ *report, _ outcome, _ *report) bool {
			return response.Header.Get("raceway-clock") == clock
		},
		"wrong-parent": func(_ *http.Response, _ *report, call outcome, callee *report) bool {
			return *callee.ParentID == "b7ad6b7169203331" && *call.SpanID != *callee.ParentID
		},
		"flip-sampled": func(_ *http.Response, got *report, call outcome, callee *report) bool {
			return got.Flags == "01" && callee.Flags == "00" && strings.HasSuffix(call.SentHeaders["traceparent"], "-00")
		},
		"drop-tracestate": func(_ *http.Response, _ *report, call outcome, callee *report) bool {
			return call.SentHeaders["tracestate"] == "" && callee.Received["tracestate"] == ""
		},
	} {
		t.Run(fault, func(t *testing.T) {
			body := fmt.Sprintf(`{"payload":"p","calls":[{"url":%q}]}`, plain)
			response, got := process(t, start(t, "TOWLINE_DEMO_FAULT=rust:new-trace, go:"+fault), body)
			call := got.Calls[0]
			if !check(response, got, call, answerOf(t, call.Answer)) {
				t.Errorf("it does not show: %+v", got)
			}
			// Where it is another service's fault, nothing shows.
			response, got = process(t, plain, body)
			if check(response, got, got.Calls[0], answerOf(t, got.Calls[0].Answer)) {
				t.Errorf("it shows without the fault: %+v", got)
			}
		})
	}
}

func TestUnknownFaultsAreRefused(t *testing.T) {
	for _, setting := range []string{"go", "go:", "go:no-such-fault", "rust:no-such-fault", "drop-clock"} {
		if _, err := parseFaults(setting, "go"); err == nil {
			t.Errorf("%q is accepted", setting)
		}
		command := exec.CommandContext(t.Context(), "./start.sh")
		command.Env = append(command.Environ(), "PORT=0", "TOWLINE_DEMO_FAULT="+setting)
		if output, err := command.CombinedOutput(); err == nil || !strings.Contains(string(output), "TOWLINE_DEMO_FAULT") {
			t.Errorf("%q: started, %s", setting, output)
		}
	}
	if mine, err := parseFaults(" rust:new-trace,go:drop-clock,,go:wrong-parent", "go"); err != nil || len(mine) != 2 || !mine.has("drop-clock") || mine.has("new-trace") {
		t.Errorf("%v, %v", mine, err)
	}
}
