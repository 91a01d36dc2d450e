//! What a trail came to.

use std::time::Duration;

use serde_json::{Value, json};
use towline_core::{TraceFlags, TraceId};

use super::check::check;
use super::stop::{Step, Stop};
use crate::finding::{Finding, Findings};
use crate::json::{cell, finding};
use crate::{Cause, Ids, Outcome};

/// The services that a request came through, and what went wrong between them. Text in it is safe to
/// print, whatever the services sent.
#[derive(Clone, Debug)]
pub struct TrailReport {
    pub(super) trace_id: TraceId,
    pub(super) stops: Vec<Stop>,
    pub(super) findings: Vec<Finding>,
    pub(super) truncated: bool,
    pub(super) took: Option<Duration>,
}

impl TrailReport {
    pub(super) fn new(ids: Ids, flags: TraceFlags, walked: (Vec<Step<'_>>, bool)) -> Self {
        let (steps, truncated) = walked;
        let mut findings = Findings::default();
        let mut stops = vec![Stop {
            service: Some("towline".to_owned()),
            instance: Some("probe".to_owned()),
            trace_id: Some(ids.trace),
            span_id: Some(ids.span),
            flags: Some(flags.bits()),
            ..Stop::default()
        }];
        check(&mut stops, &steps, &mut findings);
        Self {
            trace_id: ids.trace,
            stops,
            findings: findings.into_vec(),
            truncated,
            took: None,
        }
    }

    /// The report with the time that the request took.
    #[must_use]
    pub fn took(self, time: Duration) -> Self {
        Self {
            took: Some(time),
            ..self
        }
    }

    /// How it ended: [`Outcome::Unreachable`] where nothing answered at all.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.stops.get(1).is_none_or(|stop| stop.status.is_none()) {
            Outcome::Unreachable
        } else if self.findings.is_empty() && !self.truncated {
            Outcome::Kept
        } else {
            Outcome::Findings
        }
    }

    /// Hop 0, the prober, and all services in the order in which they were called.
    #[must_use]
    pub fn stops(&self) -> &[Stop] {
        &self.stops
    }

    /// What went wrong, in the order of the hops.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The first place where the context was dropped, restarted, doubled or rewritten, as a sentence
    /// without its point. Services that do not tell what they saw are none.
    #[must_use]
    pub fn first_fault(&self) -> Option<String> {
        let silent = [Cause::NotTowline, Cause::RecordWithheld, Cause::RecordCut];
        let first = self
            .findings
            .iter()
            .find(|finding| !silent.contains(&finding.cause))?;
        Some(format!("{} {}: {}", first.cause, first.place, first.what))
    }

    /// Which service is the first that does not know Towline, as a sentence without its point.
    #[must_use]
    pub fn first_unknown(&self) -> Option<String> {
        let stop = self.first_unknown_stop()?;
        let caller = stop
            .caller
            .filter(|&caller| caller > 0)
            .and_then(|caller| self.stops.get(caller));
        let called_by = caller.map_or_else(String::new, |caller| {
            format!(", called by {},", caller.label())
        });
        let comma = if called_by.is_empty() { "," } else { "" };
        Some(format!(
            "hop {}, at {}{called_by}{comma} is the first service that does not know Towline",
            stop.hop, stop.host
        ))
    }

    fn first_unknown_stop(&self) -> Option<&Stop> {
        let finding = self
            .findings
            .iter()
            .find(|finding| finding.cause == Cause::NotTowline)?;
        self.stops.get(finding.callee()?)
    }

    /// How many services kept the context, the prober not counted.
    #[must_use]
    pub fn kept_count(&self) -> usize {
        self.stops
            .iter()
            .skip(1)
            .filter(|stop| stop.is_ok())
            .count()
    }

    /// How many services are known to have been called, the prober not counted.
    #[must_use]
    pub fn hop_count(&self) -> usize {
        self.stops.len().saturating_sub(1)
    }

    /// The report as one JSON document of the schema `towline.hops/1`: `data` are the hops.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "schema": "towline.hops/1",
            "total": self.stops.len(),
            "truncated": self.truncated,
            "data": self.stops.iter().map(stop).collect::<Value>(),
            "outcome": self.outcome().as_str(),
            "trace_id": self.trace_id.to_string(),
            "hop_count": self.hop_count(),
            "kept_count": self.kept_count(),
            "first_fault": self.first_fault(),
            "first_unknown": self.first_unknown_stop().map(|stop| stop.hop),
            "findings": self.findings.iter().map(finding).collect::<Value>(),
            "took_us": self.took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
        })
    }
}

fn stop(stop: &Stop) -> Value {
    json!({
        "hop": stop.hop,
        "caller": stop.caller,
        "host": (stop.hop > 0).then_some(&stop.host),
        "status": stop.status,
        "service": stop.service,
        "instance": stop.instance,
        "trace_id": stop.trace_id.map(|id| id.to_string()),
        "span_id": stop.span_id.map(|id| id.to_string()),
        "parent_id": stop.parent_id,
        "flags": stop.flags.map(|flags| format!("{flags:02x}")),
        "ok": stop.is_ok(),
        "checks": {
            "traceparent": cell(stop.traceparent),
            "parent": cell(stop.parent),
            "flags": cell(stop.sampled),
            "clock": cell(stop.clock),
            "answer": cell(stop.answer),
        },
    })
}
