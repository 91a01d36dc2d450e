"""Towline beside OpenTelemetry: the clock in its headers and on its spans, and never two spans of anything.

`OTEL_PROPAGATORS=tracecontext,baggage,towline` is enough: the propagator of that name is found by its entry point, and
adds the span processor to the global tracer provider. By hand, `provider.add_span_processor(TowlineSpanProcessor())`
and `set_global_textmap` do the same. Needs the packages `opentelemetry-api` and `opentelemetry-sdk`: `towline[otel]`.
"""

from towline.otel._metrics import register_metrics
from towline.otel._processor import TowlineSpanProcessor
from towline.otel._propagator import TowlinePropagator

__all__ = ["TowlinePropagator", "TowlineSpanProcessor", "register_metrics"]
