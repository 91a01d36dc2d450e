package towline

import (
	"context"
	"io"
	"net/http"
	"time"
)

// Transport wraps the transport of an [http.Client], so that each of its attempts carries the current
// trace: retries and redirects are attempts of their own, and it is decided anew for each host what
// goes there. base nil is http.DefaultTransport. Without options it is of the [Default] instance.
//
//	client := &http.Client{Transport: towline.Transport(nil)}
//	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
//	response, err := client.Do(request)
//
// The request's context has to be the one that came with the incoming request, or one derived of it;
// with any other the call begins a new trace, and context/none is counted.
//
// Source: spec/api.md, "Client side".
func Transport(base http.RoundTripper, options ...Option) http.RoundTripper {
	return forOptions(options).Transport(base)
}

type transport struct {
	towline *Towline
	base    http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	if request.URL == nil || isAttempt(ctx, request.Header) {
		return t.base.RoundTrip(request)
	}
	call := &Call{towline: t.towline, host: request.URL.Hostname(), authority: request.URL.Host, redirected: request.Response != nil}
	if t.towline.config.Deadlines {
		if call.deadline = deadlineOf(ctx); t.expired(call.deadline) {
			closeBody(request)
			return nil, context.DeadlineExceeded
		}
	}
	if t.towline.observed() {
		call.resend = resendCount(request)
	}
	if t.towline.spans == nil {
		call.begin(FromContext(ctx))
	} else {
		call, ctx = call.beginBeside(request)
	}
	call.ctx = attemptContext{ctx, call}
	attempt := request.WithContext(&call.ctx)
	attempt.Header = call.injected(request.Header)
	response, err := t.base.RoundTrip(attempt)
	if err != nil {
		call.Failed(err)
		return response, err
	}
	if call.Answered(response.StatusCode, response.Header) {
		call.await(response)
	}
	return response, nil
}

// expired reports whether it is too late for a call, which is counted then.
func (t *transport) expired(deadline time.Time) bool {
	if deadline.IsZero() || time.Until(deadline) >= time.Millisecond {
		return false
	}
	t.towline.dropped(WhatTimeout, ReasonExpired)
	return true
}

// closeBody does what a transport owes its caller, also where it sends nothing.
func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}

type attemptKey struct{}

// attemptContext marks the context of one attempt, for transports of ours below this one.
type attemptContext struct {
	context.Context
	call *Call
}

func (c *attemptContext) Value(key any) any {
	if _, isAttempt := key.(attemptKey); isAttempt {
		return c.call
	}
	return c.Context.Value(key)
}

// isAttempt reports whether a transport of ours has put its headers on this very request: another
// request, such as for a token, may be made with the same context.
func isAttempt(ctx context.Context, header http.Header) bool {
	call, _ := ctx.Value(attemptKey{}).(*Call)
	if call == nil {
		return false
	}
	fields := header[keyTraceparent]
	return len(fields) == 1 && fields[0] == call.traceparent || len(fields) == 0 && call.traceparent == ""
}

// await ends the call with the body of its answer.
func (c *Call) await(response *http.Response) {
	if response.Body == nil || response.Body == http.NoBody || response.StatusCode == http.StatusSwitchingProtocols {
		c.BodyEnded(nil)
		return
	}
	response.Body = &body{ReadCloser: response.Body, response: response, call: c}
}

// body sees its end.
type body struct {
	io.ReadCloser
	response *http.Response
	call     *Call
}

// Read implements [io.Reader].
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.call.BodyEnded(b.response.Trailer)
	default:
		b.call.BodyEnded(nil)
	}
	return n, err
}

// Close implements [io.Closer].
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.call.BodyEnded(nil) // given up, unless its end was read
	return err
}
