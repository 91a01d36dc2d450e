//! Hop 0: the span, the strand and the one call that a probe begins.

use towline_core::{
    Clock, Component, Fork, Limits, SpanId, Strand, TraceFlags, TraceId, Traceparent,
};

use crate::hop_report::Fields;

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

/// The first strand of a new trace, with its one call sent.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) ids: Ids,
    pub(crate) flags: TraceFlags,
    /// The tracestate members of a stranger that went with the call.
    pub(crate) members: Vec<String>,
    pub(crate) sent: Fields,
    strand: Strand,
    fork: u32,
}

impl Origin {
    /// `mark`: what tells this probe's members from those of another.
    pub(crate) fn new(ids: Ids, flags: TraceFlags, mark: usize) -> Self {
        let component = Component::new("towline", "probe");
        let mut strand = Strand::first(&component, ids.span.low32(), ids.trace.low32());
        // A strand that has just begun has not ended.
        let fork = strand.send(Fork::Attached).unwrap_or_default();
        let clock = strand.clock();
        let members = vec![
            format!("probe={}-{}", ids.span, ids.call),
            format!("probe@other={}/{mark}", ids.trace),
        ];
        let own = clock
            .to_tracestate()
            .map(|value| format!("towline={value}"));
        let list: Vec<&str> = own.iter().chain(&members).map(String::as_str).collect();
        let traceparent = Traceparent::new(ids.trace, ids.call, flags);
        let sent = Fields {
            traceparent: Some(traceparent.as_str().to_owned()),
            tracestate: Some(list.join(",")),
            clock: Some(clock.as_str().to_owned()),
        };
        Self {
            ids,
            flags,
            members,
            sent,
            strand,
            fork,
        }
    }

    /// The header fields of the call: three, in lower case.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
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
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// What a client does with the clock of an answer (`spec/api.md`, "Client side"); whether it was
    /// joined.
    pub(crate) fn join(&mut self, clock: Option<&str>) -> bool {
        let trace = Some(self.ids.trace.low32());
        let read = |text: &str| Clock::read(text.as_bytes(), Limits::DEFAULT, trace).ok();
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
        joined
    }

    /// The strand's clock now.
    pub(crate) fn clock(&self) -> Clock {
        self.strand.clock()
    }
}
