use http::{Request, Version};
use towline_core::{Outcome, Slot};
use tracing::Span;

/// What is current while a request is handled and its body is produced: the context, and a span
/// that puts the trace id on every `tracing` event.
///
/// Dropped before the strand has ended, it ends it: the caller is gone.
#[derive(Debug)]
pub(super) struct Scope {
    slot: Slot,
    /// None where nobody listens: a span is large, and is moved about with every poll.
    span: Option<Box<Span>>,
    has_trailers: bool,
}

impl Scope {
    pub(super) fn new<B>(slot: Slot, request: &Request<B>) -> Self {
        let ids = slot.ids();
        let span = tracing::info_span!(
            target: "towline",
            "request",
            trace_id = ids.map(|(trace_id, _)| display(trace_id)),
            span_id = ids.map(|(_, span_id)| display(span_id)),
            http.request.method = %request.method(),
            url.path = request.uri().path(),
        );
        Self {
            slot,
            span: (!span.is_disabled()).then(|| Box::new(span)),
            has_trailers: request.version() >= Version::HTTP_2,
        }
    }

    pub(super) fn slot(&mut self) -> &mut Slot {
        &mut self.slot
    }

    /// Whether the protocol has trailers that every client takes.
    pub(super) fn has_trailers(&self) -> bool {
        self.has_trailers
    }

    pub(super) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let _span = self.span.as_ref().map(|span| span.enter());
        let _entered = self.slot.enter();
        work()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let _span = self.span.as_ref().map(|span| span.enter());
        self.slot.end(Outcome::Cancelled);
    }
}
