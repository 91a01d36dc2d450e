"""One configured instance of Towline: settings, observers, counters (api.md, "The parts": `Towline`)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from towline._clock import Clock
from towline._clock_v1 import ClockV1
from towline._config import CONTINUE, Config, Trust, logger
from towline._context import Call, Context, current
from towline._errors import ClockError, RefusedError, TraceContextError
from towline._ids import new_span_id, new_trace_id
from towline._labels import component
from towline._observer import Counters, Kind, Observer, Observers
from towline._strand import Strand
from towline._trace_context import RANDOM, SAMPLED, TraceContext

HEADER_NAMES = ("traceparent", "tracestate", "raceway-clock")
"""The header fields that are ours to write."""

_HOSTS_LOGGED_MAX = 1024


class Propagator:
    """Settings, observers and counters, and what makes contexts of them. Give it to the middleware; where none is
    given, they use `default()`.

    Args:
        config: the settings; default: those of the environment.
        observers: told what happens, besides the counters.

    Example:
        >>> propagator = Propagator(Config(service_name="shop", propagate_to=["example.com"]))
        >>> propagator.counters["strand_start"]
        0
    """

    def __init__(self, config: Config | None = None, observers: Iterable[Observer] = ()) -> None:
        self.config = config or Config()
        self.counters = Counters()
        self.observers = Observers(observers)
        self.component = component(self.config.service_name, self.config.instance)
        self._hosts_logged: set[str] = set()
        config = self.config
        if config.disabled:
            logger.info("towline is disabled: nothing is read or sent")
            return
        logger.info(
            "towline: extracts traceparent, tracestate, raceway-clock; injects traceparent, tracestate%s; "
            "service %s, instance %s, clock %s",
            "" if config.clock == "off" else ", raceway-clock",
            config.service_name,
            config.instance,
            config.clock,
        )

    def serves(self, method: str, path: str) -> bool:
        """Is a request to be served, or left alone?

        Args:
            method: in capitals.
            path: without the query.
        """
        config = self.config
        if config.filter is None or config.disabled:
            return not config.disabled
        try:
            return config.filter(method, path)
        except Exception:
            logger.exception("the filter raised; the request is served")
            return True

    def serve(
        self,
        traceparent: Sequence[str],
        tracestate: Sequence[str] = (),
        clock: Sequence[str] = (),
        *,
        peer: str = "",
    ) -> Context:
        """The context of a request: a new span, and a strand that starts. For servers that have no middleware.

        Nothing that came can fail: what is refused is dropped and counted.

        Args:
            traceparent: the values of all fields of that name, as received.
            tracestate: the same for `tracestate`.
            clock: the same for `raceway-clock`.
            peer: the caller's address, for `trust`.
        """
        trust = self._trust(peer)
        came, link = self._read_trace(traceparent, tracestate, trust, clock)
        span_id = new_span_id()
        head = f"{self.component}/{span_id[8:]}"
        if came is None:
            context = self._first("server", span_id)
            context.link = link
            return context.begin()
        strand, answers, vector = self._start(head, came, clock)
        context = Context(self, came.trace_id, span_id, came.parent_id, came.flags, came.tracestate, "server", strand)
        context.answers = answers and self.config.clock != "off"
        context.vector = vector
        return context.begin()

    def new_trace(self, kind: Kind = "internal") -> Context:
        """A context that begins a trace: for a job, a timer, the start of a program.

        Args:
            kind: what its strand is called for observers.
        """
        return self._first(kind, new_span_id()).begin()

    def call(self, host: str) -> Call:
        """Begins one attempt of a call from the current context; where there is none, of a new trace of its own.

        Args:
            host: to which it goes, without a port.
        """
        context = current()
        if context is not None:
            return context.call(host, propagator=self)
        self.dropped("context", "none")
        call = self.new_trace("client").call(host)
        call._begun_here = True
        return call

    def dropped(self, what: str, reason: str) -> None:
        """Counts something that was refused, withheld or cut, and tells the observers."""
        self.counters.add(f"{what}/{reason}")
        if self.observers.dropped:
            self.observers.tell(self.observers.dropped, what, reason)

    def withheld(self, host: str) -> None:
        """A clock was not sent to a host that is not on the list."""
        self.dropped("send", "withheld")
        if host not in self._hosts_logged and len(self._hosts_logged) < _HOSTS_LOGGED_MAX:
            self._hosts_logged.add(host)
            logger.info("towline: clocks are withheld from %s, which is not on the list propagate_to", host)

    def _first(self, kind: Kind, span_id: str) -> Context:
        trace_id = new_trace_id()
        flags = RANDOM | (SAMPLED if self.config.sampled else 0)
        strand = Strand.first(f"{self.component}/{span_id[8:]}", trace_id)
        return Context(self, trace_id, span_id, None, flags, "", kind, strand)

    def _trust(self, peer: str) -> Trust:
        if self.config.trust is None:
            return CONTINUE
        try:
            return self.config.trust(peer)
        except Exception:
            logger.exception("the trust function raised; the peer's trace context is ignored")
            return Trust("ignore")

    def _read_trace(
        self, traceparent: Sequence[str], tracestate: Sequence[str], trust: Trust, clock: Sequence[str]
    ) -> tuple[TraceContext | None, TraceContext | None]:
        """The context that the trace goes on from, and the one that it is only linked to."""
        try:
            came = TraceContext.read(traceparent, tracestate)
        except TraceContextError as error:
            self.dropped("traceparent", error.reason)
            if clock:
                self.dropped("clock", "no_traceparent")
            return None, None
        if came.tracestate_dropped:
            self.dropped("tracestate", came.tracestate_dropped)
        had_state = bool(came.tracestate or came.own)
        if trust.action != "continue":
            self.dropped("traceparent", "untrusted")
            if had_state:
                self.dropped("tracestate", "untrusted")
            if clock:
                self.dropped("clock", "untrusted")
            return None, came if trust.action == "restart" else None
        if trust.drop_tracestate and had_state:
            self.dropped("tracestate", "untrusted")
            return TraceContext(came.trace_id, came.parent_id, came.flags), None
        return came, None

    def _start(self, head: str, came: TraceContext, clock: Sequence[str]) -> tuple[Strand, bool, ClockV1 | None]:
        """The strand of a request, whether its clock was accepted as v2, and its v1 clock."""
        limits = self.config.limits
        what = "clock"
        try:
            if len(clock) > 1:
                raise ClockError("duplicate", "more than one clock")
            if clock and clock[0].lstrip(" \t").startswith("v1;"):
                return (
                    Strand.first(head, came.trace_id),
                    False,
                    ClockV1.read(clock[0], came.trace_id, limits.header_bytes_max),
                )
            if clock:
                return Strand.after(head, Clock.parse(clock[0], came.trace_id, limits), False), True, None
            if came.own is not None:
                what = "member"
                return Strand.after(head, Clock.from_tracestate(came.own, came.trace_id, limits), True), False, None
        except RefusedError as error:
            self.dropped(what, error.reason)
        return Strand.first(head, came.trace_id), False, None


_default: Propagator | None = None
_default_lock = threading.Lock()


def default() -> Propagator:
    """The process's own propagator, made of the environment when it is first needed."""
    global _default
    if _default is None:
        with _default_lock:
            if _default is None:
                _default = Propagator()
    return _default


def in_use(given: Propagator | None) -> Propagator:
    """The propagator of a client: its own, else that of the current context, else the process's."""
    if given is not None:
        return given
    context = current()
    return default() if context is None else context.propagator


def set_default(propagator: Propagator) -> None:
    """Makes this one the process's own: for programs that configure Towline in code and have clients of their own.

    Call it once, before middleware is made.
    """
    global _default
    with _default_lock:
        _default = propagator
