package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// What is on the wire, recorded, and the faults that can be switched on (spec/services.md, "Faults").
// Both sit between Towline and the wire: the handler outside its middleware, the transport below its
// client.

var names = []string{"traceparent", "tracestate", "raceway-clock"}

const clockKey, parentKey, stateKey = "Raceway-Clock", "Traceparent", "Tracestate"

var knownFaults = []string{
	"drop-traceparent", "new-trace", "drop-clock", "stale-clock", "drop-clock-answer", "stale-clock-answer",
	"wrong-parent", "flip-sampled", "drop-tracestate",
}

// faults are those of this service.
type faults []string

// parseFaults reads TOWLINE_DEMO_FAULT: SERVICE:FAULT, comma-separated.
func parseFaults(setting, service string) (faults, error) {
	var mine faults
	for _, entry := range strings.Split(setting, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		of, fault, _ := strings.Cut(entry, ":")
		if !slices.Contains(knownFaults, fault) {
			return nil, fmt.Errorf("TOWLINE_DEMO_FAULT: %q is not SERVICE:FAULT with a fault that there is", entry)
		}
		if of == service {
			mine = append(mine, fault)
		}
	}
	return mine, nil
}

func (f faults) has(fault string) bool { return slices.Contains(f, fault) }

// seen is what there was of our headers; several fields of one name joined.
func seen(header http.Header) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		if fields := header.Values(name); len(fields) > 0 {
			out[name] = strings.Join(fields, ", ")
		}
	}
	return out
}

type (
	receivedKey struct{}
	callKey     struct{}
)

// received is what the request came with.
func received(ctx context.Context) map[string]string {
	headers, _ := ctx.Value(receivedKey{}).(map[string]string)
	return headers
}

// wireCall is one call as it was on the wire.
type wireCall struct {
	spanID         *string // the parent id that the client wrote
	sent, answered map[string]string
}

// recordCall gives a context whose call is recorded.
func recordCall(ctx context.Context) (context.Context, *wireCall) {
	call := &wireCall{sent: map[string]string{}, answered: map[string]string{}}
	return context.WithValue(ctx, callKey{}, call), call
}

// handler goes around the middleware.
func (f faults) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			next.ServeHTTP(w, r)
			return
		}
		came := seen(r.Header)
		r = r.Clone(context.WithValue(r.Context(), receivedKey{}, came))
		if f.has("new-trace") {
			r.Header.Del(parentKey)
		}
		if f.has("drop-clock-answer") || f.has("stale-clock-answer") {
			w = &falseAnswer{w, f, came["raceway-clock"]}
		}
		next.ServeHTTP(w, r)
	})
}

// falseAnswer writes another clock on the head than it was given.
type falseAnswer struct {
	http.ResponseWriter
	faults faults
	came   string
}

func (w *falseAnswer) WriteHeader(status int) {
	w.Header().Del(clockKey)
	if w.faults.has("stale-clock-answer") && w.came != "" {
		w.Header().Set(clockKey, w.came)
	}
	w.ResponseWriter.WriteHeader(status)
}

type transport struct {
	faults faults
	base   http.RoundTripper
}

// transport goes below the client.
func (f faults) transport(base http.RoundTripper) http.RoundTripper { return &transport{f, base} }

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	call, recorded := r.Context().Value(callKey{}).(*wireCall)
	if !recorded {
		return t.base.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	if id, ok := parentID(r.Header.Get(parentKey)); ok {
		call.spanID = &id
	}
	t.faults.falsify(r.Header, received(r.Context()))
	call.sent = seen(r.Header)
	response, err := t.base.RoundTrip(r)
	if err == nil {
		call.answered = seen(response.Header)
	}
	return response, err
}

func (f faults) falsify(header http.Header, came map[string]string) {
	if f.has("wrong-parent") {
		own, wrote := parentID(header.Get(parentKey))
		if theirs, sent := parentID(came["traceparent"]); wrote && sent {
			header.Set(parentKey, strings.Replace(header.Get(parentKey), own, theirs, 1))
		}
	}
	if value := header.Get(parentKey); f.has("flip-sampled") && len(value) == 55 {
		header.Set(parentKey, value[:54]+string("1032"[value[54]-'0']))
	}
	if f.has("drop-traceparent") {
		header.Del(parentKey)
	}
	if f.has("drop-tracestate") {
		header.Del(stateKey)
	}
	if f.has("stale-clock") || f.has("drop-clock") {
		header.Del(clockKey)
	}
	if clock := came["raceway-clock"]; f.has("stale-clock") && clock != "" {
		header.Set(clockKey, clock)
	}
}

// parentID is the third field of a traceparent.
func parentID(traceparent string) (string, bool) {
	fields := strings.Split(traceparent, "-")
	return fields[min(2, len(fields)-1)], len(fields) >= 4
}
