//! OpenTelemetry's ids, as Towline has them.

use opentelemetry::trace::SpanContext;
use towline_core::{SpanId, TraceFlags, TraceId, Traceparent, Tracestate};

/// The trace and the span of a context that is valid.
pub(crate) fn of(span: &SpanContext) -> Option<(TraceId, SpanId)> {
    let trace_id = TraceId::from_bytes(span.trace_id().to_bytes())?;
    Some((trace_id, SpanId::from_bytes(span.span_id().to_bytes())?))
}

/// The `traceparent` that names this span.
pub(crate) fn traceparent(span: &SpanContext) -> Option<Traceparent> {
    let (trace_id, span_id) = of(span)?;
    let flags = TraceFlags::from_bits_truncate(span.trace_flags().to_u8());
    Some(Traceparent::new(trace_id, span_id, flags))
}

/// The members of others that a span passes on.
pub(crate) fn tracestate(span: &SpanContext) -> Option<Tracestate> {
    let list = span.trace_state().header();
    let traceparent = traceparent(span)?;
    let read = towline_core::read([&traceparent.as_bytes()[..]], [list.as_bytes()]);
    Some(read.ok()?.context.tracestate)
}
