//! The strands of this process's spans: what propagator and span processor share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use opentelemetry::Context;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{SpanContext, SpanKind, TraceContextExt};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::SpanData;
use towline_core::{
    AdoptedSpan, Clock, ClockMode, Config, Context as Place, CutError, Fork, HostList, Kind,
    Observer, Reason, SpanId, Strand, Towline, TraceFlags, TraceId,
};

use crate::beside::{Beside, OfTowline};
use crate::calls::Calls;
use crate::destination;
use crate::ids;
use crate::line::{Actor, Forked, Line, Serves};
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
pub(crate) struct Shared {
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

impl Strands {
    /// Those of an instance of their own, whose layers and clients stand aside for OpenTelemetry's
    /// spans: a request and a call have one span, whoever makes it.
    ///
    /// ```
    /// use towline_core::Config;
    /// use towline_otel::Strands;
    /// use towline_tower::ServerLayer;
    ///
    /// let strands = Strands::new(Config::new().service_name("stock"));
    /// // Inside of OpenTelemetry's layer.
    /// let layer = ServerLayer::from(strands.towline());
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        let beside = Arc::new(Beside::default());
        let towline = Towline::new(config.tracer(Arc::clone(&beside) as _));
        let strands = Self::from(&towline);
        beside.set(Arc::downgrade(&strands.0));
        strands
    }

    /// Those of the process by the settings of its environment: always the same ones.
    #[must_use]
    pub fn of_environment() -> Self {
        static STRANDS: OnceLock<Strands> = OnceLock::new();
        STRANDS.get_or_init(|| Self::new(Config::new())).clone()
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

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self(shared)
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
        if !self.0.live.insert(ids, Live { line, role }) {
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
        let Live { line, role } = self.0.live.remove(ids::of(span)?)?;
        let begins = match role {
            Role::Shares => false,
            Role::Begins => true,
            Role::Calls { calls, begins } => {
                lock(&calls).end();
                begins
            }
        };
        if begins {
            line.end();
        }
        Some(line.stamp())
    }

    /// Follows no span any more.
    pub(crate) fn clear(&self) {
        self.0.live.clear();
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
        let received = received(cx, &parent).filter(|_| !local);
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
        match self.live(span) {
            Some(live) => Some(live.line),
            // It has ended, or is not recorded: its request's strand is that of what goes on.
            None => received(cx, span)?.line().cloned(),
        }
    }

    pub(crate) fn live(&self, span: &SpanContext) -> Option<Live> {
        self.0.live.get(ids::of(span)?)
    }

    pub(crate) fn live_by_ids(&self, ids: (TraceId, SpanId)) -> Option<Live> {
        self.0.live.get(ids)
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

    /// The context of the span that is current in OpenTelemetry; none if there is none.
    pub(crate) fn place(&self, cx: &Context) -> Option<Place> {
        let span = cx.span().span_context().clone();
        let (trace_id, span_id) = ids::of(&span).filter(|_| !span.is_remote())?;
        let adopt = |strand| {
            let adopted = AdoptedSpan {
                kind: Kind::Internal,
                trace_id,
                span_id,
                parent_id: None,
                flags: TraceFlags::from_bits_truncate(span.trace_flags().to_u8()),
                tracestate: ids::tracestate(&span).unwrap_or_default(),
            };
            self.towline().adopt(adopted, strand)
        };
        let component = self.towline().component();
        if let Some(line) = self.line_of(cx, &span) {
            return Some(line.place(adopt));
        }
        if let Some(received) = received(cx, &span) {
            let begin = || received.strand(component, span_id.low32(), trace_id.low32());
            return Some(received.line_or(begin).place(adopt));
        }
        // The trace goes on, but nothing keeps its strand: each call has a first one of its own.
        self.dropped(Reason::ContextNone);
        if cx.span().is_recording() {
            self.tell(Symptom::NoProcessor);
        }
        let nonce = SpanId::random().low32();
        Some(adopt(Strand::first(component, nonce, trace_id.low32())))
    }

    /// The clock that goes with a call from this context, which is told why if there is none.
    pub(crate) fn send(&self, cx: &Context) -> Option<Clock> {
        let span = cx.span();
        let (trace_id, span_id) = ids::of(span.span_context())?;
        let actor = self.actor(span_id);
        let live = self.live(span.span_context());
        if let Some(Live {
            line,
            role: Role::Calls { calls, .. },
        }) = &live
        {
            let mut calls = lock(calls);
            if !self.may_carry_clock(calls.host.as_deref()) {
                self.dropped(Reason::SendWithheld);
                return None;
            }
            let forked = match calls.take_ready() {
                Some(ready) => ready,
                None => line.fork(actor, calls.fork, self.header_bytes_max()),
            };
            let clock = self.sendable(&forked, calls.host.as_deref())?;
            calls.keep(forked);
            return Some(clock);
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
        let forked = line.fork(actor, Fork::Attached, self.header_bytes_max());
        let clock = self.sendable(&forked, None);
        // No span of this call will end.
        forked.lose();
        clock
    }

    /// What goes out of a fork; counts what was cut, or cannot go.
    fn sendable(&self, forked: &Forked, host: Option<&str>) -> Option<Clock> {
        let hashes = self.towline().settings().hash_labels;
        let header = match &forked.header {
            Ok((clock, cut))
                if hashes && host.is_some_and(|host| !HostList::local().allows(host)) =>
            {
                let hashed = clock.with_hashed_labels();
                hashed
                    .cut(self.header_bytes_max())
                    .map(|clock| (clock, *cut))
            }
            header => header.clone(),
        };
        let reason = match header {
            Ok((clock, cut)) => {
                if cut {
                    self.dropped(Reason::SendCut);
                }
                return Some(clock);
            }
            Err(CutError::TooLong) => Reason::SendTooLong,
            Err(CutError::OverLimits) => Reason::SendOverLimits,
        };
        self.dropped(reason);
        None
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

/// What a call span has sent is whole between any two of its acts.
pub(crate) fn lock(calls: &Mutex<Calls>) -> MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was extracted of the request that this span belongs to.
pub(crate) fn received<'a>(cx: &'a Context, span: &SpanContext) -> Option<&'a Received> {
    cx.get::<Arc<Received>>()
        .map(Arc::as_ref)
        .filter(|received| received.trace_id == span.trace_id())
}
