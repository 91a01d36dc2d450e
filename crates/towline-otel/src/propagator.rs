//! The propagator `towline`: strand clocks in OpenTelemetry's carriers.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use towline_core::{
    Clock, ClockError, ClockMode, RACEWAY_CLOCK, Reason, TRACEPARENT, TRACESTATE, TraceId,
};

use crate::Strands;
use crate::ids;
use crate::received::{Received, Sender};
use crate::symptom::Symptom;

/// The key of our member of `tracestate`.
const MEMBER: &str = "towline";

static FIELDS: LazyLock<[String; 2]> =
    LazyLock::new(|| [RACEWAY_CLOCK.to_owned(), TRACESTATE.to_owned()]);

/// Reads and writes strand clocks.
///
/// It reads `raceway-clock`, or else our member of `tracestate`, and writes both. `traceparent` is
/// that of `tracecontext`, which has to stand before it: [`Strands::propagators`] has them in order.
/// Clocks go to the hosts of the allow-list where the client span says which host it calls
/// (`server.address`, `url.full`), else to all.
#[derive(Clone, Debug)]
pub struct Propagator {
    strands: Strands,
}

impl Propagator {
    /// That of [`Strands::of_environment`].
    #[must_use]
    pub fn new() -> Self {
        Strands::of_environment().propagator()
    }

    pub(crate) fn of(strands: Strands) -> Self {
        Self { strands }
    }

    /// The clock that came beside this remote span.
    fn sender(
        &self,
        span: &SpanContext,
        trace: TraceId,
        carrier: &dyn Extractor,
    ) -> Option<Sender> {
        let fields = carrier.get_all(RACEWAY_CLOCK).unwrap_or_default();
        let limits = self.strands.towline().settings().limits;
        let (clock, gap) = match fields.as_slice() {
            [] => {
                let own = span.trace_state().get(MEMBER)?;
                let read = Clock::from_tracestate(own, trace.low32(), limits);
                (read.map_err(of_member), true)
            }
            [header] => {
                let read = Clock::read(header.as_bytes(), limits, Some(trace.low32()));
                (read.map_err(of_clock), false)
            }
            [_, _, ..] => (Err(Reason::ClockDuplicate), false),
        };
        match clock {
            Ok(clock) => Some(Sender { clock, gap }),
            Err(reason) => {
                self.strands.dropped(reason);
                None
            }
        }
    }

    /// A request without a remote span: our clock has no trace.
    fn without_trace(&self, carrier: &dyn Extractor) {
        let fields = carrier.get_all(TRACEPARENT).unwrap_or_default();
        let fields = fields.iter().map(|field| field.as_bytes());
        if towline_core::read(fields, []).is_ok() {
            self.strands.tell(Symptom::ReadTooEarly);
        }
        if carrier.get(RACEWAY_CLOCK).is_some() {
            self.strands.dropped(Reason::ClockNoTraceparent);
        }
    }

    /// The `tracestate` to send with this clock, where it is another than the one that the span has.
    fn tracestate(&self, span: &SpanContext, clock: Option<&Clock>) -> Option<String> {
        let list = span.trace_state().header();
        let traceparent = ids::traceparent(span)?;
        let read = towline_core::read([&traceparent.as_bytes()[..]], [list.as_bytes()]).ok()?;
        if let Some(why) = read.tracestate_dropped {
            // OpenTelemetry passes on what breaks the grammar; with us in it, it would be no better.
            self.strands.dropped(why.into());
            return None;
        }
        let others = read.context.tracestate;
        let wanted = clock.filter(|_| self.strands.towline().settings().tracestate);
        let own = wanted.and_then(|clock| {
            let own = clock.to_tracestate().filter(|own| others.fits(own));
            if own.is_none() {
                self.strands.dropped(Reason::TracestateTooLong);
            }
            own
        });
        // The member that came was the caller's: it is taken out in any case.
        let changes = own.is_some() || read.own.is_some();
        changes.then(|| {
            others
                .with_own(own.as_deref())
                .map(Cow::into_owned)
                .unwrap_or_default()
        })
    }
}

impl Default for Propagator {
    fn default() -> Self {
        Self::new()
    }
}

impl TextMapPropagator for Propagator {
    fn inject_context(&self, cx: &Context, carrier: &mut dyn Injector) {
        if !self.strands.are_on() {
            return;
        }
        let span = cx.span();
        if !span.span_context().is_valid() {
            if tracing::Span::current().id().is_some() {
                self.strands.tell(Symptom::OtherVersion);
            }
            self.strands.dropped(Reason::ContextNone);
            return;
        }
        let clock = if self.strands.towline().settings().clock == ClockMode::V1 {
            self.strands.tell(Symptom::VersionOne);
            None
        } else {
            self.strands.send(cx)
        };
        if let Some(tracestate) = self.tracestate(span.span_context(), clock.as_ref()) {
            carrier.set(TRACESTATE, tracestate);
        }
        if let Some(clock) = clock {
            carrier.set(RACEWAY_CLOCK, clock.into_string());
        }
    }

    fn extract_with_context(&self, cx: &Context, carrier: &dyn Extractor) -> Context {
        if !self.strands.are_on() {
            return cx.clone();
        }
        let span = cx.span().span_context().clone();
        match ids::of(&span).filter(|_| span.is_remote()) {
            Some((trace, _)) => {
                let sender = self.sender(&span, trace, carrier);
                cx.with_value(Arc::new(Received::new(span.trace_id(), sender)))
            }
            None => {
                self.without_trace(carrier);
                cx.clone()
            }
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(FIELDS.as_slice())
    }
}

/// Why a clock on a request cannot be used.
fn of_clock(error: ClockError) -> Reason {
    match error {
        ClockError::TooLong { .. } => Reason::ClockTooLong,
        ClockError::Version => Reason::ClockVersion,
        ClockError::OtherTrace => Reason::ClockOtherTrace,
        ClockError::Malformed { .. } => Reason::ClockMalformed,
        ClockError::TooDeep { .. } | ClockError::TooManyForks { .. } | ClockError::TickTooHigh => {
            Reason::ClockOverLimits
        }
    }
}

/// Why our member of `tracestate` cannot be used.
fn of_member(error: ClockError) -> Reason {
    match of_clock(error) {
        Reason::ClockTooLong | Reason::ClockOverLimits => Reason::MemberOverLimits,
        _ => Reason::MemberMalformed,
    }
}
