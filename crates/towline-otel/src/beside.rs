//! OpenTelemetry's spans in the place of Towline's.

use std::fmt;
use std::sync::{OnceLock, Weak};

use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue, global};
use towline_core::{ClientSpan, Context as Place, Outcome, SpanId, TraceId, Tracer};

use crate::line::{Line, Serves};
use crate::live::{Live, Role};
use crate::processor::CLOCK;
use crate::received::Received;
use crate::strands::Shared;
use crate::symptom::Symptom;
use crate::{Strands, calls, ids};

/// OpenTelemetry, as a Towline sees it whose layers stand aside for it.
#[derive(Debug, Default)]
pub(crate) struct Beside(OnceLock<Weak<Shared>>);

/// In the context that a span of Towline's client starts in: it is no second call.
pub(crate) struct OfTowline;

impl Beside {
    pub(crate) fn set(&self, strands: Weak<Shared>) {
        // There is one instance for each.
        let _ = self.0.set(strands);
    }

    /// None once nothing of OpenTelemetry uses them any more.
    fn strands(&self) -> Option<Strands> {
        self.0.get()?.upgrade().map(Strands::of)
    }
}

impl Tracer for Beside {
    fn serving(&self, request: Option<(TraceId, SpanId)>) -> Option<(TraceId, SpanId)> {
        let cx = Context::current();
        let span = cx.span().span_context().clone();
        let own = ids::of(&span).filter(|_| !span.is_remote())?;
        let serves = self
            .strands()?
            .line_of(&cx, &span)
            .and_then(|line| line.serves());
        match serves {
            Some(Serves { received, ids }) => (received == request).then_some(ids),
            // A request that is not recorded: any of its spans will do.
            None => {
                let (trace_id, _) = request?;
                Received::of(&cx, &span)
                    .filter(|_| trace_id == own.0)
                    .map(|_| own)
            }
        }
    }

    fn served(&self, place: &Place) {
        let Some(strands) = self.strands() else {
            return;
        };
        if let Some(live) = strands.live().get((place.trace_id(), place.span_id())) {
            live.line.hand_over(place);
            return;
        }
        let cx = Context::current();
        let span = cx.span().span_context().clone();
        if ids::of(&span) == Some((place.trace_id(), place.span_id())) {
            if let Some(received) = Received::of(&cx, &span) {
                received.keep(Line::served(place.clone()));
            }
        }
    }

    fn current(&self) -> Option<Place> {
        let strands = self.strands()?;
        let place = strands.place(&Context::current());
        if place.is_none() && tracing::Span::current().id().is_some() {
            strands.tell(Symptom::OtherVersion);
        }
        place
    }

    fn client(&self, place: &Place, host: &str) -> Option<Box<dyn ClientSpan>> {
        let strands = self.strands()?;
        let cx = Context::current();
        let span = cx.span().span_context().clone();
        let (trace_id, parent_id) = ids::of(&span).filter(|_| !span.is_remote())?;
        if trace_id != place.trace_id() {
            strands.tell(Symptom::ApartFromTowline);
            return None;
        }
        if let Some(Live {
            role: Role::Calls { calls, .. },
            ..
        }) = strands.live().of(&span)
        {
            calls::lock(&calls).step_aside();
            let (span_id, ends) = (parent_id, false);
            return Some(Box::new(Client { cx, span_id, ends }));
        }
        let builder = SpanBuilder::from_name("HTTP")
            .with_kind(SpanKind::Client)
            .with_attributes([KeyValue::new("server.address", host.to_owned())]);
        let span = global::tracer("towline").build_with_context(builder, &cx.with_value(OfTowline));
        let cx = cx.with_span(span);
        let (_, span_id) = ids::of(cx.span().span_context())?;
        // Where no tracer is set up, a span is its parent once more.
        let made = span_id != parent_id;
        let ends = true;
        made.then(|| Box::new(Client { cx, span_id, ends }) as _)
    }
}

/// A client span of OpenTelemetry's.
struct Client {
    cx: Context,
    span_id: SpanId,
    /// Whether it is made for Towline's call, and ends with it.
    ends: bool,
}

impl ClientSpan for Client {
    fn span_id(&self) -> SpanId {
        self.span_id
    }

    fn sent(&self, clock: Option<&str>) {
        if let Some(clock) = clock.filter(|_| self.ends) {
            self.cx
                .span()
                .set_attribute(KeyValue::new(CLOCK, clock.to_owned()));
        }
    }

    fn ended(&self, outcome: Outcome, status: Option<u16>) {
        if !self.ends {
            return;
        }
        let span = self.cx.span();
        if let Some(status) = status {
            let code = i64::from(status);
            span.set_attribute(KeyValue::new("http.response.status_code", code));
        }
        // The caller's own wish to stop is no error.
        let failed = outcome == Outcome::Error || status.is_some_and(|status| status >= 400);
        if failed {
            let kind = status.map_or_else(|| "_OTHER".to_owned(), |status| status.to_string());
            span.set_attribute(KeyValue::new("error.type", kind));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("span_id", &self.span_id)
            .finish_non_exhaustive()
    }
}
