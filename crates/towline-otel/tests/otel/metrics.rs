//! The counters, as a reader of metrics collects them.

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use towline_core::{Config, Peer, Towline};

/// Name, reason and count of all that was collected.
fn collected(exporter: &InMemoryMetricExporter) -> Vec<(String, String, u64)> {
    let mut rows = Vec::new();
    for resource in exporter.get_finished_metrics().unwrap() {
        for metric in resource.scope_metrics().flat_map(|scope| scope.metrics()) {
            let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else {
                panic!("{} is no counter", metric.name());
            };
            rows.extend(sum.data_points().map(|point| {
                let reason = point.attributes().next();
                let reason = reason.map(|one| format!("{}={}", one.key, one.value));
                (
                    metric.name().to_owned(),
                    reason.unwrap_or_default(),
                    point.value(),
                )
            }));
        }
    }
    rows
}

#[test]
fn what_is_counted_is_collected_with_its_reason() {
    let towline = Towline::new(Config::new().service_name("shop").instance("1"));
    let exporter = InMemoryMetricExporter::default();
    let provider = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exporter.clone()).build())
        .build();
    towline_otel::metrics(&provider.meter("towline"), &towline);

    let context = towline.accept::<[(&str, &str)]>(&[], &Peer::default());
    drop(context.call("api.example.com"));
    provider.force_flush().unwrap();
    let rows = collected(&exporter);
    for (name, reason, count) in [
        ("towline.received", "", 1),
        ("towline.continued", "", 0),
        ("towline.restarted", "reason=absent", 1),
        ("towline.not_sent", "reason=withheld", 1),
        ("towline.sent", "", 0),
        ("towline.no_context", "", 0),
    ] {
        let row = (name.to_owned(), reason.to_owned(), count);
        assert!(rows.contains(&row), "{row:?} is not in {rows:?}");
    }
    provider.shutdown().unwrap();
}
