package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	towline "towline.invalid/go"
)

const (
	callsMax       = 64
	answerBytesMax = 64 << 20
)

// job is the body of a /process request, in either of its forms.
type job struct {
	Payload *string `json:"payload,omitempty"`
	Mode    string  `json:"mode,omitempty"`
	Calls   []call  `json:"calls,omitempty"`

	Downstream         *string `json:"downstream,omitempty"`
	NextDownstream     *string `json:"next_downstream,omitempty"`
	NextNextDownstream *string `json:"next_next_downstream,omitempty"`
}

// call is one entry of calls: where it goes, and what the callee gets.
type call struct {
	URL string `json:"url"`
	job
}

func (j *job) check() error {
	if j.Payload == nil {
		return errors.New("payload is missing")
	}
	return j.checkCalls()
}

func (j *job) checkCalls() error {
	if j.Mode != "" && j.Mode != "sequential" && j.Mode != "parallel" {
		return fmt.Errorf("mode is %q, neither sequential nor parallel", j.Mode)
	}
	if len(j.Calls) > callsMax {
		return fmt.Errorf("%d calls, the limit is %d", len(j.Calls), callsMax)
	}
	for i := range j.Calls {
		if j.Calls[i].URL == "" {
			return errors.New("a call has no url")
		}
		if err := j.Calls[i].checkCalls(); err != nil {
			return err
		}
	}
	return nil
}

// report is the answer to a job.
type report struct {
	Service    string            `json:"service"`
	Instance   string            `json:"instance"`
	Payload    string            `json:"payload"`
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id"`
	ParentID   *string           `json:"parent_id"`
	Flags      string            `json:"flags"`
	Received   map[string]string `json:"receivedHeaders"`
	Clock      *string           `json:"clock"`
	Calls      []outcome         `json:"calls"`
	Downstream json.RawMessage   `json:"downstream"`
}

// outcome is what became of a call.
type outcome struct {
	URL           string            `json:"url"`
	SpanID        *string           `json:"span_id"`
	SentHeaders   map[string]string `json:"sentHeaders"`
	Status        *int              `json:"status"`
	AnswerHeaders map[string]string `json:"answerHeaders"`
	Answer        json.RawMessage   `json:"answer"`
	Error         *string           `json:"error"`
}

func (s *service) work(ctx context.Context, j *job) *report {
	out := &report{Service: s.name, Instance: s.instance, Payload: *j.Payload, Received: received(ctx), Calls: []outcome{}}
	switch {
	case j.Calls == nil && j.Downstream != nil:
		next := &job{Payload: j.Payload, Downstream: j.NextDownstream, NextDownstream: j.NextNextDownstream}
		one := s.call(ctx, *j.Downstream, next)
		out.Downstream, one.Answer = one.Answer, nil
		out.Calls = append(out.Calls, one)
	case j.Mode == "parallel":
		out.Calls = s.callAtOnce(ctx, j)
	default:
		for i := range j.Calls {
			out.Calls = append(out.Calls, s.call(ctx, j.Calls[i].URL, j.callee(i)))
		}
	}
	place := towline.FromContext(ctx)
	out.TraceID, out.SpanID, out.Flags = place.TraceID().String(), place.SpanID().String(), place.Flags().String()
	if id := place.ParentID(); !id.IsZero() {
		out.ParentID = text(id.String())
	}
	if clock := place.Stamp(); !clock.IsZero() {
		out.Clock = text(clock.Format())
	}
	return out
}

// callAtOnce makes each call a strand of its own, so that the calls are known to be concurrent.
func (s *service) callAtOnce(ctx context.Context, j *job) []outcome {
	out := make([]outcome, len(j.Calls))
	waits := make([]func() error, len(j.Calls))
	for i := range j.Calls {
		waits[i] = towline.Go(ctx, func(ctx context.Context) error {
			out[i] = s.call(ctx, j.Calls[i].URL, j.callee(i))
			return nil
		})
	}
	for _, wait := range waits {
		_ = wait() // a call that failed says so in its outcome
	}
	return out
}

// callee is the job of the callee of call i.
func (j *job) callee(i int) *job {
	next := j.Calls[i].job
	if next.Payload == nil {
		next.Payload = j.Payload
	}
	return &next
}

func (s *service) call(ctx context.Context, to string, next *job) outcome {
	if parsed, err := url.Parse(to); err == nil && (parsed.Path == "" || parsed.Path == "/") {
		parsed.Path = "/process"
		out := s.post(ctx, parsed.String(), next)
		out.URL = to
		return out
	}
	return s.post(ctx, to, next)
}

// post sends one JSON body, and tells what was on the wire for it.
func (s *service) post(ctx context.Context, to string, body any) outcome {
	ctx, wire := recordCall(ctx)
	status, answer, err := s.exchange(ctx, to, body)
	out := outcome{URL: to, SpanID: wire.spanID, SentHeaders: wire.sent, AnswerHeaders: wire.answered}
	if err != nil {
		out.Error = text(err.Error())
	} else {
		out.Status, out.Answer = &status, answer
	}
	return out
}

func (s *service) exchange(ctx context.Context, to string, body any) (status int, answer json.RawMessage, err error) {
	sent, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(sent))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err == nil && !json.Valid(answer) {
		err = errors.New("the answer is not JSON")
	}
	return response.StatusCode, answer, err
}

func text(s string) *string { return &s }
