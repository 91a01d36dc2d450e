"""OpenTelemetry's SDK as a service has it: every trace sampled, or none, and an exporter that takes no time."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import propagate
from opentelemetry.context import attach, detach
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON


class NoExporter(SpanExporter):
    """Takes spans and forgets them."""

    spans = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Counts them, so that a check can see that they came."""
        self.spans += len(spans)
        return SpanExportResult.SUCCESS


class OpenTelemetry:
    """One provider, and what the checks ask it."""

    def __init__(self, variant: str) -> None:
        self.sampled = "sampling off" not in variant
        self.exporter = NoExporter()
        self.provider = TracerProvider(
            sampler=ALWAYS_ON if self.sampled else ALWAYS_OFF, resource=Resource.create({"service.name": "bench"})
        )
        self.provider.add_span_processor(BatchSpanProcessor(self.exporter))

    def injected(self) -> str | None:
        """The `traceparent` that a call made here would carry."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return carrier.get("traceparent")

    def exported(self) -> bool:
        """Did what was to be exported come, and nothing else?"""
        self.provider.force_flush()
        return bool(self.exporter.spans) is self.sampled


__all__ = ["OpenTelemetry", "attach", "detach", "extract"]
