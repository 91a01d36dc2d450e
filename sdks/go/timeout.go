package towline

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	keyTimeout     = "Towline-Timeout"
	keyTimeoutGRPC = "Grpc-Timeout"
	timeoutDigits  = 8
	timeoutMax     = 99999999 // milliseconds
)

var errTimeout = &RefusedError{ReasonMalformed, "timeout is not one to eight digits, or is 0"}

// readTimeout reads how many milliseconds a caller leaves; there is false where it sets no limit.
//
// Source: spec/edge.md, "Deadlines"; vectors/carriers.json.
func readTimeout(header http.Header) (milliseconds int64, there bool, err error) {
	fields, unit := header[keyTimeout], time.Millisecond
	own := len(fields) > 0
	if !own {
		if fields = header[keyTimeoutGRPC]; len(fields) == 0 {
			return 0, false, nil
		}
	}
	value := strings.Trim(fields[0], " \t")
	if len(fields) > 1 || value == "" {
		return 0, true, errTimeout
	}
	if !own {
		var known bool
		if unit, known = grpcUnit(value[len(value)-1]); !known {
			return 0, true, errTimeout
		}
		value = value[:len(value)-1]
	}
	if value == "" || len(value) > timeoutDigits || strings.Trim(value, "0123456789") != "" {
		return 0, true, errTimeout
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || own && n == 0 {
		return 0, true, errTimeout
	}
	if unit < time.Millisecond {
		return n / int64(time.Millisecond/unit), true, nil
	}
	return n * int64(unit/time.Millisecond), true, nil
}

func grpcUnit(c byte) (unit time.Duration, known bool) {
	switch c {
	case 'H':
		return time.Hour, true
	case 'M':
		return time.Minute, true
	case 'S':
		return time.Second, true
	case 'm':
		return time.Millisecond, true
	case 'u':
		return time.Microsecond, true
	case 'n':
		return time.Nanosecond, true
	default:
		return 0, false
	}
}

type deadlineKey struct{}

// timeoutContext is a context with a lower deadline than its place's.
type timeoutContext struct {
	context.Context
	deadline time.Time
}

func (c *timeoutContext) Value(key any) any {
	if _, isDeadline := key.(deadlineKey); isDeadline {
		return c.deadline
	}
	return c.Context.Value(key)
}

// deadlineOf is the deadline that calls of ctx tell their callees; zero where there is none. A context
// that has none of its own, or a later one, has been cut loose from it, as context.WithoutCancel does.
func deadlineOf(ctx context.Context) time.Time {
	deadline, _ := ctx.Value(deadlineKey{}).(time.Time)
	if own, has := ctx.Deadline(); deadline.IsZero() || !has || own.After(deadline) {
		return time.Time{}
	}
	return deadline
}

// Remaining returns how much time is left of the deadline that came with the request, or that
// [WithTimeout] set; has is false where there is none. It is below zero after the deadline.
func Remaining(ctx context.Context) (left time.Duration, has bool) {
	deadline := deadlineOf(ctx)
	if deadline.IsZero() {
		return 0, false
	}
	return time.Until(deadline), true
}

// WithTimeout is [context.WithTimeout], whose deadline calls tell their callees too, where
// [WithDeadlines] is on. It lowers the deadline, and never raises it.
func WithTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	deadline := time.Now().Add(timeout)
	if outer := deadlineOf(ctx); !outer.IsZero() && outer.Before(deadline) {
		deadline = outer
	}
	lowered, cancel := context.WithDeadline(ctx, deadline)
	return &timeoutContext{lowered, deadline}, cancel
}

// takeDeadline reads the deadline of a request, which runs from now, and returns ctx with it.
func (t *Towline) takeDeadline(ctx context.Context, p *Place, header http.Header) (context.Context, context.CancelFunc) {
	milliseconds, there, err := readTimeout(header)
	if err != nil {
		t.dropped(WhatTimeout, reasonOf(err))
	}
	if err != nil || !there {
		return ctx, nil
	}
	left := time.Duration(min(milliseconds, int64(math.MaxInt64/time.Millisecond))) * time.Millisecond
	deadline := time.Now().Add(left)
	p.carry().deadline = deadline
	return context.WithDeadline(ctx, deadline)
}

// timeoutText is what is left until deadline as a header has it; not ok below a millisecond.
func timeoutText(deadline time.Time) (text string, ok bool) {
	left := time.Until(deadline) / time.Millisecond
	return strconv.FormatInt(int64(min(left, timeoutMax)), 10), left >= 1
}
