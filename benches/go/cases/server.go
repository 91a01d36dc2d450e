package cases

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"towline.invalid/benches/go/measure"
)

// Server is a middleware around a handler.
type Server struct {
	Hops  int
	Flags string // that are sent on; empty: nothing is
	Wrap  func(http.Handler) http.Handler
	Out   func(context.Context) http.Header // what the handler would send on
	Done  func(count int) error
}

var body = []byte(`{"item":"4711","stock":12,"reserved":3}`)

// app is what the middleware is around. probe is only there while it is checked.
type app struct{ probe func(context.Context) }

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.probe != nil {
		a.probe(r.Context())
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// Recorded is the server's work without sockets.
func (s *Server) Recorded() *measure.Work {
	app := new(app)
	handler := s.Wrap(app)
	sets := Sets(s.Hops)
	requests := make([]*http.Request, len(sets))
	for i := range requests {
		requests[i] = httptest.NewRequest(http.MethodGet, "/items/4711", http.NoBody)
		requests[i].Header = sets[i].Header()
	}
	return &measure.Work{
		Check: func() error { return s.check(app, handler, sets, requests) },
		Each:  func(i int) { handler.ServeHTTP(httptest.NewRecorder(), requests[i]) },
		Done:  s.Done,
	}
}

func (s *Server) check(app *app, handler http.Handler, sets []Set, requests []*http.Request) error {
	for i, set := range sets {
		if s.Flags != "" { // an answer of its own: what is sent on is in flight in it
			var out http.Header
			app.probe = func(ctx context.Context) { out = s.Out(ctx) }
			handler.ServeHTTP(httptest.NewRecorder(), requests[i])
			app.probe = nil
			if err := set.CheckOut(out, s.Flags); err != nil {
				return err
			}
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, requests[i])
		if err := s.answer(&set, w.Code, w.Header(), w.Body.Bytes()); err != nil {
			return err
		}
	}
	if s.Done != nil {
		return s.Done(2 * len(sets))
	}
	return nil
}

func (s *Server) answer(set *Set, status int, header http.Header, got []byte) error {
	if status != http.StatusOK || !bytes.Equal(got, body) {
		return fmt.Errorf("answers %d, %q", status, got)
	}
	if s.Flags == "" {
		return nil
	}
	return set.CheckAnswer(header)
}

// Listening is the server's work behind a socket.
func (s *Server) Listening() *measure.Work {
	sets := Sets(s.Hops)
	requests := make([][]byte, len(sets))
	for i := range requests {
		var wire bytes.Buffer
		wire.WriteString("GET /items/4711 HTTP/1.1\r\nHost: localhost\r\n")
		if err := sets[i].Header().Write(&wire); err != nil {
			panic(err)
		}
		wire.WriteString("\r\n")
		requests[i] = wire.Bytes()
	}
	return &measure.Work{Done: s.Done, Loopback: &measure.Loopback{
		Handler: s.Wrap(new(app)),
		Request: func(i int) []byte { return requests[i] },
		Answer: func(i int, r *http.Response, got []byte) error {
			return s.answer(&sets[i], r.StatusCode, r.Header, got)
		},
	}}
}
