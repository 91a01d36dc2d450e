package towlineotel_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	towline "towline.invalid/go"
	towlineotel "towline.invalid/go/otel"
)

func Example() {
	spans := tracetest.NewInMemoryExporter()
	exporter := sdktrace.WithSyncer(spans)
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))

	bridge := towlineotel.New()
	otel.SetTextMapPropagator(bridge.Propagators())
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(bridge.SpanProcessor()), exporter)
	otel.SetTracerProvider(provider)

	// With Towline's handler inside, its callers learn what was done.
	server := httptest.NewServer(otelhttp.NewHandler(bridge.Towline().Handler(http.NotFoundHandler()), "serve"))
	defer server.Close()
	caller := towline.New(towline.WithServiceName("caller"))
	response, err := (&http.Client{Transport: caller.Transport(nil)}).Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = response.Body.Close()
	fmt.Println(response.StatusCode, caller.Counters().Summary().Joined, "joined")
	// Output: 404 1 joined
}

// TestReadmeIsTheExample fails where the README shows other lines than the example that is run.
func TestReadmeIsTheExample(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(readme), "```text\nbridge := ")
	block, _, closed := strings.Cut("bridge := "+block, "```")
	if !found || !closed {
		t.Fatal("the README shows nothing")
	}
	for line := range strings.Lines(block) {
		if !strings.Contains(string(example), "\t"+line) {
			t.Errorf("not in the example: %s", line)
		}
	}
}
