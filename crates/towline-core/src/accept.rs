//! What an instance makes of a request that comes in.

use crate::clock::{Clock, Scan, trim_blanks};
use crate::context::{Context, Identity, Untrusted};
use crate::current::{Slot, is_current};
use crate::headers::{Field, Headers, Single};
use crate::observer::{Kind, Reason};
use crate::seed::{Received, Seed};
use crate::strand::Way;
use crate::trace_context::{self, Incoming};
use crate::{ClockMode, ClockV1, Peer, SpanId, Towline, TraceId, Tracestate, Trust};

impl Towline {
    /// Whether the request with these headers is being served already: an outer middleware has made
    /// its span, and an inner one has to step aside.
    #[must_use]
    pub fn is_served<H: Headers + ?Sized>(headers: &H) -> bool {
        is_current(|current| {
            let traceparent = headers.fields(Field::Traceparent).collect();
            let received = trace_context::read_traceparent(traceparent).ok();
            current.serves(received.map(|(trace_id, parent_id, _)| (trace_id, parent_id)))
        })
    }

    /// Reads what a request came with, and begins the strand of its handling. Bad headers are
    /// dropped and counted; they never fail the request.
    #[must_use]
    pub fn accept<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Context {
        self.begin(headers, peer).start()
    }

    /// As [`accept`](Self::accept), for middleware: the context is made only if the handler asks
    /// for it, or an observer is to be told.
    #[must_use]
    pub fn serve<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Slot {
        if !self.settings().observers.is_empty() {
            return Slot::new(self.accept(headers, peer));
        }
        self.counters().strand_started();
        Slot::of_seed(self.begin(headers, peer))
    }

    fn begin<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Seed {
        let (mut traceparent, mut clock) = (Single::Absent, Single::Absent);
        let mut has_tracestate = false;
        for (field, value) in headers.read() {
            match field {
                Field::Traceparent => traceparent.add(value),
                Field::RacewayClock => clock.add(value),
                Field::Tracestate => has_tracestate = true,
            }
        }
        // Most requests have none: then there is nothing to look up.
        let tracestates = has_tracestate.then(|| headers.fields(Field::Tracestate));
        let mut incoming =
            match trace_context::read_of(traceparent, tracestates.into_iter().flatten()) {
                Ok(incoming) => incoming,
                Err(error) => {
                    self.dropped(error.into());
                    if !clock.is_absent() {
                        self.dropped(Reason::ClockNoTraceparent);
                    }
                    return Seed::new(Identity::root(self, Kind::Server), None);
                }
            };
        if let Some(error) = incoming.tracestate_dropped {
            self.dropped(error.into());
        }
        match self.settings().trust(peer) {
            Trust::Continue => {}
            Trust::DropTracestate => {
                if !incoming.context.tracestate.is_empty() || incoming.own.is_some() {
                    self.dropped(Reason::TracestateUntrusted);
                }
                incoming.context.tracestate = Tracestate::default();
                incoming.own = None;
            }
            trust @ (Trust::Restart | Trust::Ignore) => {
                self.dropped(Reason::TraceparentUntrusted);
                if !clock.is_absent() {
                    self.dropped(Reason::ClockUntrusted);
                }
                let context = incoming.context;
                let untrusted = Untrusted {
                    received: (context.trace_id, context.parent_id),
                    link: (trust == Trust::Restart).then_some(context),
                };
                let identity = Identity {
                    untrusted: Some(Box::new(untrusted)),
                    ..Identity::root(self, Kind::Server)
                };
                return Seed::new(identity, None);
            }
        }
        self.carry_on(incoming, clock)
    }

    fn carry_on(&self, incoming: Incoming<'_>, clock: Single<'_>) -> Seed {
        let Incoming { context, own, .. } = incoming;
        let (trace_id, span_id) = (context.trace_id, SpanId::random());
        let mut answers = false;
        let clock = match clock {
            Single::Absent => match own {
                Some(own) => self.read_member(own, trace_id, span_id),
                None => None,
            },
            Single::Several => self.refused(Reason::ClockDuplicate),
            Single::One(header) if trim_blanks(header).starts_with(b"v1") => {
                self.read_vector(header, trace_id)
            }
            Single::One(header) => {
                let clock = self.read_clock(header, trace_id, span_id);
                // A clock of version 2 is answered in kind, whatever calls carry.
                answers = clock.is_some() && self.settings().clock != ClockMode::Off;
                clock
            }
        };
        let identity = Identity {
            towline: self.clone(),
            kind: Kind::Server,
            trace_id,
            span_id,
            parent_id: Some(context.parent_id),
            flags: context.flags,
            tracestate: context.tracestate,
            untrusted: None,
            answers,
        };
        Seed::new(identity, clock)
    }

    fn read_vector(&self, header: &[u8], trace_id: TraceId) -> Option<Received> {
        let header_bytes_max = self.settings().limits.header_bytes_max;
        match ClockV1::read(header, trace_id, header_bytes_max) {
            Ok(vector) => Some(Received::Vector(vector)),
            Err(error) => self.refused(error.into()),
        }
    }

    fn read_clock(&self, header: &[u8], trace_id: TraceId, span_id: SpanId) -> Option<Received> {
        match Scan::read(header, self.settings().limits, Some(trace_id.low32())) {
            Ok(sender) => self.start_after(&sender, span_id, false),
            Err(error) => self.refused(Reason::of_clock(error)),
        }
    }

    /// The clock came through a service that carries none: `tracestate` has it.
    fn read_member(&self, own: &str, trace_id: TraceId, span_id: SpanId) -> Option<Received> {
        match Clock::from_tracestate(own, trace_id.low32(), self.settings().limits) {
            Ok(sender) => self.start_after(&sender.scan(), span_id, true),
            Err(error) => self.refused(Reason::of_member(error)),
        }
    }

    fn start_after(&self, sender: &Scan<'_>, span_id: SpanId, gap: bool) -> Option<Received> {
        Some(Received::Way(Way::after(
            sender,
            self.component(),
            span_id.low32(),
            gap,
        )))
    }

    fn refused(&self, reason: Reason) -> Option<Received> {
        self.dropped(reason);
        None
    }
}
