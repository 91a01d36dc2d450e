package peers

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	towline "towline.invalid/go"
)

const patience = 20 * time.Second

func newTowline(service string) *towline.Towline {
	return towline.New(towline.WithServiceName(service), towline.WithInstance("1"), towline.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
}

// broker starts a NATS server, and connects to it.
func broker(t *testing.T) *nats.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(patience) {
		t.Fatal("the broker does not listen")
	}
	conn, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// handled is what the consumer tells of one message.
type handled struct {
	trace  towline.TraceID
	parent towline.SpanID
	work   towline.Clock
	hops   []towline.Hop
}

func TestMessagesThroughABrokerKeepTraceParentAndOrder(t *testing.T) {
	conn := broker(t)
	consumer := newTowline("consumer")
	done := make(chan handled, 1)
	subscription, err := conn.Subscribe("orders", func(message *nats.Msg) {
		ctx, place := consumer.ReceiveMessage(context.Background(), towline.HeaderCarrier(message.Header))
		defer place.End(towline.OutcomeOK)
		work := towline.Event(ctx)
		done <- handled{place.TraceID(), place.ParentID(), work, work.Hops()}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = subscription.Unsubscribe() }()

	producer := newTowline("producer")
	var before, after towline.Clock
	var span towline.SpanID
	front := httptest.NewServer(producer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before = towline.Event(r.Context())
		message := nats.NewMsg("orders")
		span = towline.SendMessage(r.Context(), towline.HeaderCarrier(message.Header))
		if err := conn.PublishMsg(message); err != nil {
			t.Error(err)
		}
		after = towline.Event(r.Context())
		_, _ = fmt.Fprint(w, towline.FromContext(r.Context()).TraceID())
	})))
	defer front.Close()
	response, err := http.Get(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-done:
		if got.trace.String() != string(body) || got.parent != span {
			t.Errorf("handled in %s, of %s; sent in %s, by %s", got.trace, got.parent, body, span)
		}
		if last := got.hops[len(got.hops)-1]; len(got.hops) != 2 || !last.Detached || last.Service != "consumer" || got.hops[0].Service != "producer" {
			t.Errorf("the hops are %+v", got.hops)
		}
		// Detached: what happened before the sending is before the handling; what follows it is not.
		if before.Compare(got.work) != towline.Before || after.Compare(got.work) != towline.Concurrent {
			t.Errorf("before the sending: %s, after it: %s", before.Compare(got.work), after.Compare(got.work))
		}
	case <-time.After(patience):
		t.Fatal("no message came")
	}
}

func TestBatchFromABrokerIsLinked(t *testing.T) {
	conn := broker(t)
	subscription, err := conn.SubscribeSync("batch")
	if err != nil {
		t.Fatal(err)
	}
	producer, consumer := newTowline("producer"), newTowline("consumer")
	spans := map[towline.SpanID]bool{}
	for range 3 {
		place := producer.Begin()
		message := nats.NewMsg("batch")
		spans[towline.SendMessage(towline.NewContext(t.Context(), place), towline.HeaderCarrier(message.Header))] = true
		if err := conn.PublishMsg(message); err != nil {
			t.Fatal(err)
		}
	}
	var carriers []towline.Carrier
	for range 3 {
		message, err := subscription.NextMsg(patience)
		if err != nil {
			t.Fatal(err)
		}
		carriers = append(carriers, towline.HeaderCarrier(message.Header))
	}
	_, place := consumer.ReceiveBatch(t.Context(), carriers...)
	defer place.End(towline.OutcomeOK)
	for _, link := range place.Links() {
		if !spans[link.ParentID] || link.TraceID == place.TraceID() {
			t.Errorf("linked to %+v", link)
		}
		delete(spans, link.ParentID)
	}
	if len(spans) > 0 {
		t.Errorf("not linked to %v", spans)
	}
}
