// Package towline carries W3C Trace Context between services, and an exact causal clock beside it: of
// any two events of a trace it says which came first, or that neither did.
//
// [Handler] wraps a server, [Transport] a client; nothing else is needed. Inside a request,
// [FromContext] gives its [Place] in the trace, [Fork] and [Go] give work that runs at once strands of
// its own, and [Detach] lets work outlive the request. A [Towline] made by [New] holds settings,
// observers and counters; without one, that of the process is made of the environment.
//
// [StatusHandler] tells whether it works and why not; [SendMessage] and [Towline.ReceiveMessage] carry
// the trace through brokers; with [WithDeadlines] callees learn how much time is left. The module
// towline.invalid/go/otel stands beside OpenTelemetry.
//
// No header, however bad, ever fails a request: what cannot be used is dropped whole, and counted.
//
// The names are those of spec/api.md; what goes over the wire is described in spec/trace-context.md,
// spec/strand-clocks.md and spec/edge.md, and pinned by the vectors beside them.
package towline
