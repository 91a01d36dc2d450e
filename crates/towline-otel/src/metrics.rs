//! The counters of an instance as OpenTelemetry's metrics.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use towline_core::{Summary, Towline};

/// Name of the counter, and what it counts (spec/edge.md, "Status").
const COUNTERS: [(&str, &str); 11] = [
    ("received", "Requests and messages that were read"),
    ("continued", "Requests whose trace went on"),
    ("restarted", "Requests whose trace began anew"),
    ("cancelled", "Strands that ended because the caller went"),
    ("clock_dropped", "Clocks that came and were not used"),
    ("clock_cut", "Clocks that were sent shortened"),
    ("sent", "Calls with a clock"),
    ("not_sent", "Calls without a clock that should have had one"),
    ("no_context", "Calls without a current context"),
    ("joined", "Calls whose answer was joined"),
    ("lost", "Calls whose answer could not be joined"),
];

/// Offers the counters of an instance as metrics `towline.<counter>`, those that have reasons with
/// the attribute `reason`. They are read when the meter's readers collect; nothing is added to any
/// request.
///
/// ```
/// use towline_core::Towline;
///
/// let meter = opentelemetry::global::meter("towline");
/// towline_otel::metrics(&meter, &Towline::of_environment());
/// ```
pub fn metrics(meter: &Meter, towline: &Towline) {
    for (counter, description) in COUNTERS {
        let towline = towline.clone();
        meter
            .u64_observable_counter(format!("towline.{counter}"))
            .with_description(description)
            .with_callback(move |observed| {
                let summary = towline.counters().summary();
                for (reason, count) in rows(&summary, counter) {
                    let reason = reason.map(|reason| KeyValue::new("reason", reason));
                    observed.observe(count, reason.as_slice());
                }
            })
            .build();
    }
}

/// The rows of one counter, by reason.
fn rows<'a>(
    summary: &'a Summary,
    counter: &'a str,
) -> impl Iterator<Item = (Option<&'static str>, u64)> + 'a {
    let rows = summary.iter().filter(move |(name, ..)| *name == counter);
    rows.map(|(_, reason, count)| (reason, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_counter_of_the_summary_is_a_metric() {
        // Those with reasons have no row before the first of them came.
        let named: HashSet<_> = COUNTERS.iter().map(|(name, _)| *name).collect();
        let summary = Summary::default();
        assert!(summary.iter().all(|(name, ..)| named.contains(name)));
        let json = summary.to_json();
        let keys: HashSet<_> = json
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(named, keys);
    }
}
