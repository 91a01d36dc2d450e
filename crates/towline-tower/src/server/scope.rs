use http::{Request, Version};
use towline_core::{Context, Outcome, Slot};
use tracing::Span;

/// What is current while a request is handled and its body is produced: the context, and a span
/// that puts the trace id on every `tracing` event.
///
/// Dropped before the strand has ended, it ends it: the caller is gone.
#[derive(Debug)]
pub(super) struct Scope {
    context: Context,
    slot: Slot,
    span: Span,
    has_trailers: bool,
}

impl Scope {
    pub(super) fn new<B>(context: Context, request: &Request<B>) -> Self {
        let span = tracing::info_span!(
            target: "towline",
            "request",
            trace_id = %context.trace_id(),
            span_id = %context.span_id(),
            http.request.method = %request.method(),
            url.path = request.uri().path(),
        );
        Self {
            slot: Slot::new(context.clone()),
            context,
            span,
            has_trailers: request.version() >= Version::HTTP_2,
        }
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Whether the protocol has trailers that every client takes.
    pub(super) fn has_trailers(&self) -> bool {
        self.has_trailers
    }

    pub(super) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let _span = self.span.enter();
        let _entered = self.slot.enter();
        work()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let _span = self.span.enter();
        self.context.end(Outcome::Cancelled);
    }
}
