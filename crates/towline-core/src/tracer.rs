//! Another tracer of the same process, whose spans stand in the place of ours.

use crate::context::{Begun, Context, Identity};
use crate::{Kind, Outcome, SpanId, Strand, Towline, TraceFlags, TraceId, Tracestate};

/// Another tracer of this process, such as OpenTelemetry (`towline-otel`). Where it has made the
/// span of a request or of a call, Towline makes none of its own: nobody gets two.
///
/// Its methods are called on the thread that does the work, and must not block.
pub trait Tracer: Send + Sync + 'static {
    /// The ids of its current span, if that serves the request whose `traceparent` has these ids,
    /// or which has none.
    fn serving(&self, received: Option<(TraceId, SpanId)>) -> Option<(TraceId, SpanId)>;

    /// The context of a request has begun; if it could be, with the ids of
    /// [`serving`](Self::serving).
    fn served(&self, context: &Context);

    /// The context of its current span, for a call that has none of Towline's.
    fn current(&self) -> Option<Context>;

    /// Its span of a call from `context` to `host`. None: there is none but ours.
    fn client(&self, context: &Context, host: &str) -> Option<Box<dyn ClientSpan>>;
}

/// Another tracer's span of one attempt of a call.
pub trait ClientSpan: Send + Sync {
    /// Its id: the parent id that is sent.
    fn span_id(&self) -> SpanId;

    /// The attempt leaves, with this clock or without one.
    fn sent(&self, clock: Option<&str>);

    /// The attempt has ended; `status`: of the HTTP answer, where one came.
    fn ended(&self, outcome: Outcome, status: Option<u16>);
}

/// A span of another tracer, as [`Towline::adopt`] takes it.
#[derive(Clone, Debug)]
pub struct AdoptedSpan {
    /// What began it.
    pub kind: Kind,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// Its parent's id; none where it began the trace.
    pub parent_id: Option<SpanId>,
    /// As received.
    pub flags: TraceFlags,
    /// The members of others, as received.
    pub tracestate: Tracestate,
}

impl Towline {
    /// The context of a span that another tracer made, with a strand that has just started.
    #[must_use]
    pub fn adopt(&self, span: AdoptedSpan, strand: Strand) -> Context {
        let identity = Identity {
            towline: self.clone(),
            kind: span.kind,
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_id: span.parent_id,
            flags: span.flags,
            tracestate: span.tracestate,
            edge: None,
            answers: false,
        };
        Context::start(identity, Begun::Strand(strand), None)
    }
}
