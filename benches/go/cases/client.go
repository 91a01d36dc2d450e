package cases

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"towline.invalid/benches/go/measure"
)

// Client is a middleware around a client's transport. Its calls are made in the handling of requests, by
// Server.
type Client struct {
	Server
	URL     string
	Wrap    func(http.RoundTripper) http.RoundTripper
	Answers int                         // hops of the clock that the callee answers to; 0: none
	Joined  func(context.Context) error // unless nil, finds fault with what an answer brought
}

// callee is a transport without a network. The bare one answers a clock too, so that its cost is there
// in all cases.
type callee struct {
	sets []Set // none: there are no clocks
	at   int
	sent func(http.Header) // only there while the client is checked
}

// RoundTrip implements [http.RoundTripper].
func (c *callee) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.sent != nil {
		c.sent(r.Header)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if c.sets != nil {
		clock := c.sets[c.at].Clock
		if fields := r.Header["Raceway-Clock"]; len(fields) > 0 {
			clock = fields[0]
		}
		// That of a callee that made no calls.
		header["Raceway-Clock"] = []string{clock[:strings.LastIndexByte(clock, ';')] + ", mail#mail-1/0badcafe:2;e"}
	}
	return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: http.NoBody, Request: r}, nil
}

// Work is calls of the client, each read to its end.
func (c *Client) Work() *measure.Work {
	to := &callee{}
	if c.Answers > 0 {
		to.sets = Sets(c.Answers)
	}
	client := &http.Client{Transport: c.Wrap(to)}
	sets := Sets(c.Hops)
	contexts := make([]context.Context, len(sets))
	call := func(i int) {
		to.at = i
		r, err := http.NewRequestWithContext(contexts[i], http.MethodGet, c.URL, http.NoBody)
		if err != nil {
			panic(err)
		}
		r.Header["Accept"] = accepts
		response, err := client.Do(r)
		if err != nil {
			panic(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			panic(err)
		}
		if err := response.Body.Close(); err != nil {
			panic(err)
		}
	}
	around := func(inside func()) { c.within(sets, contexts, inside) }
	check := func() (err error) {
		around(func() { err = c.check(sets, contexts, to, call) })
		if err == nil && c.Done != nil {
			err = c.Done(2 * len(sets))
		}
		return err
	}
	return &measure.Work{Check: check, Each: call, Around: around, Done: c.Done}
}

var accepts = []string{"application/json"}

// within runs inside in the handling of all requests at once, each with a context of its own.
func (c *Client) within(sets []Set, contexts []context.Context, inside func()) {
	var enter func(i int)
	enter = func(i int) {
		if i == len(sets) {
			inside()
			return
		}
		app := &app{probe: func(ctx context.Context) {
			contexts[i] = ctx
			enter(i + 1)
		}}
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header = sets[i].Header()
		c.Server.Wrap(app).ServeHTTP(httptest.NewRecorder(), r)
	}
	enter(0)
}

func (c *Client) check(sets []Set, contexts []context.Context, to *callee, call func(i int)) error {
	var sent http.Header
	to.sent = func(header http.Header) { sent = header.Clone() }
	defer func() { to.sent = nil }()
	for i, set := range sets {
		call(i)
		if c.Flags == "" {
			continue
		}
		if err := set.CheckOut(sent, c.Flags); err != nil {
			return err
		}
		if carries := sent.Get("Raceway-Clock") != ""; carries != (c.Joined != nil) {
			return fmt.Errorf("sends a clock: %v", carries)
		}
		if c.Joined != nil {
			if err := c.Joined(contexts[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
