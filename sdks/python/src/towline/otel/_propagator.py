"""A propagator for OpenTelemetry: the clock, beside what its own propagators read and write."""

from __future__ import annotations

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from towline._call import Call
from towline._context import CLOCK, Context, unsettled
from towline._propagator import Propagator, default
from towline.otel._processor import TowlineSpanProcessor
from towline.otel._spans import ARRIVED, Arrival, SpanState, host_in, start_strand, state_of, trace_id_of


class TowlinePropagator(TextMapPropagator):
    """Reads and writes `raceway-clock`, and our member of `tracestate`; `traceparent` is that of `tracecontext`, which
    has to stand before it. `OTEL_PROPAGATORS` knows it as `towline`.

    Args:
        propagator: the settings; default: `towline.default()`, when they are first needed.
    """

    def __init__(self, propagator: Propagator | None = None) -> None:
        self._given = propagator
        self._provider: trace.TracerProvider | None = None

    @property
    def fields(self) -> set[str]:
        """The fields that are written."""
        return {CLOCK, "tracestate"}

    def extract(
        self,
        carrier: CarrierT,
        context: otel_context.Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> otel_context.Context:
        """Takes what a request brought into OpenTelemetry's context."""
        context = otel_context.get_current() if context is None else context
        if self._is_off():
            return context
        caller = trace.get_current_span(context).get_span_context()
        return otel_context.set_value(ARRIVED, Arrival(getter.get(carrier, CLOCK) or [], caller), context)

    def inject(
        self,
        carrier: CarrierT,
        context: otel_context.Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Writes the clock of the current span's strand, which ticks."""
        if self._is_off():
            return
        span = trace.get_current_span(context)
        if not span.get_span_context().is_valid:
            return
        call = self._call(span, context)
        if call is None:
            return
        for name in (CLOCK, "tracestate"):
            if name in call.headers:
                setter.set(carrier, name, call.headers[name])

    def _call(self, span: trace.Span, context: otel_context.Context | None) -> Call | None:
        """What a client span stands for; else a fork of its own, of which nothing more will be known."""
        state = state_of(span.get_span_context())
        if state is not None and state.call is not None and not state.injected and not state.taken:
            state.injected = True
            return state.call
        own = self._context(span, state, context)
        if own is None:
            return None
        call = own.attempt(host_in(span), self._given or default())
        call.body_ended()
        return call

    def _context(
        self, span: trace.Span, state: SpanState | None, context: otel_context.Context | None
    ) -> Context | None:
        if state is not None:
            return state.context
        own = unsettled()
        if own is not None and own.trace_id == trace_id_of(span.get_span_context()):
            return own
        arrival = otel_context.get_value(ARRIVED, context)
        if not isinstance(arrival, Arrival):
            return None
        with arrival.lock:
            if arrival.context is None:
                arrival.context = start_strand(span, self._given or default(), arrival)
            return arrival.context

    def _is_off(self) -> bool:
        propagator = self._given or default()
        if propagator.config.disabled or propagator.config.clock == "off":
            return True
        self._see_spans()
        return False

    def _see_spans(self) -> None:
        """Adds the span processor to the global tracer provider, once there is one: a propagator sees no spans."""
        provider = trace.get_tracer_provider()
        if provider is self._provider:
            return
        self._provider = provider
        add = getattr(provider, "add_span_processor", None)
        if add is not None:
            add(TowlineSpanProcessor(self._given))


__all__ = ["TowlinePropagator"]
