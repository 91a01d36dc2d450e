//! What an instance makes of a request that comes in.

use crate::clock::{Clock, Scan, trim_blanks};
use crate::context::{Context, Identity, Untrusted};
use crate::current::{Slot, is_current};
use crate::headers::{Field, Headers};
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
            let received = trace_context::read(headers.fields(Field::Traceparent), []).ok();
            current.serves(received.map(|read| (read.context.trace_id, read.context.parent_id)))
        })
    }

    /// Reads what a request came with, and begins the strand of its handling. Bad headers are
    /// dropped and counted; they never fail the request.
    #[must_use]
    pub fn accept<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Context {
        let Accepted { identity, clock } = self.begin(headers, peer);
        let (strand, vector) = clock.begin();
        Context::start(identity, strand, vector)
    }

    /// As [`accept`](Self::accept), for middleware: the context is made only if the handler asks
    /// for it, or an observer is to be told.
    #[must_use]
    pub fn serve<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Slot {
        if !self.settings().observers.is_empty() {
            return Slot::new(self.accept(headers, peer));
        }
        let Accepted { identity, clock } = self.begin(headers, peer);
        Slot::of_seed(Seed::new(identity, clock))
    }

    fn begin<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Accepted {
        let read = trace_context::read(
            headers.fields(Field::Traceparent),
            headers.fields(Field::Tracestate),
        );
        let mut incoming = match read {
            Ok(incoming) => incoming,
            Err(error) => {
                self.dropped(error.into());
                if headers.fields(Field::RacewayClock).next().is_some() {
                    self.dropped(Reason::ClockNoTraceparent);
                }
                return Accepted::first(Identity::root(self, Kind::Server));
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
                if headers.fields(Field::RacewayClock).next().is_some() {
                    self.dropped(Reason::ClockUntrusted);
                }
                let context = incoming.context;
                let untrusted = Untrusted {
                    received: (context.trace_id, context.parent_id),
                    link: (trust == Trust::Restart).then_some(context),
                };
                return Accepted::first(Identity {
                    untrusted: Some(Box::new(untrusted)),
                    ..Identity::root(self, Kind::Server)
                });
            }
        }
        self.carry_on(headers, incoming)
    }

    fn carry_on<H: Headers + ?Sized>(&self, headers: &H, incoming: Incoming<'_>) -> Accepted {
        let Incoming { context, own, .. } = incoming;
        let span_id = SpanId::random();
        let mut accepted = Accepted::first(Identity {
            towline: self.clone(),
            kind: Kind::Server,
            trace_id: context.trace_id,
            span_id,
            parent_id: Some(context.parent_id),
            flags: context.flags,
            tracestate: context.tracestate,
            untrusted: None,
            answers: false,
        });
        let trace_id = context.trace_id;
        let mut clocks = headers.fields(Field::RacewayClock);
        accepted.clock = match (clocks.next(), clocks.next()) {
            (None, _) => match own {
                Some(own) => self.read_member(own, trace_id, span_id),
                None => Received::Nothing,
            },
            (Some(_), Some(_)) => {
                self.dropped(Reason::ClockDuplicate);
                Received::Nothing
            }
            (Some(header), None) if trim_blanks(header).starts_with(b"v1") => {
                self.read_vector(header, trace_id)
            }
            (Some(header), None) => {
                let clock = self.read_clock(header, trace_id, span_id);
                // A clock of version 2 is answered in kind, whatever calls carry.
                accepted.identity.answers =
                    matches!(clock, Received::Way(_)) && self.settings().clock != ClockMode::Off;
                clock
            }
        };
        accepted
    }

    fn read_vector(&self, header: &[u8], trace_id: TraceId) -> Received {
        let header_bytes_max = self.settings().limits.header_bytes_max;
        match ClockV1::read(header, trace_id, header_bytes_max) {
            Ok(vector) => Received::Vector(vector),
            Err(error) => self.refused(error.into()),
        }
    }

    fn read_clock(&self, header: &[u8], trace_id: TraceId, span_id: SpanId) -> Received {
        match Scan::read(header, self.settings().limits, Some(trace_id.low32())) {
            Ok(sender) => self.start_after(&sender, span_id, false),
            Err(error) => self.refused(Reason::of_clock(error)),
        }
    }

    /// The clock came through a service that carries none: `tracestate` has it.
    fn read_member(&self, own: &str, trace_id: TraceId, span_id: SpanId) -> Received {
        match Clock::from_tracestate(own, trace_id.low32(), self.settings().limits) {
            Ok(sender) => self.start_after(&sender.scan(), span_id, true),
            Err(error) => self.refused(Reason::of_member(error)),
        }
    }

    fn start_after(&self, sender: &Scan<'_>, span_id: SpanId, gap: bool) -> Received {
        Received::Way(Way::after(sender, self.component(), span_id.low32(), gap))
    }

    fn refused(&self, reason: Reason) -> Received {
        self.dropped(reason);
        Received::Nothing
    }
}

/// How the handling of a request begins.
struct Accepted {
    identity: Identity,
    clock: Received,
}

impl Accepted {
    fn first(identity: Identity) -> Self {
        Self {
            identity,
            clock: Received::Nothing,
        }
    }
}
