use http::{Request, Version};
use towline_core::{Outcome, Slot};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

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
    #[inline]
    pub(super) fn new<B>(slot: Slot, request: &Request<B>) -> Self {
        Self {
            // One load where nobody listens: a span that is made to be disabled costs 30 ns.
            span: (LevelFilter::current() >= Level::INFO)
                .then(|| span(&slot, request))
                .flatten(),
            slot,
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

    /// Makes the span and the context current until the guard is dropped.
    #[inline]
    pub(super) fn enter(&mut self) -> Entered<'_> {
        Entered {
            _slot: self.slot.enter(),
            _span: self.span.as_ref().map(|span| span.enter()),
        }
    }
}

#[must_use = "the context is current only while this lives"]
pub(super) struct Entered<'a> {
    _slot: towline_core::Entered<'a>,
    _span: Option<tracing::span::Entered<'a>>,
}

#[cold]
fn span<B>(slot: &Slot, request: &Request<B>) -> Option<Box<Span>> {
    let ids = slot.ids();
    let span = tracing::info_span!(
        target: "towline",
        "request",
        trace_id = ids.map(|(trace_id, _)| display(trace_id)),
        span_id = ids.map(|(_, span_id)| display(span_id)),
        http.request.method = %request.method(),
        url.path = request.uri().path(),
    );
    (!span.is_disabled()).then(|| Box::new(span))
}

impl Drop for Scope {
    fn drop(&mut self) {
        let _span = self.span.as_ref().map(|span| span.enter());
        self.slot.end(Outcome::Cancelled);
    }
}
