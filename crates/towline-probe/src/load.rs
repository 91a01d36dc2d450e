//! Many probes of one topology at once: nothing lost, nothing mixed up.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use towline_core::{SpanId, TraceId};

use crate::report::{Outcome, Report};
use crate::text::{Charset, time};

/// Counts the reports of many requests and checks them against each other: every trace id and every
/// span id, of hops and of calls, must be its own over all of them.
///
/// ```
/// use std::time::Duration;
/// use towline_core::TraceFlags;
/// use towline_probe::{Ids, Load, Outcome, Probe, Topology};
///
/// let topology = Topology::chain("127.0.0.1:6001", [""; 0])?;
/// let mut load = Load::default();
/// for _ in 0..3 {
///     let probe = Probe::new(&topology, Ids::random(), TraceFlags::SAMPLED);
///     load.add(probe.failed("connection refused"));
/// }
/// let summary = load.finish(Duration::from_millis(5), 3);
/// assert_eq!(summary.outcome(), Outcome::Unreachable);
/// assert!(summary.text(Default::default()).ends_with("failed: 0 of 3 requests kept the context\n"));
/// # Ok::<_, towline_probe::TopologyError>(())
/// ```
#[derive(Debug, Default)]
pub struct Load {
    request_count: usize,
    kept_count: usize,
    unreachable_count: usize,
    hop_count: usize,
    trace_ids: HashSet<TraceId>,
    span_ids: HashSet<SpanId>,
    span_count: usize,
    repeated_count: usize,
    times: Vec<Duration>,
    first_bad: Option<Box<Report>>,
}

impl Load {
    /// Takes in the report of one more request.
    pub fn add(&mut self, report: Report) {
        self.request_count += 1;
        self.hop_count += report
            .rows
            .iter()
            .skip(1)
            .filter(|row| row.service.is_some())
            .count();
        self.times.extend(report.took);
        if !self.trace_ids.insert(report.trace_id) {
            self.repeated_count += 1;
        }
        self.span_count += report.span_ids.len();
        for &id in &report.span_ids {
            if !self.span_ids.insert(id) {
                self.repeated_count += 1;
            }
        }
        match report.outcome() {
            Outcome::Kept => self.kept_count += 1,
            Outcome::Findings => {}
            Outcome::Unreachable => self.unreachable_count += 1,
        }
        if report.outcome() != Outcome::Kept && self.first_bad.is_none() {
            self.first_bad = Some(Box::new(report));
        }
    }

    /// What all of them came to; `took` is the time of the whole, `concurrency` how many were under
    /// way at once.
    #[must_use]
    pub fn finish(mut self, took: Duration, concurrency: usize) -> Summary {
        self.times.sort_unstable();
        Summary {
            load: self,
            took,
            concurrency,
        }
    }
}

/// What a [`Load`] came to.
#[derive(Debug)]
pub struct Summary {
    load: Load,
    took: Duration,
    concurrency: usize,
}

impl Summary {
    /// Kept if every request was and no id was seen twice; unreachable if none got through.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let load = &self.load;
        if load.request_count > 0 && load.unreachable_count == load.request_count {
            Outcome::Unreachable
        } else if load.kept_count == load.request_count && load.repeated_count == 0 {
            Outcome::Kept
        } else {
            Outcome::Findings
        }
    }

    /// The first report that was not kept, in full, and the counts; ends with a line break.
    #[must_use]
    pub fn text(&self, charset: Charset) -> String {
        let load = &self.load;
        let mut out = String::new();
        if let Some(report) = &load.first_bad {
            let _ = writeln!(
                out,
                "the first request that failed:\n{}",
                report.text(charset)
            );
        }
        let _ = writeln!(
            out,
            "{} requests, {} at once, {} hops answered, in {} (half within {}, 99 % within {})",
            load.request_count,
            self.concurrency,
            load.hop_count,
            time(self.took),
            time(self.quantile(50)),
            time(self.quantile(99)),
        );
        let ids = match load.repeated_count {
            0 => "all distinct".to_owned(),
            n => format!("{n} of them seen twice"),
        };
        let _ = writeln!(
            out,
            "{} trace ids and {} span ids, {ids}",
            load.request_count, load.span_count
        );
        let word = if self.outcome() == Outcome::Kept {
            "ok"
        } else {
            "failed"
        };
        let _ = writeln!(
            out,
            "{word}: {} of {} requests kept the context",
            load.kept_count, load.request_count
        );
        charset.write(&out)
    }

    /// The counts as one JSON document of the schema `towline.probe-load/1`; `data` is the first
    /// report that was not kept.
    #[must_use]
    pub fn json(&self) -> Value {
        let load = &self.load;
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bad_count = load.request_count - load.kept_count;
        json!({
            "schema": "towline.probe-load/1",
            "total": bad_count,
            "truncated": bad_count > 1,
            "data": load.first_bad.iter().map(|report| report.json()).collect::<Value>(),
            "outcome": self.outcome().as_str(),
            "request_count": load.request_count,
            "kept_count": load.kept_count,
            "unreachable_count": load.unreachable_count,
            "concurrency": self.concurrency,
            "hop_count": load.hop_count,
            "span_id_count": load.span_count,
            "repeated_id_count": load.repeated_count,
            "took_us": us(self.took),
            "p50_us": us(self.quantile(50)),
            "p99_us": us(self.quantile(99)),
        })
    }

    /// The time within which this share of the requests, in per cent, was answered; 0 where none
    /// was timed.
    fn quantile(&self, percent: usize) -> Duration {
        let last = self.load.times.len().saturating_sub(1);
        self.load
            .times
            .get(last * percent / 100)
            .copied()
            .unwrap_or_default()
    }
}
