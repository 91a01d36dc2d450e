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
        let Begun { identity, clock } = self.begin(headers, peer);
        let (way, vector) = clock.map_or((None, None), |clock| (clock.way, clock.vector));
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
        let Begun { identity, clock } = self.begin(headers, peer);
        Slot::of_seed(Seed::new(identity, clock))
    }

    fn begin<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Begun {
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
                if headers.fields(Field::RacewayClock).next().is_some() {
                    self.dropped(Reason::ClockUntrusted);
                }
                let context = incoming.context;
                let untrusted = Untrusted {
                    received: (context.trace_id, context.parent_id),
                    link: (trust == Trust::Restart).then_some(context),
                };
                return Begun::first(Identity {
                    untrusted: Some(Box::new(untrusted)),
                    ..Identity::root(self, Kind::Server)
                });
            }
        }
        self.carry_on(headers, incoming)
    }

    fn carry_on<H: Headers + ?Sized>(&self, headers: &H, incoming: Incoming<'_>) -> Begun {
        let Incoming { context, own, .. } = incoming;
        let span_id = SpanId::random();
        let mut begun = Begun::first(Identity {
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
        match (clocks.next(), clocks.next()) {
            (None, _) => {
                let way = own.and_then(|own| self.read_member(own, trace_id, span_id));
                match way {
                    Some(way) => begun.with_way(way),
                    None => begun,
                }
            }
            (Some(_), Some(_)) => {
                self.dropped(Reason::ClockDuplicate);
                begun
            }
            (Some(header), None) if trim_blanks(header).starts_with(b"v1") => {
                match self.read_vector(header, trace_id) {
                    Some(vector) => begun.with_vector(vector),
                    None => begun,
                }
            }
            (Some(header), None) => match self.read_clock(header, trace_id, span_id) {
                Some(way) => {
                    // A clock of version 2 is answered in kind, whatever calls carry.
                    begun.identity.answers = self.settings().clock != ClockMode::Off;
                    begun.with_way(way)
                }
                None => begun,
            },
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
    clock: Option<Box<Received>>,
}

impl Begun {
    fn first(identity: Identity) -> Self {
        Self {
            identity,
            clock: None,
        }
    }

    fn with_way(self, way: Way) -> Self {
        let received = Received {
            way: Some(way),
            vector: None,
        };
        Self {
            clock: Some(Box::new(received)),
            ..self
        }
    }

    fn with_vector(self, vector: ClockV1) -> Self {
        let received = Received {
            way: None,
            vector: Some(vector),
        };
        Self {
            clock: Some(Box::new(received)),
            ..self
        }
    }
}
