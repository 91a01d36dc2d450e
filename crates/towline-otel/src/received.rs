//! What a request brought, on its way through OpenTelemetry's context.

use std::sync::{Arc, OnceLock};

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceId};
use towline_core::{Clock, Component, Strand};

use crate::line::Line;

/// What was extracted beside a remote span. It is a value of OpenTelemetry's context, which all
/// contexts below that of the request inherit.
#[derive(Debug)]
pub(crate) struct Received {
    trace_id: TraceId,
    sender: Option<Sender>,
    line: OnceLock<Line>,
}

/// The clock that came.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) clock: Clock,
    /// Whether a service that carries no clocks lies between.
    pub(crate) gap: bool,
}

impl Received {
    pub(crate) fn new(trace_id: TraceId, sender: Option<Sender>) -> Self {
        Self {
            trace_id,
            sender,
            line: OnceLock::new(),
        }
    }

    /// What was extracted of the request that this span belongs to.
    pub(crate) fn of<'a>(cx: &'a Context, span: &SpanContext) -> Option<&'a Self> {
        cx.get::<Arc<Self>>()
            .map(Arc::as_ref)
            .filter(|received| received.trace_id == span.trace_id())
    }

    /// A strand that this starts.
    pub(crate) fn strand(&self, component: &Component, nonce: u32, trace: u32) -> Strand {
        match &self.sender {
            Some(Sender { clock, gap }) => Strand::start(clock, component, nonce, *gap),
            None => Strand::first(component, nonce, trace),
        }
    }

    /// Makes this the strand of all that goes on in the request and has no other.
    pub(crate) fn keep(&self, line: Line) {
        // The first one stays.
        let _ = self.line.set(line);
    }

    /// The strand of the request, if there is one yet.
    pub(crate) fn line(&self) -> Option<&Line> {
        self.line.get()
    }

    /// The strand of the request, begun if nothing did: its spans are not recorded.
    pub(crate) fn line_or(&self, begin: impl FnOnce() -> Strand) -> &Line {
        self.line.get_or_init(|| Line::begun(begin(), None))
    }
}
