//! What an instance makes of a request that comes in.

use crate::clock::{Clock, Scan, trim_blanks};
use crate::context::{Context, Identity};
use crate::current::{Slot, is_current};
use crate::headers::{Headers, RACEWAY_CLOCK, TRACEPARENT, TRACESTATE};
use crate::observer::{Kind, Reason};
use crate::seed::Seed;
use crate::strand::Way;
use crate::trace_context::{self, Incoming};
use crate::{ClockMode, ClockV1, Peer, SpanId, Towline, TraceId, Tracestate, Trust};

impl Towline {
    /// Whether the request with these headers is being served already: an outer middleware has made
    /// its span, and an inner one has to step aside.
    #[must_use]
    pub fn is_served<H: Headers + ?Sized>(headers: &H) -> bool {
        is_current(|current| {
            let received = trace_context::read(headers.fields(TRACEPARENT), []).ok();
            current.serves(received.map(|read| (read.context.trace_id, read.context.parent_id)))
        })
    }

    /// Reads what a request came with, and begins the strand of its handling. Bad headers are
    /// dropped and counted; they never fail the request.
    #[must_use]
    pub fn accept<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Context {
        let Begun {
            identity,
            way,
            vector,
        } = self.begin(headers, peer);
        let way = way.unwrap_or_else(|| identity.first_way());
        Context::start(identity, way.into(), vector)
    }

    /// As [`accept`](Self::accept), for middleware: the context is made only if the handler asks
    /// for it, or an observer is to be told.
    #[must_use]
    pub fn serve<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Slot {
        if !self.settings().observers.is_empty() {
            return Slot::new(self.accept(headers, peer));
        }
        let Begun {
            identity,
            way,
            vector,
        } = self.begin(headers, peer);
        Slot::of_seed(Seed::new(identity, way, vector))
    }

    fn begin<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Begun {
        let read = trace_context::read(headers.fields(TRACEPARENT), headers.fields(TRACESTATE));
        let mut incoming = match read {
            Ok(incoming) => incoming,
            Err(error) => {
                self.dropped(error.into());
                if headers.fields(RACEWAY_CLOCK).next().is_some() {
                    self.dropped(Reason::ClockNoTraceparent);
                }
                return Begun::first(Identity::root(self, Kind::Server));
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
                if headers.fields(RACEWAY_CLOCK).next().is_some() {
                    self.dropped(Reason::ClockUntrusted);
                }
                let context = incoming.context;
                return Begun::first(Identity {
                    received: Some((context.trace_id, context.parent_id)),
                    link: (trust == Trust::Restart).then(|| Box::new(context)),
                    ..Identity::root(self, Kind::Server)
                });
            }
        }
        self.carry_on(headers, incoming)
    }

    fn carry_on<H: Headers + ?Sized>(&self, headers: &H, incoming: Incoming<'_>) -> Begun {
        let Incoming { context, own, .. } = incoming;
        let span_id = SpanId::random();
        let begun = Begun::first(Identity {
            towline: self.clone(),
            kind: Kind::Server,
            trace_id: context.trace_id,
            span_id,
            parent_id: Some(context.parent_id),
            flags: context.flags,
            tracestate: context.tracestate,
            received: Some((context.trace_id, context.parent_id)),
            link: None,
            answers: false,
        });
        let mut clocks = headers.fields(RACEWAY_CLOCK);
        match (clocks.next(), clocks.next()) {
            (Some(header), None) if trim_blanks(header).starts_with(b"v1") => {
                let vector = self.read_vector(header, context.trace_id);
                Begun { vector, ..begun }
            }
            (Some(header), None) => match self.read_clock(header, context.trace_id, span_id) {
                Some(way) => begun.answering(way, self.settings().clock),
                None => begun,
            },
            (Some(_), Some(_)) => {
                self.dropped(Reason::ClockDuplicate);
                begun
            }
            (None, _) => {
                let way = own.and_then(|own| self.read_member(own, context.trace_id, span_id));
                Begun { way, ..begun }
            }
        }
    }

    fn read_vector(&self, header: &[u8], trace_id: TraceId) -> Option<ClockV1> {
        let header_bytes_max = self.settings().limits.header_bytes_max;
        let read = ClockV1::read(header, trace_id, header_bytes_max);
        read.map_err(|error| self.dropped(error.into())).ok()
    }

    fn read_clock(&self, header: &[u8], trace_id: TraceId, span_id: SpanId) -> Option<Way> {
        match Scan::read(header, self.settings().limits, Some(trace_id.low32())) {
            Ok(sender) => Some(Way::after(
                &sender,
                self.component(),
                span_id.low32(),
                false,
            )),
            Err(error) => {
                self.dropped(Reason::of_clock(error));
                None
            }
        }
    }

    /// The clock came through a service that carries none: `tracestate` has it.
    fn read_member(&self, own: &str, trace_id: TraceId, span_id: SpanId) -> Option<Way> {
        match Clock::from_tracestate(own, trace_id.low32(), self.settings().limits) {
            Ok(sender) => Some(Way::after(
                &sender.scan(),
                self.component(),
                span_id.low32(),
                true,
            )),
            Err(error) => {
                self.dropped(Reason::of_member(error));
                None
            }
        }
    }
}

/// How the handling of a request begins.
struct Begun {
    identity: Identity,
    /// None for a first strand.
    way: Option<Way>,
    vector: Option<ClockV1>,
}

impl Begun {
    fn first(identity: Identity) -> Self {
        Self {
            identity,
            way: None,
            vector: None,
        }
    }

    /// Started by a clock of version 2, which is answered in kind whatever calls carry.
    fn answering(mut self, way: Way, mode: ClockMode) -> Self {
        self.identity.answers = mode != ClockMode::Off;
        self.way = Some(way);
        self
    }
}
