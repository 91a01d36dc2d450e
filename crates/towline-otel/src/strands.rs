//! The strands of this process's spans: what propagator and span processor share.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use opentelemetry::Context;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{SpanContext, SpanKind, TraceContextExt};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::SpanData;
use towline_core::{
    Clock, ClockMode, Context as Place, CutError, Fork, Kind, Observer, Reason, SpanId, Strand,
    Towline, TraceId,
};

use crate::calls::{Calls, Sent};
use crate::destination;
use crate::ids;
use crate::line::{Actor, Line};
use crate::live::{Live, LiveSpans, Role};
use crate::processor::{Alone, SpanProcessor};
use crate::propagator::Propagator;
use crate::received::Received;
use crate::symptom::{Symptom, Told};

/// The strands of the spans that OpenTelemetry makes in this process.
///
/// Its propagator and its span processor belong together: one without the other sees half. Cheap to
/// clone; all clones are one.
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use towline_otel::Strands;
///
/// let strands = Strands::of_environment();
/// opentelemetry::global::set_text_map_propagator(strands.propagators());
/// let provider = SdkTracerProvider::builder().with_span_processor(strands.processor()).build();
/// # let _ = provider;
/// ```
#[derive(Clone, Debug)]
pub struct Strands(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    towline: Towline,
    live: LiveSpans,
    told: Told,
}

/// Shares an instance that there is already, with its settings, counters and observers.
impl From<&Towline> for Strands {
    fn from(towline: &Towline) -> Self {
        Self(Arc::new(Shared {
            towline: towline.clone(),
            live: LiveSpans::default(),
            told: Told::default(),
        }))
    }
}

/// What goes out with a call.
pub(crate) struct Outgoing {
    pub(crate) clock: Clock,
    sent: Sent,
}

impl Strands {
    /// Those of the process by the settings of its environment: always the same ones.
    #[must_use]
    pub fn of_environment() -> Self {
        static STRANDS: OnceLock<Strands> = OnceLock::new();
        let make = || Self::from(&Towline::of_environment());
        STRANDS.get_or_init(make).clone()
    }

    /// The propagator `towline` alone. It has to stand behind `tracecontext`.
    #[must_use]
    pub fn propagator(&self) -> Propagator {
        Propagator::of(self.clone())
    }

    /// The propagators `tracecontext`, `baggage` and `towline`, as one.
    #[must_use]
    pub fn propagators(&self) -> TextMapCompositePropagator {
        TextMapCompositePropagator::new(vec![
            Box::new(TraceContextPropagator::new()),
            Box::new(BaggagePropagator::new()),
            Box::new(self.propagator()),
        ])
    }

    /// The span processor, for a place before those that export.
    #[must_use]
    pub fn processor(&self) -> SpanProcessor {
        SpanProcessor::around(self.clone(), Alone)
    }

    /// The span processor around the one that exports: then spans are exported with their clock at
    /// the end, not with that of their start.
    #[must_use]
    pub fn around<P>(&self, inner: P) -> SpanProcessor<P> {
        SpanProcessor::around(self.clone(), inner)
    }

    /// The instance, for its counters and settings.
    #[must_use]
    pub fn towline(&self) -> &Towline {
        &self.0.towline
    }

    /// Whether clocks are read and written at all.
    pub(crate) fn are_on(&self) -> bool {
        let settings = self.towline().settings();
        !settings.disabled && settings.clock != ClockMode::Off
    }

    pub(crate) fn dropped(&self, reason: Reason) {
        self.towline().counters().on_dropped(reason);
        self.towline().settings().observers.on_dropped(reason);
    }

    pub(crate) fn tell(&self, symptom: Symptom) {
        self.0.told.tell(symptom);
    }

