"""The client span of a call that Towline's client makes, kept by OpenTelemetry."""

from __future__ import annotations

from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from towline._observer import Outcome
from towline._version import VERSION
from towline.otel._spans import CLOCK_ATTRIBUTE, span_id_of

making: ContextVar[bool] = ContextVar("towline_otel_making", default=False)
"""Is Towline itself making a span here? The processor leaves that to it."""


class ClientSpan:
    """A client span for one attempt: one that is there already, or a new child of the current one."""

    __slots__ = ("_is_ours", "_span", "span_id")

    def __init__(self, span: trace.Span, is_ours: bool) -> None:
        self._span = span
        self._is_ours = is_ours
        self.span_id = span_id_of(span.get_span_context())

    @classmethod
    def new(cls, host: str, method: str) -> ClientSpan:
        """A child of the current span, under the name that the conventions give it."""
        making.set(True)
        try:
            attributes = {"http.request.method": method, "server.address": host}
            span = trace.get_tracer("towline", VERSION).start_span(method, None, SpanKind.CLIENT, attributes)
        finally:
            making.set(False)
        return cls(span, True)

    def sent(self, clock: str | None) -> None:
        """The attempt leaves, with this clock."""
        if clock is not None:
            self._span.set_attribute(CLOCK_ATTRIBUTE, clock)

    def ended(self, clock: str, status: int | None, outcome: Outcome) -> None:
        """The attempt ended. A caller that gives it up on purpose makes no error of it."""
        if self._span.is_recording():
            self._span.set_attribute(CLOCK_ATTRIBUTE, clock)
        if not self._is_ours:
            return
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if outcome == "error" or (status is not None and status >= 400):
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


__all__ = ["ClientSpan", "making"]
