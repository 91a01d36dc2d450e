//! The request of a probe, and what its answer comes to.

use serde_json::value::RawValue;
use towline_core::TraceFlags;

use crate::hop_report::{CallReport, Fields, HopReport};
use crate::origin::{Ids, Origin};
use crate::report::Report;
use crate::show::show;
use crate::topology::Topology;

/// The answer of hop 1, as it came.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// All `raceway-clock` fields of the response, joined by `, `; none if there were none.
    pub clock: Option<String>,
    /// The body. Whoever reads it bounds its length.
    pub body: Vec<u8>,
}

/// One request through a topology, and the strand that it begins: hop 0.
#[derive(Debug)]
pub struct Probe<'a> {
    topology: &'a Topology,
    origin: Origin,
    payload: String,
}

impl<'a> Probe<'a> {
    /// A probe of `topology`, whose trace has these flags.
    ///
    /// It sends two tracestate members of a stranger, whose values are made of the ids, so that each
    /// hop can be asked whether it sent them on.
    #[must_use]
    pub fn new(topology: &'a Topology, ids: Ids, flags: TraceFlags) -> Self {
        Self {
            topology,
            origin: Origin::new(ids, flags, topology.hop_count()),
            payload: format!("towline probe {}", ids.trace),
        }
    }

    /// Where the request goes, by POST.
    #[must_use]
    pub fn url(&self) -> &str {
        self.topology.url()
    }

    /// The header fields to send: four, in lower case.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        std::iter::once(("content-type", "application/json"))
            .chain(self.origin.headers())
            .collect()
    }

    /// The body to send: JSON, at most [`REQUEST_BYTES_MAX`](crate::REQUEST_BYTES_MAX) bytes unless
    /// the topology was given with more.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.topology.body(&self.payload)
    }

    /// Checks the answer of hop 1, and all that is in it.
    #[must_use]
    pub fn finish(mut self, answer: &Answer) -> Report {
        self.origin.join(answer.clock.as_deref());
        let (body, error) = match std::str::from_utf8(&answer.body) {
            Err(_) => (None, Some("the answer is not UTF-8".to_owned())),
            Ok(text) => match serde_json::from_str::<&RawValue>(text) {
                Ok(body) => (Some(body), None),
                Err(error) => (None, Some(format!("the answer is not JSON: {error}"))),
            },
        };
        let call = CallReport {
            url: self.url().to_owned(),
            span_id: Some(self.origin.ids.call),
            sent: self.origin.sent.clone(),
            status: Some(answer.status),
            answered: Fields {
                clock: answer.clock.clone(),
                ..Fields::default()
            },
            answer: body,
            error,
        };
        self.report(call)
    }

    /// The report where hop 1 gave no answer; `error` says why.
    #[must_use]
    pub fn failed(self, error: &str) -> Report {
        let call = CallReport {
            url: self.url().to_owned(),
            span_id: Some(self.origin.ids.call),
            sent: self.origin.sent.clone(),
            status: None,
            answered: Fields::default(),
            answer: None,
            error: Some(show(error)),
        };
        self.report(call)
    }

    fn report(self, call: CallReport<'_>) -> Report {
        let Origin { ids, flags, .. } = self.origin;
        let prober = HopReport {
            service: "towline".to_owned(),
            instance: "probe".to_owned(),
            payload: None,
            trace_id: ids.trace,
            span_id: ids.span,
            parent_id: None,
            flags: flags.bits(),
            received: Fields::default(),
            clock: Some(self.origin.clock().as_str().to_owned()),
            calls: vec![call],
            downstream: None,
        };
        Report::new(self.topology, prober, self.origin.members, &self.payload)
    }
}
