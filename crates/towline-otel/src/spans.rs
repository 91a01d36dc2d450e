//! Spans start and end: which strand they are in.

use std::sync::{Arc, Mutex};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanKind, TraceContextExt};
use opentelemetry_sdk::trace::SpanData;
use towline_core::{Clock, Context as Place, Fork, Kind, SpanId, Strand, TraceId};

use crate::beside::OfTowline;
use crate::calls::{self, Calls};
use crate::line::{Actor, Line, Serves};
use crate::live::{Live, Role};
use crate::received::Received;
use crate::symptom::Symptom;
use crate::{Strands, destination, ids};

impl Strands {
    /// A span has started: the clock of its start.
    pub(crate) fn start(&self, span: &SpanContext, data: &SpanData, cx: &Context) -> Option<Clock> {
        let ids = ids::of(span)?;
        let actor = self.actor(ids.1);
        let (line, begins) = self.line_of_start(cx, ids, &data.span_kind);
        let fork = match data.span_kind {
            SpanKind::Client => Some(Fork::Attached),
            SpanKind::Producer => Some(Fork::Detached),
            SpanKind::Server | SpanKind::Consumer | SpanKind::Internal => None,
        };
        let (line, clock, role) = match fork {
            // Towline's client makes the fork, and tells the span its clock.
            _ if cx.get::<OfTowline>().is_some() => (line, None, Role::Shares),
            Some(fork) => {
                let (line, clock, calls) = self.start_of_calls(&line, actor, fork, data);
                (line, clock, Role::Calls { calls, begins })
            }
            None if begins => {
                let clock = line.stamp();
                (line, Some(clock), Role::Begins)
            }
            None => {
                let (line, clock) = line.event(actor);
                (line, Some(clock), Role::Shares)
            }
        };
        if !self.live().insert(ids, Live { line, role }) {
            self.tell(Symptom::TooManySpans);
        }
        clock
    }

    fn start_of_calls(
        &self,
        line: &Line,
        actor: Actor<'_>,
        fork: Fork,
        data: &SpanData,
    ) -> (Line, Option<Clock>, Arc<Mutex<Calls>>) {
        let host = destination::host(&data.attributes);
        let (line, clock, ready) = if self.may_carry_clock(host.as_deref()) {
            let forked = line.fork(actor, fork, self.header_bytes_max());
            let clock = forked.header.as_ref().ok().map(|(clock, _)| clock.clone());
            (forked.line.clone(), clock, Some(forked))
        } else {
            let (line, clock) = line.event(actor);
            (line, Some(clock), None)
        };
        (
            line,
            clock,
            Arc::new(Mutex::new(Calls::new(fork, host, ready))),
        )
    }

    /// A span has ended: the clock of its end.
    pub(crate) fn end(&self, span: &SpanContext) -> Option<Clock> {
        let Live { line, role } = self.live().remove(ids::of(span)?)?;
        let begins = match role {
            Role::Shares => false,
            Role::Begins => true,
            Role::Calls { calls, begins } => {
                calls::lock(&calls).end();
                begins
            }
        };
        if begins {
            line.end();
        }
        Some(line.stamp())
    }

    /// The strand that a span is in, and whether it begins with the span.
    fn line_of_start(
        &self,
        cx: &Context,
        (trace_id, span_id): (TraceId, SpanId),
        kind: &SpanKind,
    ) -> (Line, bool) {
        let parent = cx.span().span_context().clone();
        let parent_ids = ids::of(&parent);
        let local = parent_ids.is_some() && !parent.is_remote();
        if local {
            if let Some(line) = self.line_of(cx, &parent) {
                return (line, false);
            }
        } else if let Some(place) = self.served_by_towline(parent_ids, trace_id) {
            return (Line::served(place), false);
        }
        let (component, nonce) = (self.towline().component(), span_id.low32());
        let received = Received::of(cx, &parent).filter(|_| !local);
        let strand = match received {
            Some(received) => received.strand(component, nonce, trace_id.low32()),
            None => Strand::first(component, nonce, trace_id.low32()),
        };
        let serves = (*kind == SpanKind::Server && !local).then_some(Serves {
            received: parent_ids,
            ids: (trace_id, span_id),
        });
        let line = Line::begun(strand, serves);
        if let Some(received) = received {
            received.keep(line.clone());
        }
        (line, true)
    }

    /// The strand of a span of this process.
    pub(crate) fn line_of(&self, cx: &Context, span: &SpanContext) -> Option<Line> {
        match self.live().of(span) {
            Some(live) => Some(live.line),
            // It has ended, or is not recorded: its request's strand is that of what goes on.
            None => Received::of(cx, span)?.line().cloned(),
        }
    }

    /// The context of Towline's server middleware, if it serves the request that a span of this
    /// parent begins with.
    fn served_by_towline(
        &self,
        parent: Option<(TraceId, SpanId)>,
        trace_id: TraceId,
    ) -> Option<Place> {
        let place = Place::current().filter(|place| place.kind() == Kind::Server)?;
        if place.trace_id() != trace_id {
            self.tell(Symptom::ApartFromTowline);
            return None;
        }
        let (_, parent_id) = parent?;
        let same = place.parent_id() == Some(parent_id) || place.span_id() == parent_id;
        same.then_some(place)
    }
}
