package towline_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"

	towline "towline.invalid/go"
)

var quiet = towline.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))

func ExampleHandler() {
	handler := towline.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place := towline.FromContext(r.Context())
		fmt.Println(place.TraceID(), "called by", place.ParentID())
	}), towline.WithServiceName("orders"), towline.WithInstance("o-1"), quiet)

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: 0af7651916cd43dd8448eb211c80319c called by b7ad6b7169203331
}

func ExampleTransport() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(len(r.Header.Get("traceparent")), "characters of traceparent")
	}))
	defer server.Close()

	client := &http.Client{Transport: towline.Transport(nil, quiet)}
	response, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	// Output: 55 characters of traceparent
}

func ExampleFork() {
	tow := towline.New(quiet)
	ctx := towline.NewContext(context.Background(), tow.Begin())
	one, joinOne := towline.Fork(ctx)
	two, joinTwo := towline.Fork(ctx)
	a, b := towline.Event(one), towline.Event(two)
	joinOne()
	joinTwo()
	c := towline.Event(ctx)
	fmt.Println(a.Compare(b), a.Compare(c))
	// Output: concurrent before
}

func ExampleGo() {
	tow := towline.New(quiet)
	ctx := towline.NewContext(context.Background(), tow.Begin())
	wait := towline.Go(ctx, func(ctx context.Context) error {
		towline.Event(ctx)
		return nil
	})
	fmt.Println(wait(), towline.Event(ctx).Tick())
	// Output: <nil> 4
}

func ExampleDetach() {
	tow := towline.New(quiet)
	ctx, cancel := context.WithCancel(towline.NewContext(context.Background(), tow.Begin()))
	detached := towline.Detach(ctx)
	cancel()
	fmt.Println(detached.Err(), towline.FromContext(detached).ParentID() == towline.FromContext(ctx).SpanID())
	// Output: <nil> true
}

func ExampleParseClock() {
	clock, err := towline.ParseClock(`v2;t=1c80319c, typescript#ts-1/a3f9c21b:2, python#py-1/77b0e190:4;x="4"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, hop := range clock.Hops() {
		fmt.Println(hop.Service, hop.Instance)
	}
	_, err = towline.ParseClock("v3;t=1c80319c")
	fmt.Println(err)
	// Output:
	// typescript ts-1
	// python py-1
	// towline: version: version is not v2, or no trace
}

func ExampleStartStrandFrom() {
	orders := towline.StartStrand(0x1c80319c, "orders", "o-1", 0xa3f9c21b)
	message := orders.Send(true) // nobody waits for what becomes of it
	worker := towline.StartStrandFrom(message, "worker", "w-1", 0x77b0e190, false)
	fmt.Println(worker.Stamp())
	fmt.Println(message.Compare(worker.Stamp()), orders.Event().Compare(worker.Event()))
	// Output:
	// v2;t=1c80319c, orders#o-1/a3f9c21b:2, worker#w-1/77b0e190:1;d
	// before concurrent
}

func ExamplePlace_Call() {
	tow := towline.New(towline.WithServiceName("orders"), quiet)
	place := tow.Begin()
	call := place.Call("stock.internal")
	header := http.Header{}
	call.Inject(header)
	fmt.Println(len(header["Traceparent"]), len(header["Raceway-Clock"]))
	call.Failed(io.ErrUnexpectedEOF)
	place.End(towline.OutcomeError)
	fmt.Println(tow.Counters().All())
	// Output:
	// 1 1
	// map[call_answered:1 call_sent:1 strand_end:1 strand_start:1]
}
