"""A span processor that gives spans their clocks."""

from __future__ import annotations

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from towline._context import Context, unsettled
from towline._propagator import Propagator, default
from towline.otel._client_span import ClientSpan, making
from towline.otel._neighbour import settle_in
from towline.otel._spans import (
    ARRIVED,
    CLOCK_ATTRIBUTE,
    Arrival,
    SpanState,
    hold,
    host_in,
    start_strand,
    state_of,
    trace_id_of,
)


class TowlineSpanProcessor(SpanProcessor):
    """Stamps `towline.clock` on spans when they start.

    A span with a remote parent, or with none, starts a strand; a local child shares that of its parent; a client span
    is an attached fork of it, a producer span a detached one. Answers are not seen here: what a callee did is not
    known, which the clock says, unless a client of Towline's makes the call. To add it twice does no harm.

    Args:
        propagator: the settings; default: `towline.default()`, when the first span starts.

    Example:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> provider = TracerProvider()
        >>> provider.add_span_processor(TowlineSpanProcessor())
        >>> with provider.get_tracer("shop").start_as_current_span("work") as span:
        ...     span.attributes["towline.clock"].startswith("v2;t=")
        True
    """

    def __init__(self, propagator: Propagator | None = None) -> None:
        self._propagator = propagator

    def on_start(self, span: Span, parent_context: otel_context.Context | None = None) -> None:
        """A span starts."""
        propagator = self._propagator or default()
        ids = span.get_span_context()
        if propagator.config.disabled or propagator.config.clock == "off" or making.get():
            return
        if state_of(ids) is not None:
            return
        state = hold(span, self._state(span, parent_context, propagator))
        if state.call is None:
            span.set_attribute(CLOCK_ATTRIBUTE, state.context.stamp().format())

    def on_end(self, span: ReadableSpan) -> None:
        """A span ended."""
        state = None if span.context is None else state_of(span.context)
        if state is None:
            return
        if state.call is not None:
            state.call.body_ended()
        if state.ends_strand:
            state.context.end("error" if span.status.status_code is StatusCode.ERROR else "ok")

    def _state(self, span: Span, parent_context: otel_context.Context | None, propagator: Propagator) -> SpanState:
        context, is_first = self._context(span, parent_context, propagator)
        if span.kind not in (SpanKind.CLIENT, SpanKind.PRODUCER):
            return SpanState(context, ends_strand=is_first)
        detached = span.kind is SpanKind.PRODUCER
        call = context.attempt(
            None if detached else host_in(span), propagator, detached=detached, span=ClientSpan(span, False)
        )
        return SpanState(context, call, ends_strand=is_first)

    def _context(
        self, span: Span, parent_context: otel_context.Context | None, propagator: Propagator
    ) -> tuple[Context, bool]:
        """The context of a span's strand, and whether the strand began with it."""
        ids, parent = span.get_span_context(), span.parent
        if parent is not None and not parent.is_remote:
            state = state_of(parent)
            if state is not None:
                return state.context, False
        own = unsettled()
        if own is not None:
            if own.pending is not None and span.kind is SpanKind.SERVER:
                settle_in(own, span)
            if own.trace_id == trace_id_of(ids):
                return own, False
        carried = otel_context.get_value(ARRIVED, parent_context)
        arrival = carried if isinstance(carried, Arrival) else None
        return start_strand(span, propagator, arrival), True


__all__ = ["TowlineSpanProcessor"]
