package towlineotel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	towline "towline.invalid/go"
)

// RegisterMetrics makes the counters of an instance of Towline counters of meter: towline.received,
// towline.restarted and so on, with the attribute reason where there are reasons. Unregister what is
// returned where they are not wanted any more.
func RegisterMetrics(meter metric.Meter, t *towline.Towline) (metric.Registration, error) {
	var instruments []metric.Observable
	counters := make(map[string]metric.Int64ObservableCounter, len(counterNames))
	for _, name := range counterNames {
		counter, err := meter.Int64ObservableCounter("towline." + name)
		if err != nil {
			return nil, err
		}
		counters[name] = counter
		instruments = append(instruments, counter)
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := t.Counters().Summary()
		for name, n := range map[string]uint64{
			"received": s.Received, "continued": s.Continued, "cancelled": s.Cancelled, "clock_cut": s.ClockCut,
			"sent": s.Sent, "no_context": s.NoContext, "joined": s.Joined,
		} {
			o.ObserveInt64(counters[name], int64(n))
		}
		for name, reasons := range map[string]map[towline.Reason]uint64{
			"restarted": s.Restarted, "clock_dropped": s.ClockDropped, "not_sent": s.NotSent, "lost": s.Lost,
		} {
			for reason, n := range reasons {
				o.ObserveInt64(counters[name], int64(n), metric.WithAttributes(attribute.String("reason", string(reason))))
			}
		}
		return nil
	}, instruments...)
}

var counterNames = []string{
	"received", "continued", "restarted", "cancelled", "clock_dropped", "clock_cut", "sent", "not_sent", "no_context", "joined", "lost",
}
