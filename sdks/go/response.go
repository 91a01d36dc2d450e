package towline

import (
	"io"
	"net/http"
	"strconv"
	"sync"
)

// responseState is how far the response of an exchange has come.
type responseState struct {
	inner    http.ResponseWriter
	answers  bool // the caller waits for a clock
	status   int  // 0: the handler has said nothing yet
	released bool // the head went down to inner
	hijacked bool
	gone     bool  // a write failed: nobody reads any more
	length   int64 // Content-Length as the handler set it; -1 without one
	held     *held // between the handler's head and its release, where the caller waits for a clock
	heldSize int
	clock    [1]string // backs the header field
	trails   bool      // the end's clock goes into a trailer
}

// The sizes of net/http's own buffers: a body that stays within is sized, where the handler returns
// before a flush. Holding back no more than they do, no sized body is ever made chunked.
const (
	heldMax1 = 2048 // HTTP/1
	heldMax2 = 4096 // HTTP/2
)

// held is what is held back of a response.
type held struct {
	fields fieldsAtHead
	body   [heldMax2]byte
}

var heldBack = sync.Pool{New: func() any { return new(held) }}

func (x *exchange) heldMax() int {
	if x.request.ProtoMajor >= 2 {
		return heldMax2
	}
	return heldMax1
}

// Header implements [http.ResponseWriter].
func (x *exchange) Header() http.Header { return x.inner.Header() }

// Unwrap is for [http.ResponseController].
func (x *exchange) Unwrap() http.ResponseWriter { return x.inner }

// WriteHeader implements [http.ResponseWriter].
func (x *exchange) WriteHeader(code int) {
	final := code >= 200 && code <= 999 || code == http.StatusSwitchingProtocols
	if !final || x.released {
		x.inner.WriteHeader(code) // informational; or to be complained of
	} else if x.status == 0 {
		x.commit(code)
	}
}

// Write implements [http.ResponseWriter].
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.commit(http.StatusOK)
	}
	if !x.released {
		size := x.heldSize + len(p)
		switch {
		case !bodyAllowed(x.status):
			return 0, http.ErrBodyNotAllowed
		case x.length >= 0 && int64(size) > x.length:
			return 0, http.ErrContentLength
		case size <= x.heldMax():
			x.heldSize += copy(x.held.body[x.heldSize:], p)
			return len(p), nil
		}
		x.release()
	}
	n, err := x.inner.Write(p)
	x.gone = x.gone || err != nil
	return n, err
}

// WriteString implements [io.StringWriter], which io.WriteString looks for.
func (x *exchange) WriteString(s string) (int, error) {
	if x.released {
		n, err := io.WriteString(x.inner, s)
		x.gone = x.gone || err != nil
		return n, err
	}
	return x.Write([]byte(s))
}

// FlushError is what [http.ResponseController] looks for; it does not promise that flushing works.
func (x *exchange) FlushError() error {
	if x.status == 0 {
		x.commit(http.StatusOK)
	}
	x.release()
	return http.NewResponseController(x.inner).Flush()
}

// readFrom is for an inner writer that has a fast way for files.
func (x *exchange) readFrom(src io.Reader) (n int64, err error) {
	if !x.released {
		// What may still be held, and one byte more: if that comes too, it releases the head.
		room := int64(x.heldMax()-x.heldSize) + 1
		n, err = io.Copy(writerOnly{x}, io.LimitReader(src, room))
		if err != nil || n < room {
			return n, err
		}
	}
	more, err := x.inner.(io.ReaderFrom).ReadFrom(src)
	x.gone = x.gone || err != nil
	return n + more, err
}

// writerOnly hides readFrom from io.Copy.
type writerOnly struct{ io.Writer }

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// commit takes the head as the handler has made it. It goes down at once, unless a clock is to go with
// it of which it is not known yet whether it is the end's.
func (x *exchange) commit(status int) {
	x.status, x.length = status, -1
	header := x.inner.Header()
	x.addTraceResponse(header)
	delete(header, keyClock) // that of another server's answer, where this one passes it on
	if !x.answers {
		x.release()
		return
	}
	if declared := header["Content-Length"]; len(declared) > 0 {
		if n, err := strconv.ParseInt(declared[0], 10, 64); err == nil && n >= 0 {
			x.length = n
		}
	}
	x.held = heldBack.Get().(*held)
	x.held.fields.keep(header)
}

