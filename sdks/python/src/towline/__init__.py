"""Trace context that arrives whole, and the true order of what happened.

Server middleware: `Towline` (WSGI), `TowlineASGI`. Clients: `towline.requests`, `towline.httpx`, `towline.urllib`.
Concurrency: `fork`, `detach`, `bind`, `with_context`, `towline.futures`. Messages: `Context.send_message`,
`receive_message`, `receive_batch`, `message`. Beside OpenTelemetry: `towline.otel`. The rest is the codec that they are
made of.
"""

from towline._call import Call
from towline._cancelled import Cancelled
from towline._carrier import HeaderCarrier
from towline._clock import Clock, Hop, Order
from towline._clock_v1 import ClockV1
from towline._config import STATUS_PATH, Config, Trust, without_health_checks
from towline._context import HEADER_NAMES, Branch, Context, current
from towline._cors import CorsHeaders, cors_headers
from towline._counters import Counters, Summary
from towline._errors import ClockError, ClockV1Error, RefusedError, StrandEndedError, TowlineError, TraceContextError
from towline._fork import ForkedFuture, ForkedTask, bind, detach, fork, with_context
from towline._known import Fork, Known
from towline._message import message, receive_batch, receive_message
from towline._observer import CallEvent, Observer, StrandEvent
from towline._propagator import Propagator, default, set_default
from towline._reader import Limits
from towline._status import status, status_app, status_asgi, status_view
from towline._strand import Strand
from towline._trace_context import TraceContext
from towline._version import VERSION as __version__
from towline.asgi import TowlineASGI
from towline.wsgi import Towline

__all__ = [
    "HEADER_NAMES",
    "STATUS_PATH",
    "Branch",
    "Call",
    "CallEvent",
    "Cancelled",
    "Clock",
    "ClockError",
    "ClockV1",
    "ClockV1Error",
    "Config",
    "Context",
    "CorsHeaders",
    "Counters",
    "Fork",
    "ForkedFuture",
    "ForkedTask",
    "HeaderCarrier",
    "Hop",
    "Known",
    "Limits",
    "Observer",
    "Order",
    "Propagator",
    "RefusedError",
    "Strand",
    "StrandEndedError",
    "StrandEvent",
    "Summary",
    "Towline",
    "TowlineASGI",
    "TowlineError",
    "TraceContext",
    "TraceContextError",
    "Trust",
    "__version__",
    "bind",
    "cors_headers",
    "current",
    "default",
    "detach",
    "fork",
    "message",
    "receive_batch",
    "receive_message",
    "set_default",
    "status",
    "status_app",
    "status_asgi",
    "status_view",
    "with_context",
    "without_health_checks",
]
