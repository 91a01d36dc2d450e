//! What an instance makes of a request that comes in.

use std::str;
use std::sync::Arc;

use crate::b3::{B3, B3Error};
use crate::baggage::Baggage;
use crate::clock::{self, Clock, Scan};
use crate::context::{Context, Identity};
use crate::current::{Slot, is_current};
use crate::deadline::{self, TimeoutError, read_timeout};
use crate::edge::{Edge, Untrusted};
use crate::headers::{Field, Headers, Single};
use crate::observer::{Kind, Reason};
use crate::probe::{ClockVerdict, Probing, Verdict};
use crate::seed::{Received, Seed};
use crate::strand::Way;
use crate::trace_context::{self, Incoming, TraceparentError, trim_blanks};
use crate::{
    ClockMode, ClockV1, Peer, SpanId, Towline, TraceContext, TraceFlags, TraceId, Tracestate, Trust,
};

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
        let context = self.begin(headers, peer, Kind::Server).start();
        if let Some(tracer) = &self.settings().tracer {
            tracer.served(&context);
        }
        context
    }

    /// As [`accept`](Self::accept), for middleware: the context is made only if the handler asks
    /// for it, or an observer is to be told.
    #[must_use]
    pub fn serve<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer) -> Slot {
        if !self.settings().observers.is_empty() || self.settings().tracer.is_some() {
            return Slot::new(self.accept(headers, peer));
        }
        self.counters().request_started();
        Slot::of_seed(self.begin(headers, peer, Kind::Server))
    }

    /// Reads what a request or a message came with.
    pub(crate) fn begin<H: Headers + ?Sized>(&self, headers: &H, peer: &Peer, kind: Kind) -> Seed {
        let (mut traceparent, mut clock) = (Single::Absent, Single::Absent);
        let (mut has_tracestate, mut has_more) = (false, false);
        for (field, value) in headers.read() {
            match field {
                Field::Traceparent => traceparent.add(value),
                Field::RacewayClock => clock.add(value),
                Field::Tracestate => has_tracestate = true,
                other => has_more |= other.is_beside(),
            }
        }
        // Most requests have none: then there is nothing to look up.
        let tracestates = has_tracestate.then(|| headers.fields(Field::Tracestate));
        let tracestates = tracestates.into_iter().flatten();
        let mut verdict = Verdict {
            restarted: None,
            clock: ClockVerdict::First,
        };
        let incoming = trace_context::read_of(traceparent, tracestates);
        if !has_more {
            return match incoming {
                Ok(incoming) => self.trusted(incoming, clock, peer, kind, &mut verdict),
                Err(error) => self.restarted(error.into(), None, clock, kind, &mut verdict),
            };
        }
        self.begin_beside(headers, peer, kind, incoming, clock)
    }

    /// As [`begin`](Self::begin), for what has fields of ours that few have.
    #[cold]
    fn begin_beside<H: Headers + ?Sized>(
        &self,
        headers: &H,
        peer: &Peer,
        kind: Kind,
        incoming: Result<Incoming<'_>, TraceparentError>,
        clock: Single<'_>,
    ) -> Seed {
        let mut verdict = Verdict {
            restarted: None,
            clock: ClockVerdict::First,
        };
        let mut parent_id = incoming.as_ref().ok().map(|it| it.context.parent_id);
        let mut by_b3 = false;
        let mut seed = match incoming {
            Ok(incoming) => self.trusted(incoming, clock, peer, kind, &mut verdict),
            Err(TraceparentError::Absent) if self.settings().propagators.reads_b3() => {
                let read = B3::read(headers);
                let ids = read.ok().flatten().and_then(|b3| b3.ids);
                by_b3 = ids.is_some();
                parent_id = ids.map(|(_, span_id)| span_id);
                self.begin_by_b3(read, clock, peer, kind, &mut verdict)
            }
            Err(error) => self.restarted(error.into(), None, clock, kind, &mut verdict),
        };
        let identity = seed.identity_mut();
        let mut edge = identity.edge.take().unwrap_or_default();
        edge.by_b3 = by_b3;
        if self.settings().propagators.baggage() && verdict.restarted.is_none() {
            let read = Baggage::read(headers.fields(Field::Baggage));
            edge.baggage = read.unwrap_or_else(|error| {
                self.dropped(error.into());
                None
            });
        }
        if self.settings().deadlines {
            match read_timeout(headers) {
                Ok(left) => edge.deadline = left.and_then(deadline::after),
                Err(TimeoutError) => self.dropped(Reason::TimeoutMalformed),
            }
        }
        edge.probing = self.probing(headers, peer, verdict, parent_id);
        let is_empty = edge.untrusted.is_none()
            && !edge.by_b3
            && edge.baggage.is_none()
            && edge.deadline.is_none()
            && edge.probing.is_none();
        identity.edge = (!is_empty).then_some(edge);
        seed
    }

    fn probing<H: Headers + ?Sized>(
        &self,
        headers: &H,
        peer: &Peer,
        verdict: Verdict,
        parent_id: Option<SpanId>,
    ) -> Option<Arc<Probing>> {
        let Single::One(value) = headers.fields(Field::Probe).collect() else {
            return None;
        };
        let value = trim_blanks(value);
        if !self.settings().probe.allows(value, peer) {
            return None;
        }
        let value = str::from_utf8(value).ok()?;
        Some(Arc::new(Probing::new(value, verdict, parent_id)))
    }

    fn begin_by_b3(
        &self,
        read: Result<Option<B3>, B3Error>,
        clock: Single<'_>,
        peer: &Peer,
        kind: Kind,
        verdict: &mut Verdict,
    ) -> Seed {
        let b3 = match read {
            Ok(Some(b3)) => b3,
            Ok(None) => {
                return self.restarted(Reason::TraceparentAbsent, None, clock, kind, verdict);
            }
            Err(B3Error) => {
                return self.restarted(Reason::TraceparentB3Malformed, None, clock, kind, verdict);
            }
        };
        let Some((trace_id, parent_id)) = b3.ids else {
            let reason = Reason::TraceparentAbsent;
            return self.restarted(reason, b3.sampled, clock, kind, verdict);
        };
        let flags = match b3.sampled.unwrap_or(self.settings().sampled) {
            true => TraceFlags::SAMPLED,
            false => TraceFlags::default(),
        };
        // The clock is that of a `traceparent`, and there is none.
        if !clock.is_absent() {
            self.refused(Reason::ClockNoTraceparent, verdict);
        }
        let context = TraceContext {
            trace_id,
            parent_id,
            flags,
            tracestate: Tracestate::default(),
        };
        let incoming = Incoming {
            context,
            own: None,
            tracestate_dropped: None,
        };
        self.trusted(incoming, Single::Absent, peer, kind, verdict)
    }

    /// A new trace begins.
    fn restarted(
        &self,
        reason: Reason,
        sampled: Option<bool>,
        clock: Single<'_>,
        kind: Kind,
        verdict: &mut Verdict,
    ) -> Seed {
        self.dropped(reason);
        verdict.restarted = Some(reason);
        if !clock.is_absent() {
            self.refused(Reason::ClockNoTraceparent, verdict);
        }
        let mut identity = Identity::root(self, kind);
        if let Some(ids) = self.ids_of_tracer(None, kind) {
            (identity.trace_id, identity.span_id) = ids;
        }
        match sampled {
            None => {}
            Some(true) => identity.flags = TraceFlags::RANDOM | TraceFlags::SAMPLED,
            Some(false) => identity.flags = TraceFlags::RANDOM,
        }
        Seed::new(identity, None)
    }

    /// What is believed of the peer.
    fn trusted(
        &self,
        mut incoming: Incoming<'_>,
        clock: Single<'_>,
        peer: &Peer,
        kind: Kind,
        verdict: &mut Verdict,
    ) -> Seed {
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
                verdict.restarted = Some(Reason::TraceparentUntrusted);
                if !clock.is_absent() {
                    self.refused(Reason::ClockUntrusted, verdict);
                }
                let context = incoming.context;
                let untrusted = Untrusted {
                    received: (context.trace_id, context.parent_id),
                    link: (trust == Trust::Restart).then_some(context),
                };
                let edge = Edge {
                    untrusted: Some(untrusted),
                    ..Edge::default()
                };
                let identity = Identity {
                    edge: Some(Box::new(edge)),
                    ..Identity::root(self, kind)
                };
                return Seed::new(identity, None);
            }
        }
        self.carry_on(incoming, clock, kind, verdict)
    }

    fn carry_on(
        &self,
        incoming: Incoming<'_>,
        clock: Single<'_>,
        kind: Kind,
        verdict: &mut Verdict,
    ) -> Seed {
        let Incoming { context, own, .. } = incoming;
        let received = (context.trace_id, context.parent_id);
        let taken = self.ids_of_tracer(Some(received), kind);
        let trace_id = context.trace_id;
        let span_id = taken.map_or_else(SpanId::random, |(_, span_id)| span_id);
        let mut answers = false;
        let clock = match clock {
            Single::Absent => match own {
                Some(own) => self.read_member(own, trace_id, span_id, verdict),
                None => None,
            },
            Single::Several => self.refused(Reason::ClockDuplicate, verdict),
            Single::One(header) if clock::trim_blanks(header).starts_with(b"v1") => {
                self.read_vector(header, trace_id, verdict)
            }
            Single::One(header) => {
                let clock = self.read_clock(header, trace_id, span_id, verdict);
                // A clock of version 2 is answered in kind, whatever calls carry; a message never.
                answers = clock.is_some()
                    && self.settings().clock != ClockMode::Off
                    && kind == Kind::Server;
                clock
            }
        };
        let identity = Identity {
            towline: self.clone(),
            kind,
            trace_id,
            span_id,
            parent_id: Some(context.parent_id),
            flags: context.flags,
            tracestate: context.tracestate,
            edge: None,
            answers,
        };
        Seed::new(identity, clock)
    }

    /// The ids of the span that another tracer has made of this request.
    #[inline]
    fn ids_of_tracer(
        &self,
        received: Option<(TraceId, SpanId)>,
        kind: Kind,
    ) -> Option<(TraceId, SpanId)> {
        let tracer = self.settings().tracer.as_ref()?;
        tracer.serving(received).filter(|_| kind == Kind::Server)
    }

    fn read_vector(
        &self,
        header: &[u8],
        trace_id: TraceId,
        verdict: &mut Verdict,
    ) -> Option<Received> {
        let header_bytes_max = self.settings().limits.header_bytes_max;
        match ClockV1::read(header, trace_id, header_bytes_max) {
            Ok(vector) => {
                verdict.clock = ClockVerdict::Continued;
                Some(Received::Vector(vector))
            }
            Err(error) => self.refused(error.into(), verdict),
        }
    }

    fn read_clock(
        &self,
        header: &[u8],
        trace_id: TraceId,
        span_id: SpanId,
        verdict: &mut Verdict,
    ) -> Option<Received> {
        match Scan::read(header, self.settings().limits, Some(trace_id.low32())) {
            Ok(sender) => {
                verdict.clock = ClockVerdict::Continued;
                self.start_after(&sender, span_id, false)
            }
            Err(error) => self.refused(Reason::of_clock(error), verdict),
        }
    }

    /// The clock came through a service that carries none: `tracestate` has it.
    fn read_member(
        &self,
        own: &str,
        trace_id: TraceId,
        span_id: SpanId,
        verdict: &mut Verdict,
    ) -> Option<Received> {
        match Clock::from_tracestate(own, trace_id.low32(), self.settings().limits) {
            Ok(sender) => {
                verdict.clock = ClockVerdict::Member;
                self.start_after(&sender.scan(), span_id, true)
            }
            Err(error) => self.refused(Reason::of_member(error), verdict),
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

    fn refused(&self, reason: Reason, verdict: &mut Verdict) -> Option<Received> {
        self.dropped(reason);
        verdict.clock = ClockVerdict::Refused(reason);
        None
    }
}
