"""What is known of a span: whose strand it is of, and the calls that it stands for."""

from __future__ import annotations

import threading
from weakref import WeakValueDictionary

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from towline._call import Call
from towline._context import Context
from towline._hosts import host_of
from towline._observer import Kind
from towline._propagator import Propagator
from towline._trace_context import OWN_KEY, RANDOM, SAMPLED, TraceContext

ARRIVED = otel_context.create_key("towline-arrived")
"""The key, in OpenTelemetry's context, of what a request brought."""

CLOCK_ATTRIBUTE = "towline.clock"

_HELD = "_towline"
_HOSTS = ("server.address", "net.peer.name")
_URLS = ("url.full", "http.url")
_KINDS: dict[SpanKind, Kind] = {SpanKind.SERVER: "server", SpanKind.CONSUMER: "consumer"}


class SpanState:
    """What is known of a span. It lives as long as the span does."""

    __slots__ = ("__weakref__", "call", "context", "ends_strand", "injected", "served", "taken")

    def __init__(self, context: Context, call: Call | None = None, *, ends_strand: bool = False) -> None:
        self.context = context
        self.call = call
        """What a client or producer span stands for."""
        self.taken = False
        """Has a client of Towline's made the call its own?"""
        self.injected = False
        """Has the call been written to a carrier?"""
        self.served = False
        """Does a server middleware of Towline's answer its request?"""
        self.ends_strand = ends_strand
        """Is the strand over with the span?"""


class Arrival:
    """What a request brought: the values of its `raceway-clock` fields, and its caller's span."""

    __slots__ = ("_caller", "clock", "context", "lock")

    def __init__(self, clock: list[str], caller: trace.SpanContext) -> None:
        self.clock = clock
        self._caller = caller
        self.context: Context | None = None
        """Of the strand that was started from it, where no span processor sees the spans."""
        self.lock = threading.Lock()

    def parent_id(self, ids: trace.SpanContext) -> str | None:
        """The caller's span, of one in its trace."""
        return span_id_of(self._caller) if self._caller.trace_id == ids.trace_id else None


_states: WeakValueDictionary[tuple[int, int], SpanState] = WeakValueDictionary()
_lock = threading.Lock()


def hold(span: trace.Span, state: SpanState) -> SpanState:
    """Remembers it as long as the span lives."""
    vars(span)[_HELD] = state
    ids = span.get_span_context()
    with _lock:
        _states[ids.trace_id, ids.span_id] = state
    return state


def state_of(ids: trace.SpanContext) -> SpanState | None:
    """What is known of a span, by its ids; none where it is not known, or gone."""
    with _lock:
        return _states.get((ids.trace_id, ids.span_id))


def trace_id_of(ids: trace.SpanContext) -> str:
    """32 hex digits."""
    return f"{ids.trace_id:032x}"


def span_id_of(ids: trace.SpanContext) -> str:
    """16 hex digits."""
    return f"{ids.span_id:016x}"


def came_with(ids: trace.SpanContext) -> TraceContext:
    """A span's place in its trace, with the members of its `tracestate`."""
    others = ",".join(f"{key}={value}" for key, value in ids.trace_state.items() if key != OWN_KEY)
    flags = ids.trace_flags & (SAMPLED | RANDOM)
    return TraceContext(trace_id_of(ids), span_id_of(ids), flags, others, ids.trace_state.get(OWN_KEY))


def parent_id_of(span: trace.Span) -> str | None:
    """16 hex digits; none for the root of a trace."""
    parent: trace.SpanContext | None = getattr(span, "parent", None)
    return None if parent is None else span_id_of(parent)


def kind_of(span: trace.Span) -> SpanKind:
    """The kind of a span; that of one which is not recorded cannot be told."""
    kind: SpanKind = getattr(span, "kind", SpanKind.INTERNAL)
    return kind


def host_in(span: trace.Span) -> str | None:
    """The host that a client span says it calls; none where it does not say."""
    attributes = getattr(span, "attributes", None) or {}
    for name in _HOSTS:
        if isinstance(attributes.get(name), str):
            return str(attributes[name])
    for name in _URLS:
        if isinstance(attributes.get(name), str):
            return host_of(attributes[name])
    return None


def start_strand(span: trace.Span, propagator: Propagator, arrival: Arrival | None) -> Context:
    """The context of a span that is the first of its trace in this process."""
    ids, parent_id = span.get_span_context(), parent_id_of(span)
    if parent_id is None and arrival is not None:
        parent_id = arrival.parent_id(ids)  # a span that is not recorded does not say it
    kind = _KINDS.get(kind_of(span), "internal")
    came, clock = came_with(ids), arrival.clock if arrival else []
    if arrival is None or parent_id is None:
        came = TraceContext(came.trace_id, came.parent_id, came.flags, came.tracestate)
    if kind != "internal" and parent_id is not None:
        propagator.counters.add("continued")
    elif kind != "internal":
        propagator.dropped("traceparent", "absent")
    if clock and parent_id is None:
        propagator.dropped("clock", "no_traceparent")
        clock = []
    return propagator.of_span(kind, came, span_id_of(ids), parent_id, clock)


__all__ = [
    "ARRIVED",
    "CLOCK_ATTRIBUTE",
    "Arrival",
    "SpanState",
    "came_with",
    "hold",
    "host_in",
    "kind_of",
    "parent_id_of",
    "span_id_of",
    "start_strand",
    "state_of",
    "trace_id_of",
]
