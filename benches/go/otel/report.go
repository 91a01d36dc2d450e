package main

import (
	_ "embed" // floor.md
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"towline.invalid/benches/go/measure"
)

const method = `### Method

Each case runs in processes of its own, one for each round; in a round all cases come one after the other (A B C … A B C …). Each process first checks for all 512 sets of headers that the right header comes out, warms up, and measures %d batches of about %d ms. The number is the CPU time of the whole process (getrusage, user and system), so that the garbage collector and OpenTelemetry's batch processor are in it, with one processor (GOMAXPROCS=1) and a yield after every 64 operations, so that neither works beside the loop or falls behind. Minimum and median are over the batches of all rounds. "To opentelemetry" is the ratio of what a case adds to what OpenTelemetry's instrumentation adds over bare, by the minima.

- **server**: the middleware around a handler that writes 39 bytes of JSON, called with a request that has 4 header fields, or 5 with a clock, and a new httptest.ResponseRecorder. Towline's answer carries the clock of the end.
- **loopback**: the same handlers in a http.Server on 127.0.0.1, of which the CPU time is taken; another process makes requests on one connection that is kept alive, one at a time (%d in a batch). Most of it is the kernel's and net/http's.
- **client**: http.Client.Do with a transport that has no network, the answer read to its end and closed, in the handling of a request that the same middleware serves. Bare cases that answer a clock do so by the same transport: what it costs to make up that answer is in both. "Traceparent only" calls a host that clocks do not go to.
- **codec**: reading and writing alone. OpenTelemetry's are Extract and Inject of propagation.TraceContext, which include its http.Header and context.

OpenTelemetry is otelhttp with the SDK, AlwaysSample or NeverSample, a batch processor (default settings) with an exporter that counts the spans and drops them (all have to arrive), propagation.TraceContext, and no metrics.
`

// floor is what was found by hand where the cost was looked into.
//
//go:embed floor.md
var floor string

// report is a section of ../../RESULTS.md.
func report(results []measure.Result, effort measure.Effort) string {
	var out strings.Builder
	fmt.Fprintf(&out, "## Go\n\n")
	fmt.Fprintf(&out, "Over bare net/http, beside OpenTelemetry's instrumentation. All times are nanoseconds of CPU time for one operation.\n\n")
	fmt.Fprintf(&out, "%d rounds; %s %s/%s; %s\n\n", effort.Rounds,
		runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(rivalVersions(), ", "))
	out.WriteString(measure.Table(results))
	fmt.Fprintf(&out, method, effort.Batches, effort.Batch.Milliseconds(), effort.Calls)
	out.WriteString(floor)
	return out.String()
}

func rivalVersions() []string {
	var out []string
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		name := module.Path[strings.LastIndexByte(module.Path, '/')+1:]
		if name == "otelhttp" || module.Path == "go.opentelemetry.io/otel/sdk" {
			out = append(out, module.Path+" "+module.Version)
		}
	}
	return out
}
