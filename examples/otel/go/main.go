// A service that OpenTelemetry alone instruments; what it offers is written in examples/otel/README.md.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

const (
	name         = "otel-go"
	callTimeout  = 5 * time.Second
	bodyBytesMax = 1 << 20
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))

	client := &http.Client{Transport: otelhttp.NewTransport(&http.Transport{}), Timeout: callTimeout}
	mux := http.NewServeMux()
	mux.Handle("POST /process", otelhttp.NewHandler(process(client), "process"))
	mux.HandleFunc("GET /spans", func(w http.ResponseWriter, _ *http.Request) { answer(w, told(spans.GetSpans())) })

	listener, err := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "0"))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: callTimeout}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	context.AfterFunc(stop, func() { _ = server.Close() })
	fmt.Printf("%s listening on %s\n", name, listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

type work struct {
	Payload string   `json:"payload"`
	Calls   []callTo `json:"calls"`
}

type callTo struct {
	URL   string          `json:"url"`
	Calls json.RawMessage `json:"calls,omitempty"`
}

type called struct {
	URL    string          `json:"url"`
	Status int             `json:"status"`
	Answer json.RawMessage `json:"answer"`
}

func process(client *http.Client) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var wanted work
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytesMax)).Decode(&wanted); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		calls := []called{}
		for _, to := range wanted.Calls {
			done, err := call(r.Context(), client, to, wanted.Payload)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			calls = append(calls, done)
		}
		answer(w, map[string]any{"service": name, "payload": wanted.Payload, "calls": calls})
	})
}

func call(ctx context.Context, client *http.Client, to callTo, payload string) (called, error) {
	target, err := url.Parse(to.URL)
	if err != nil {
		return called{}, err
	}
	if target.Path == "" || target.Path == "/" {
		target.Path = "/process"
	}
	if to.Calls == nil {
		to.Calls = json.RawMessage("[]")
	}
	body, err := json.Marshal(map[string]any{"payload": payload, "calls": to.Calls})
	if err != nil {
		return called{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return called{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return called{}, err
	}
	defer response.Body.Close()
	done := called{URL: to.URL, Status: response.StatusCode}
	err = json.NewDecoder(response.Body).Decode(&done.Answer)
	return done, err
}

// told is what `GET /spans` says of spans.
func told(spans tracetest.SpanStubs) []map[string]any {
	rows := []map[string]any{}
	for _, span := range spans {
		row := map[string]any{
			"name":      span.Name,
			"kind":      span.SpanKind.String(),
			"trace_id":  span.SpanContext.TraceID().String(),
			"span_id":   span.SpanContext.SpanID().String(),
			"parent_id": nil,
		}
		if span.Parent.IsValid() {
			row["parent_id"] = span.Parent.SpanID().String()
		}
		rows = append(rows, row)
	}
	return rows
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Print(err)
	}
}
