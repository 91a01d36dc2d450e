"""Trace context that arrives whole, and the true order of what happened.

Server middleware: `Towline` (WSGI), `TowlineASGI`. Clients: `towline.requests`, `towline.httpx`, `towline.urllib`.
Concurrency: `fork`, `detach`, `bind`, `with_context`, `towline.futures`. The rest is the codec that they are made of.
"""

from towline._clock import Clock, Hop, Order
from towline._clock_v1 import ClockV1
from towline._config import Config, Trust, without_health_checks
from towline._context import Branch, Call, Context, current
from towline._errors import ClockError, ClockV1Error, RefusedError, StrandEndedError, TowlineError, TraceContextError
from towline._fork import ForkedFuture, ForkedTask, bind, detach, fork, with_context
from towline._known import Fork, Known
from towline._observer import CallEvent, Counters, Observer, StrandEvent
from towline._propagator import HEADER_NAMES, Propagator, default, set_default
from towline._reader import Limits
from towline._strand import Strand
from towline._trace_context import TraceContext
from towline.asgi import TowlineASGI
from towline.wsgi import Towline

__version__ = "0.1.0"

__all__ = [
    "HEADER_NAMES",
    "Branch",
    "Call",
    "CallEvent",
    "Clock",
    "ClockError",
    "ClockV1",
    "ClockV1Error",
    "Config",
    "Context",
    "Counters",
    "Fork",
    "ForkedFuture",
    "ForkedTask",
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
    "Towline",
    "TowlineASGI",
    "TowlineError",
    "TraceContext",
    "TraceContextError",
    "Trust",
    "bind",
    "current",
    "default",
    "detach",
    "fork",
    "set_default",
    "with_context",
    "without_health_checks",
]