    /// A span has started: the clock of its start.
    pub(crate) fn start(&self, span: &SpanContext, data: &SpanData, cx: &Context) -> Option<Clock> {
        let (trace_id, span_id) = ids::of(span)?;
        let actor = self.actor(span_id);
        let (line, begins) = self.line_of_start(cx, trace_id, span_id);
        let fork = match data.span_kind {
            SpanKind::Client => Some(Fork::Attached),
            SpanKind::Producer => Some(Fork::Detached),
            SpanKind::Server | SpanKind::Consumer | SpanKind::Internal => None,
        };
        let (clock, role) = match fork {
            Some(fork) => {
                let (clock, calls) = self.start_of_calls(&line, actor, fork, data);
                (clock, Role::Calls { calls, begins })
            }
            None if begins => (Some(line.stamp()), Role::Begins),
            None => (Some(line.event(actor)), Role::Shares),
        };
        if !self.0.live.insert(span, Live { line, role }) {
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
    ) -> (Option<Clock>, Arc<Mutex<Calls>>) {
        let host = destination::host(&data.attributes);
        let ready = match line {
            Line::Own(own) if self.may_carry_clock(host.as_deref()) => {
                Some(own.fork(actor, fork, self.header_bytes_max()))
            }
            Line::Own(_) | Line::Towline(_) => None,
        };
        let clock = match &ready {
            Some(forked) => forked.header.as_ref().ok().map(|(clock, _)| clock.clone()),
            None => Some(line.event(actor)),
        };
        (clock, Arc::new(Mutex::new(Calls::new(fork, host, ready))))
    }

    /// A span has ended: the clock of its end.
    pub(crate) fn end(&self, span: &SpanData) -> Option<Clock> {
        let Live { line, role } = self.0.live.remove(&span.span_context)?;
        let begins = match role {
            Role::Shares => false,
            Role::Begins => true,
            Role::Calls { calls, begins } => {
                if let Some(calls) = Arc::into_inner(calls) {
                    let calls = calls.into_inner().unwrap_or_else(PoisonError::into_inner);
                    calls.end(destination::status(&span.attributes).unwrap_or_default());
                }
                begins
            }
        };
        if let (true, Line::Own(own)) = (begins, &line) {
            own.end();
        }
        Some(line.stamp())
    }

    /// Follows no span any more.
    pub(crate) fn clear(&self) {
        self.0.live.clear();
    }

    /// The strand that a span is in, and whether it begins with the span.
    fn line_of_start(&self, cx: &Context, trace_id: TraceId, span_id: SpanId) -> (Line, bool) {
        let parent = cx.span().span_context().clone();
        let local = parent.is_valid() && !parent.is_remote();
        if local {
            if let Some(line) = self.line_of(cx, &parent) {
                return (line, false);
            }
        } else if let Some(place) = self.served(&parent, trace_id) {
            return (Line::Towline(place), false);
        }
        let (component, nonce) = (self.towline().component(), span_id.low32());
        let received = received(cx, &parent).filter(|_| !local);
        let line = Line::own(match received {
            Some(received) => received.strand(component, nonce, trace_id.low32()),
            None => Strand::first(component, nonce, trace_id.low32()),
        });
        if let Some(received) = received {
            received.keep(&line);
        }
        (line, true)
    }

    /// The strand of a span of this process.
    fn line_of(&self, cx: &Context, span: &SpanContext) -> Option<Line> {
        match self.0.live.get(span) {
            Some(live) => Some(live.line),
            // It has ended, or is not recorded: its request's strand is that of what goes on.
            None => received(cx, span)?.line().cloned(),
        }
    }

    /// The context of Towline's server middleware, if it serves the request that a span of this
    /// parent begins with.
    fn served(&self, parent: &SpanContext, trace_id: TraceId) -> Option<Place> {
        let place = Place::current().filter(|place| place.kind() == Kind::Server)?;
        if place.trace_id() != trace_id {
            self.tell(Symptom::ApartFromTowline);
            return None;
        }
        let (_, parent_id) = ids::of(parent)?;
        let same = place.parent_id() == Some(parent_id) || place.span_id() == parent_id;
        same.then_some(place)
    }

    /// The clock that goes with a call from this context, which is told why if there is none.
    pub(crate) fn send(&self, cx: &Context) -> Option<Clock> {
        let span = cx.span();
        let (trace_id, span_id) = ids::of(span.span_context())?;
        let actor = self.actor(span_id);
        let live = self.0.live.get(span.span_context());
        if let Some(Live {
            line,
            role: Role::Calls { calls, .. },
        }) = &live
        {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.may_carry_clock(calls.host.as_deref()) {
                self.dropped(Reason::SendWithheld);
                return None;
            }
            let host = calls.host.clone();
            let fork = calls.fork;
            let outgoing = match calls.take_ready() {
                Some(ready) => self.outgoing(Sent::Forked(ready)),
                None => self.fork(line, actor, fork, host.as_deref()),
            }?;
            calls.keep(outgoing.sent);
            return Some(outgoing.clock);
        }
        let line = match live {
            Some(live) => live.line,
            None => {
                let Some(received) = received(cx, span.span_context()) else {
                    if span.is_recording() {
                        self.tell(Symptom::NoProcessor);
                    }
                    self.dropped(Reason::ContextNone);
                    return None;
                };
                let begin = || received.strand(actor.component, actor.nonce, trace_id.low32());
                received.line_or(begin).clone()
            }
        };
        let outgoing = self.fork(&line, actor, Fork::Attached, None)?;
        // No span of this call will end.
        outgoing.sent.end(0);
        Some(outgoing.clock)
    }

    fn fork(
        &self,
        line: &Line,
        actor: Actor<'_>,
        fork: Fork,
        host: Option<&str>,
    ) -> Option<Outgoing> {
        match line {
            Line::Own(own) => {
                let forked = own.fork(actor, fork, self.header_bytes_max());
                self.outgoing(Sent::Forked(forked))
            }
            Line::Towline(place) => {
                // An unknown host is one that may have it.
                let call = self.towline().call_from(place, host.unwrap_or("localhost"));
                let clock = Clock::parse(call.clock()?).ok()?;
                Some(Outgoing {
                    clock,
                    sent: Sent::Call(call),
                })
            }
        }
    }

    /// What goes out of a fork; counts what was cut, or cannot go.
    fn outgoing(&self, sent: Sent) -> Option<Outgoing> {
        let Sent::Forked(forked) = &sent else {
            return None;
        };
        match &forked.header {
            Ok((clock, cut)) => {
                if *cut {
                    self.dropped(Reason::SendCut);
                }
                Some(Outgoing {
                    clock: clock.clone(),
                    sent,
                })
            }
            Err(CutError::TooLong) => {
                self.dropped(Reason::SendTooLong);
                None
            }
            Err(CutError::OverLimits) => {
                self.dropped(Reason::SendOverLimits);
                None
            }
        }
    }

    /// Where a host is not known, it may.
    fn may_carry_clock(&self, host: Option<&str>) -> bool {
        host.is_none_or(|host| self.towline().settings().propagate_to.allows(host))
    }

    fn actor(&self, span_id: SpanId) -> Actor<'_> {
        Actor {
            component: self.towline().component(),
            nonce: span_id.low32(),
        }
    }

    fn header_bytes_max(&self) -> usize {
        self.towline().settings().limits.header_bytes_max
    }
}

/// What was extracted of the request that this span belongs to.
fn received<'a>(cx: &'a Context, span: &SpanContext) -> Option<&'a Received> {
    cx.get::<Arc<Received>>()
        .map(Arc::as_ref)
        .filter(|received| received.trace_id == span.trace_id())
}
