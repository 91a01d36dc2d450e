//! The request of a probe, and what its answer comes to.

use serde_json::value::RawValue;
use towline_core::{
    Clock, Component, Fork, Limits, SpanId, Strand, TraceFlags, TraceId, Traceparent,
};

use crate::hop_report::{CallReport, Fields, HopReport};
use crate::report::Report;
use crate::show::show;
use crate::topology::Topology;

/// The ids of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// The trace.
    pub trace: TraceId,
    /// The prober's own span; its low 32 bits name the first strand.
    pub span: SpanId,
    /// The client span of its one call.
    pub call: SpanId,
}

impl Ids {
    /// Ids that nobody else has.
    #[must_use]
    pub fn random() -> Self {
        Self {
            trace: TraceId::random(),
            span: SpanId::random(),
            call: SpanId::random(),
        }
    }
}

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
    ids: Ids,
    flags: TraceFlags,
    payload: String,
    members: Vec<String>,
    strand: Strand,
    fork: u32,
    sent: Fields,
}

impl<'a> Probe<'a> {
    /// A probe of `topology`, whose trace has these flags.
    ///
    /// It sends two tracestate members of a stranger, whose values are made of the ids, so that each
    /// hop can be asked whether it sent them on.
    #[must_use]
    pub fn new(topology: &'a Topology, ids: Ids, flags: TraceFlags) -> Self {
        let component = Component::new("towline", "probe");
        let mut strand = Strand::first(&component, ids.span.low32(), ids.trace.low32());
        // A strand that has just begun has not ended.
        let fork = strand.send(Fork::Attached).unwrap_or_default();
        let clock = strand.clock();
        let members = vec![
            format!("probe={}-{}", ids.span, ids.call),
            format!("probe@other={}/{}", ids.trace, topology.hop_count()),
        ];
        let own = clock
            .to_tracestate()
            .map(|value| format!("towline={value}"));
        let list: Vec<&str> = own.iter().chain(&members).map(String::as_str).collect();
        let sent = Fields {
            traceparent: Some(
                Traceparent::new(ids.trace, ids.call, flags)
                    .as_str()
                    .to_owned(),
            ),
            tracestate: Some(list.join(",")),
            clock: Some(clock.as_str().to_owned()),
        };
        let payload = format!("towline probe {}", ids.trace);
        Self {
            topology,
            ids,
            flags,
            payload,
            members,
            strand,
            fork,
            sent,
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
        let Fields {
            traceparent,
            tracestate,
            clock,
        } = &self.sent;
        let fields = [
            ("traceparent", traceparent),
            ("tracestate", tracestate),
            ("raceway-clock", clock),
        ];
        let sent = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)));
        std::iter::once(("content-type", "application/json"))
            .chain(sent)
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
        self.join(answer.clock.as_deref());
        let (body, error) = match std::str::from_utf8(&answer.body) {
            Err(_) => (None, Some("the answer is not UTF-8".to_owned())),
            Ok(text) => match serde_json::from_str::<&RawValue>(text) {
                Ok(body) => (Some(body), None),
                Err(error) => (None, Some(format!("the answer is not JSON: {error}"))),
            },
        };
        let call = CallReport {
            url: self.url().to_owned(),
            span_id: Some(self.ids.call),
            sent: self.sent.clone(),
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
            span_id: Some(self.ids.call),
            sent: self.sent.clone(),
            status: None,
            answered: Fields::default(),
            answer: None,
            error: Some(show(error)),
        };
        self.report(call)
    }

    fn report(self, call: CallReport<'_>) -> Report {
        let prober = HopReport {
            service: "towline".to_owned(),
            instance: "probe".to_owned(),
            payload: None,
            trace_id: self.ids.trace,
            span_id: self.ids.span,
            parent_id: None,
            flags: self.flags.bits(),
            received: Fields::default(),
            clock: Some(self.strand.clock().as_str().to_owned()),
            calls: vec![call],
            downstream: None,
        };
        Report::new(self.topology, prober, self.members, &self.payload)
    }

    /// What a client does with the clock of an answer (`spec/api.md`, "Client side").
    fn join(&mut self, clock: Option<&str>) {
        let read = |text: &str| {
            Clock::read(
                text.as_bytes(),
                Limits::DEFAULT,
                Some(self.ids.trace.low32()),
            )
            .ok()
        };
        let joined = clock.and_then(read).is_some_and(|clock| {
            let ended = clock.hops().last().is_some_and(|hop| hop.known.ended);
            self.strand
                .answer(self.fork, self.sent.clock.as_deref(), &clock)
                .is_ok()
                && ended
        });
        if !joined {
            self.strand.lost(self.fork);
        }
    }
}