// addTraceResponse tells the caller of its trace, where that is asked for.
func (x *exchange) addTraceResponse(header http.Header) {
	if x.towline.config.TraceResponse && !sharedCacheMayKeep(x.status, header) {
		value := formatTraceparent(x.place.traceID, x.place.spanID, x.place.flags)
		header.Add("Traceresponse", value)
		header.Add("Server-Timing", "trace;desc="+value)
	}
}

// release sends the head, and what was held of the body: with the clock of the end where the body's
// length is known, else with the clock so far.
func (x *exchange) release() {
	if x.released {
		return
	}
	x.released = true
	if x.answers {
		header := x.inner.Header()
		late := x.held.fields.restore(header)
		x.putHops(header)
		switches := x.status == http.StatusSwitchingProtocols // the strand is that of the connection
		sized := x.length >= 0 || !bodyAllowed(x.status) || x.request.Method == http.MethodHead
		x.putClock(header, sized && !switches)
		x.inner.WriteHeader(x.status)
		if late != nil {
			clear(header)
			for key, values := range late {
				header[key] = values
			}
		}
	} else {
		x.putHops(x.inner.Header())
		x.inner.WriteHeader(x.status)
	}
	if x.heldSize > 0 {
		_, err := x.inner.Write(x.held.body[:x.heldSize])
		x.gone = x.gone || err != nil
	}
	x.drop()
}

// drop gives the memory of what was held back.
func (x *exchange) drop() {
	if x.held != nil {
		x.held.fields.forget()
		heldBack.Put(x.held)
		x.held, x.heldSize = nil, 0
	}
}

// putHops tells who probes what this service saw, before the head goes down.
func (x *exchange) putHops(header http.Header) {
	if probe := x.place.carried.probing(); probe != nil && !sharedCacheMayKeep(x.status, header) {
		header[keyHops] = []string{probe.text(x.place)}
	}
}

// putClock puts the clock into the head: ended, of the strand's end.
func (x *exchange) putClock(header http.Header, ended bool) {
	if ended {
		x.place.strand.tryEnd()
	}
	if sharedCacheMayKeep(x.status, header) {
		return
	}
	if x.setClock(header) && !ended && bodyAllowed(x.status) && takesTrailers(x.request) {
		x.trails = true
		if !listed(header["Trailer"], keyClock) {
			header.Add("Trailer", keyClock)
		}
	}
}

func (x *exchange) setClock(header http.Header) bool {
	text, cut, err := x.place.strand.stampHeader(x.towline.config.Limits)
	if err != nil {
		x.towline.dropped(WhatSend, reasonOf(err))
		return false
	}
	if cut {
		x.towline.dropped(WhatSend, ReasonCut)
	}
	x.clock[0] = text
	header[keyClock] = x.clock[:]
	return true
}

// finish ends the exchange, once next has returned or panicked.
func (x *exchange) finish(returned bool) {
	x.place.strand.tryEnd()
	switch {
	case !returned || x.hijacked:
		x.released = true // whoever writes still has inner to do with
		x.drop()
	case x.status == 0:
		// net/http writes the head; the header is all that is needed of us.
		header := x.inner.Header()
		x.status, x.released = http.StatusOK, true
		x.addTraceResponse(header)
		delete(header, keyClock)
		x.putHops(header)
		if x.answers {
			x.putClock(header, true)
		}
	case !x.released:
		x.length = int64(x.heldSize) // known now
		x.release()
	case x.trails:
		delete(x.inner.Header(), keyClock)
		x.setClock(x.inner.Header())
	}
	x.towline.strandEnded(x.place, x.outcome(returned))
}

func (x *exchange) outcome(returned bool) Outcome {
	switch {
	case !returned:
		return OutcomeError
	case x.hijacked:
		return OutcomeOK // who ends a connection of another protocol, and how, is not known here
	case x.gone || x.request.Context().Err() != nil:
		return OutcomeCancelled
	case x.status >= http.StatusInternalServerError:
		return OutcomeError
	default:
		return OutcomeOK
	}
}
