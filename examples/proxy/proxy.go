package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
)

// newProxy passes requests on to target, with their headers as meddle leaves them. Answers pass as they
// are.
func newProxy(target *url.URL, meddle func(http.Header)) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			meddle(r.Out.Header)
		},
	}
}

// meddling is what -do names, done to the header of that name.
func meddling(do, name string) (func(http.Header), error) {
	if !validName(name) {
		return nil, fmt.Errorf("-header %q is no name of a header", name)
	}
	key := textproto.CanonicalMIMEHeaderKey(name)
	switch do {
	case "pass":
		return func(http.Header) {}, nil
	case "strip":
		return func(h http.Header) { delete(h, key) }, nil
	case "double":
		return func(h http.Header) { h[key] = append(h[key], h[key]...) }, nil
	case "rewrite":
		return func(h http.Header) {
			for i, value := range h[key] {
				h[key][i] = rewritten(key, value)
			}
		}, nil
	case "lowercase":
		// HTTP/1 writes a name as it stands in the map; servers have to take any case.
		return func(h http.Header) {
			if values, there := h[key]; there {
				delete(h, key)
				h[strings.ToLower(name)] = values
			}
		}, nil
	default:
		return nil, fmt.Errorf("-do %q is none of strip, double, rewrite, lowercase, pass", do)
	}
}

func validName(name string) bool {
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return name != ""
}

// rewritten is what a proxy that takes part in the trace makes of a value: traceparent gets another
// parent id, as from a span of its own; anything else another last character.
func rewritten(key, value string) string {
	const parentAt, parentEnd = 36, 52
	if key == "Traceparent" && len(value) >= 55 {
		return value[:parentAt] + "00f067aa0ba902b7" + value[parentEnd:]
	}
	if value == "" {
		return "0"
	}
	last := byte('0')
	if value[len(value)-1] == last {
		last = '1'
	}
	return value[:len(value)-1] + string(last)
}
