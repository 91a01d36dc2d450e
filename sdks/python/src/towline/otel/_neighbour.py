"""Stepping aside: middleware and clients of Towline's in a process that has OpenTelemetry's spans."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from towline._beside import install
from towline._call import Call
from towline._context import Context
from towline._propagator import Propagator
from towline._trace_context import RANDOM, SAMPLED
from towline.otel._client_span import ClientSpan
from towline.otel._spans import (
    SpanState,
    hold,
    kind_of,
    parent_id_of,
    span_id_of,
    start_strand,
    state_of,
    trace_id_of,
)


class Neighbour:
    """What the core asks of OpenTelemetry (`towline._beside.Beside`)."""

    def server_context(self, traceparent: Sequence[str]) -> Context | None:
        """The context of the current server span, if it is of this request."""
        span = trace.get_current_span()
        state = state_of(span.get_span_context())
        if state is None or state.served or kind_of(span) is not SpanKind.SERVER:
            return None
        parent_id = parent_id_of(span)
        if parent_id is not None and not any(parent_id in value for value in traceparent):
            return None
        state.served = True
        return state.context

    def settle(self, context: Context) -> None:
        """Takes the ids of the current server span, if it is of this request and has no context yet."""
        span = trace.get_current_span()
        if kind_of(span) is SpanKind.SERVER and state_of(span.get_span_context()) is None:
            take_ids(context, span)

    def context(self, propagator: Propagator) -> Context | None:
        """The context of the current span, which gets one if it has none."""
        span = trace.get_current_span()
        ids = span.get_span_context()
        if not ids.is_valid or ids.is_remote:
            return None
        state = state_of(ids)
        if state is None:
            state = hold(span, SpanState(start_strand(span, propagator, None)))
        return state.context

    def current_call(self, context: Context, host: str) -> Call | None:
        """The call that the current client span stands for, if nobody has taken it."""
        state = state_of(trace.get_current_span().get_span_context())
        if state is None or state.call is None or state.taken or state.call.host != host or state.call.done:
            return None
        state.taken = True
        return state.call

    def client_span(self, context: Context, host: str, method: str) -> ClientSpan | None:
        """The current client span, where it has no call yet; else a child of the current span."""
        span = trace.get_current_span()
        ids = span.get_span_context()
        if not ids.is_valid or ids.is_remote or trace_id_of(ids) != context.trace_id:
            return None
        state = state_of(ids)
        if kind_of(span) is not SpanKind.CLIENT or (state is not None and state.taken):
            return ClientSpan.new(host, method)
        if state is None:
            state = hold(span, SpanState(context))
        elif state.call is not None:
            state.call.body_ended()  # it was for another host, or for one that nobody knew
        state.taken = True
        return ClientSpan(span, False)


def settle_in(context: Context, span: trace.Span) -> None:
    """A request's context begins as that of this server span, if it is of the same request."""
    take_ids(context, span)
    also, context.pending = context.pending, None
    context.begin(*(also or ()))


def take_ids(context: Context, span: trace.Span) -> None:
    """Gives a context a span's ids, if both have one parent."""
    ids, parent_id = span.get_span_context(), parent_id_of(span)
    if parent_id != context.parent_id or (parent_id is not None and trace_id_of(ids) != context.trace_id):
        return
    flags = ids.trace_flags & (SAMPLED | RANDOM)
    context.take_ids(trace_id_of(ids), span_id_of(ids), parent_id, flags)
    hold(span, SpanState(context)).served = True


install(Neighbour())

__all__ = ["Neighbour", "settle_in", "take_ids"]
