package towline

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// Each of these adds one optional interface of an http.ResponseWriter to an exchange.
type (
	flusher  struct{ *exchange }
	hijacker struct{ *exchange }
	pusher   struct{ *exchange }
	reader   struct{ *exchange }
)

// Flush implements [http.Flusher].
func (f flusher) Flush() { _ = f.FlushError() }

// Hijack implements [http.Hijacker].
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if h.status != 0 {
		h.release() // as a 101 before the other protocol
	}
	conn, buffer, err := h.inner.(http.Hijacker).Hijack()
	h.hijacked = h.hijacked || err == nil
	return conn, buffer, err
}

// Push implements [http.Pusher].
func (p pusher) Push(target string, options *http.PushOptions) error {
	return p.inner.(http.Pusher).Push(target, options)
}

// ReadFrom implements [io.ReaderFrom].
func (r reader) ReadFrom(src io.Reader) (int64, error) { return r.readFrom(src) }

// writer returns what the handler writes to: it offers the optional interfaces that inner has, and no
// other, since handlers decide by them what they do.
func (x *exchange) writer() http.ResponseWriter {
	_, flushes := x.inner.(http.Flusher)
	_, hijacks := x.inner.(http.Hijacker)
	_, pushes := x.inner.(http.Pusher)
	_, reads := x.inner.(io.ReaderFrom)
	f, h, p, r := flusher{x}, hijacker{x}, pusher{x}, reader{x}
	switch has := [4]bool{flushes, hijacks, pushes, reads}; has {
	case [4]bool{true, false, false, false}:
		return f
	case [4]bool{false, true, false, false}:
		return h
	case [4]bool{false, false, true, false}:
		return p
	case [4]bool{false, false, false, true}:
		return r
	case [4]bool{true, true, false, false}:
		return struct {
			*exchange
			http.Flusher
			http.Hijacker
		}{x, f, h}
	case [4]bool{true, false, true, false}:
		return struct {
			*exchange
			http.Flusher
			http.Pusher
		}{x, f, p}
	case [4]bool{true, false, false, true}:
		return struct {
			*exchange
			http.Flusher
			io.ReaderFrom
		}{x, f, r}
	case [4]bool{false, true, true, false}:
		return struct {
			*exchange
			http.Hijacker
			http.Pusher
		}{x, h, p}
	case [4]bool{false, true, false, true}:
		return struct {
			*exchange
			http.Hijacker
			io.ReaderFrom
		}{x, h, r}
	case [4]bool{false, false, true, true}:
		return struct {
			*exchange
			http.Pusher
			io.ReaderFrom
		}{x, p, r}
	case [4]bool{true, true, true, false}:
		return struct {
			*exchange
			http.Flusher
			http.Hijacker
			http.Pusher
		}{x, f, h, p}
	case [4]bool{true, true, false, true}:
		return struct {
			*exchange
			http.Flusher
			http.Hijacker
			io.ReaderFrom
		}{x, f, h, r}
	case [4]bool{true, false, true, true}:
		return struct {
			*exchange
			http.Flusher
			http.Pusher
			io.ReaderFrom
		}{x, f, p, r}
	case [4]bool{false, true, true, true}:
		return struct {
			*exchange
			http.Hijacker
			http.Pusher
			io.ReaderFrom
		}{x, h, p, r}
	case [4]bool{true, true, true, true}:
		return struct {
			*exchange
			http.Flusher
			http.Hijacker
			http.Pusher
			io.ReaderFrom
		}{x, f, h, p, r}
	default:
		return x
	}
}
