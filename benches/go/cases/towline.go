package cases

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"towline.invalid/benches/go/measure"
	"towline.invalid/go"
)

// The hosts of calls: clocks go to one of them.
const (
	Near = "http://stock.internal/items/4711"
	far  = "http://stock.example/items/4711"
)

func bare(next http.Handler) http.Handler { return next }

func bareServer() Server { return Server{Wrap: bare} }

func towlineServer(hops int) Server {
	t := newTowline()
	return Server{Hops: hops, Flags: "03", Wrap: t.Handler, Out: func(ctx context.Context) http.Header {
		out := http.Header{}
		t.Call(towline.FromContext(ctx), "stock.internal").Inject(out)
		return out
	}}
}

func newTowline() *towline.Towline {
	return towline.New(towline.WithServiceName("go"), towline.WithInstance("go-1"), towline.WithLogger(slog.New(slog.DiscardHandler)))
}

func bareClient(answers int) Client {
	return Client{Server: bareServer(), URL: Near, Answers: answers, Wrap: func(base http.RoundTripper) http.RoundTripper { return base }}
}

// towlineClient calls a host that clocks go to, or one that they do not go to.
func towlineClient(hops int) Client {
	c := Client{Server: towlineServer(hops), URL: far, Answers: hops}
	c.Wrap = newTowline().Transport
	if hops > 0 {
		c.URL, c.Joined = Near, joined
	}
	return c
}

func joined(ctx context.Context) error {
	if stamp := towline.FromContext(ctx).Stamp(); stamp.Tick() != 3 || strings.Contains(stamp.Format(), "x=") {
		return fmt.Errorf("the call is not joined in %q", stamp)
	}
	return nil
}

// Bare names the cases that others are put against.
const Bare = "bare"

// All are the cases of bare net/http and of Towline.
func All() []measure.Case {
	out := []measure.Case{
		{Group: "server", Name: Bare, Start: recorded(bareServer)},
		{Group: "loopback", Name: Bare, Start: listening(bareServer)},
		{Group: "client", Name: Bare, Start: calling(bareClient, 0)},
	}
	for _, hops := range []int{0, 1, 4, 16} {
		server := func() Server { return towlineServer(hops) }
		name := TowlineName(hops)
		out = append(out, measure.Case{Group: "server", Name: name, Over: Bare, Start: recorded(server)})
		if hops == 0 || hops == 4 {
			out = append(out, measure.Case{Group: "loopback", Name: name, Over: Bare, Start: listening(server)})
		}
		over := Bare
		if hops > 0 {
			over = fmt.Sprintf("bare, answers to %s", hopCount(hops))
			out = append(out, measure.Case{Group: "client", Name: over, Start: calling(bareClient, hops)})
		}
		out = append(out, measure.Case{Group: "client", Name: name, Over: over, Start: calling(towlineClient, hops)})
	}
	return append(out, codecs()...)
}

// TowlineName is the case of Towline with a clock of so many hops.
func TowlineName(hops int) string {
	if hops == 0 {
		return "towline, traceparent only"
	}
	return "towline, clock of " + hopCount(hops)
}

func hopCount(hops int) string {
	if hops == 1 {
		return "1 hop"
	}
	return fmt.Sprintf("%d hops", hops)
}

func recorded(server func() Server) func() (*measure.Work, error) {
	return func() (*measure.Work, error) { s := server(); return s.Recorded(), nil }
}

func listening(server func() Server) func() (*measure.Work, error) {
	return func() (*measure.Work, error) { s := server(); return s.Listening(), nil }
}

func calling(client func(hops int) Client, hops int) func() (*measure.Work, error) {
	return func() (*measure.Work, error) { c := client(hops); return c.Work(), nil }
}
