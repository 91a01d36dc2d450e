//! What an instance makes of a request that comes in.

use crate::clock::{Clock, Scan, trim_blanks};
use crate::context::{Context, Origin, Untrusted};
use crate::current::is_current;
use crate::headers::{Headers, RACEWAY_CLOCK, TRACEPARENT, TRACESTATE};
use crate::observer::{Kind, Reason};
use crate::strand::Strand;
use crate::trace_context::{self, Incoming};
use crate::{ClockMode, ClockV1, Peer, SpanId, Towline, TraceId, Tracestate, Trust};

impl Towline {
    /// Whether the request with these headers is being served already: an outer middleware has made
    /// its span, and an inner one has to step aside.
    #[must_use]
    pub fn is_served<H: Headers + ?Sized>(headers: &H) -> bool {
        is_current(|context| {
            let received = trace_context::read(headers.fields(TRACEPARENT), []).ok();
            context.serves(received.map(|read| (read.context.trace_id, read.context.parent_id)))
        })
    }

    /// Reads what a request came with, and begins the strand of its handling. Bad headers are
    /// dropped and counted; they never fail the request.
    #[must_use]
    pub fn accept<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Context {
        let read = trace_context::read(headers.fields(TRACEPARENT), headers.fields(TRACESTATE));
        let mut incoming = match read {
            Ok(incoming) => incoming,
            Err(error) => {
                self.dropped(error.into());
                if headers.fields(RACEWAY_CLOCK).next().is_some() {
                    self.dropped(Reason::ClockNoTraceparent);
                }
                return Context::root(self, Kind::Server, None);
            }
        };
        if let Some(error) = incoming.tracestate_dropped {
            self.dropped(error.into());
        }
        let trust = self.settings().trust(peer);
        if trust == Trust::DropTracestate
            && !(incoming.context.tracestate.is_empty() && incoming.own.is_none())
        {
            self.dropped(Reason::TracestateUntrusted);
            incoming.context.tracestate = Tracestate::default();
            incoming.own = None;
        }
        match trust {
            Trust::Continue | Trust::DropTracestate => self.carry_on(headers, incoming),
            Trust::Restart | Trust::Ignore => {
                self.dropped(Reason::TraceparentUntrusted);
                if headers.fields(RACEWAY_CLOCK).next().is_some() {
                    self.dropped(Reason::ClockUntrusted);
                }
                let received = (incoming.context.trace_id, incoming.context.parent_id);
                let link = (trust == Trust::Restart).then_some(incoming.context);
                Context::root(self, Kind::Server, Some(Untrusted { received, link }))
            }
        }
    }

    fn carry_on<H: Headers + ?Sized>(&self, headers: &H, incoming: Incoming<'_>) -> Context {
        let span_id = SpanId::random();
        let Incoming { context, own, .. } = incoming;
        let trace = context.trace_id.low32();
        let Begun {
            strand,
            vector,
            answers,
        } = self
            .begin_from_clock(headers, context.trace_id, span_id)
            .or_else(|| self.begin_from_member(own?, trace, span_id))
            .unwrap_or_else(|| Begun::first(self.first_strand(trace, span_id)));
        Context::start(Origin {
            towline: self.clone(),
            kind: Kind::Server,
            trace_id: context.trace_id,
            span_id,
            parent_id: Some(context.parent_id),
            flags: context.flags,
            tracestate: context.tracestate,
            link: None,
            received: Some((context.trace_id, context.parent_id)),
            answers,
            strand,
            vector,
        })
    }

    fn first_strand(&self, trace: u32, span_id: SpanId) -> Strand {
        Strand::first(self.component(), span_id.low32(), trace)
    }

    /// None where no clock came. One that is refused begins a first strand.
    fn begin_from_clock<H: Headers + ?Sized>(
        &self,
        headers: &H,
        trace_id: TraceId,
        span_id: SpanId,
    ) -> Option<Begun> {
        let mut clocks = headers.fields(RACEWAY_CLOCK);
        let header = clocks.next()?;
        let trace = trace_id.low32();
        let first = Begun::first(self.first_strand(trace, span_id));
        if clocks.next().is_some() {
            self.dropped(Reason::ClockDuplicate);
            return Some(first);
        }
        let limits = self.settings().limits;
        if trim_blanks(header).starts_with(b"v1") {
            return Some(
                match ClockV1::read(header, trace_id, limits.header_bytes_max) {
                    Ok(vector) => Begun {
                        vector: Some(vector),
                        ..first
                    },
                    Err(error) => {
                        self.dropped(error.into());
                        first
                    }
                },
            );
        }
        Some(match Scan::read(header, limits, Some(trace)) {
            Ok(sender) => Begun {
                strand: Strand::after(&sender, self.component(), span_id.low32(), false),
                vector: None,
                answers: matches!(self.settings().clock, ClockMode::Auto | ClockMode::V2),
            },
            Err(error) => {
                self.dropped(Reason::of_clock(error));
                first
            }
        })
    }

    /// The clock came through a service that carries none: `tracestate` has it.
    fn begin_from_member(&self, own: &str, trace: u32, span_id: SpanId) -> Option<Begun> {
        match Clock::from_tracestate(own, trace, self.settings().limits) {
            Ok(sender) => Some(Begun::first(Strand::start(
                &sender,
                self.component(),
                span_id.low32(),
                true,
            ))),
            Err(error) => {
                self.dropped(Reason::of_member(error));
                None
            }
        }
    }
}

/// How the strand of a request begins.
struct Begun {
    strand: Strand,
    vector: Option<ClockV1>,
    answers: bool,
}

impl Begun {
    fn first(strand: Strand) -> Self {
        Self {
            strand,
            vector: None,
            answers: false,
        }
    }
}
