"""One configured instance of Towline: settings, observers, counters (api.md, "The parts": `Towline`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from towline import _b3, _beside
from towline._along import Along
from towline._b3 import read_b3
from towline._baggage import BAGGAGE, read_baggage
from towline._beside import Beside
from towline._call import Call
from towline._carrier import Carrier, values_of
from towline._clock import Clock
from towline._clock_v1 import ClockV1
from towline._config import CONTINUE, Config, Trust, logger
from towline._context import CLOCK, HEADER_NAMES, Context, current
from towline._counters import Counters
from towline._errors import ClockError, RefusedError, TraceContextError
from towline._ids import new_span_id, new_trace_id
from towline._labels import component
from towline._observer import Kind, Observer, Observers
from towline._probe import ASKED, Probe, may_ask
from towline._strand import Strand
from towline._timeout import GRPC_TIMEOUT, TIMEOUT, read_timeout
from towline._trace_context import RANDOM, SAMPLED, TraceContext

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
        self.started = time.monotonic()
        """When it was made, in seconds of the monotonic clock."""
        self._hosts_logged: set[str] = set()
        config = self.config
        self.b3 = "b3" in config.propagators or "b3multi" in config.propagators
        """Is B3 read and sent?"""
        self.reads = _names_read(config)
        """The header fields that are read of a request beside those in `HEADER_NAMES`, by lower-case name."""
        self.environ_names = tuple(("HTTP_" + name.upper().replace("-", "_"), name) for name in self.reads)
        """The same, with the keys of WSGI."""
        self.header_names = {name.encode(): name for name in (*HEADER_NAMES, *self.reads)}
        """All that is read, with the names of ASGI."""
        if config.disabled:
            logger.info("towline is disabled: nothing is read or sent")
            return
        sent = [*HEADER_NAMES[: 2 if config.clock == "off" else 3], *_names_sent(config)]
        logger.info(
            "towline: extracts %s; injects %s; service %s, instance %s, clock %s",
            ", ".join([*HEADER_NAMES, *self.reads]),
            ", ".join(sent),
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
        more: Mapping[str, Sequence[str]] | None = None,
    ) -> Context:
        """The context of a request: a new span, and a strand that starts. For servers that have no middleware.

        Nothing that came can fail: what is refused is dropped and counted.

        Args:
            traceparent: the values of all fields of that name, as received.
            tracestate: the same for `tracestate`.
            clock: the same for `raceway-clock`.
            peer: the caller's address, for `trust` and probes.
            more: the same for the names in `reads`, by name; others are not looked at.
        """
        return self._serve("server", traceparent, tracestate, clock, peer, more)

    def receive_message(self, carrier: Carrier | None) -> Context:
        """The context of a message that came, for its handling: `with` makes it current and ends it.

        Args:
            carrier: its headers.
        """
        if self.config.disabled:
            return self.new_trace("consumer")
        context = self._serve(
            "consumer",
            values_of(carrier, "traceparent"),
            values_of(carrier, "tracestate"),
            values_of(carrier, CLOCK),
            "",
            self._carried(carrier),
        )
        context.answers = False
        return context

    def receive_batch(self, carriers: Iterable[Carrier | None]) -> Context:
        """One context for messages that are handled together: a new trace, with a link to each that has one.

        Args:
            carriers: their headers.
        """
        links = []
        for carrier in () if self.config.disabled else carriers:
            traceparent, tracestate = values_of(carrier, "traceparent"), values_of(carrier, "tracestate")
            came = self._arrived(traceparent, tracestate, (), "", self._carried(carrier))
            if isinstance(came, TraceContext):
                links.append(came)
                self.counters.add("continued")
        context = self._first("consumer", new_span_id())
        context.along = Along()
        context.along.links = tuple(links)
        return context.begin()

    def _carried(self, carrier: Carrier | None) -> dict[str, list[str]]:
        """What is read of a message beside the three. Nothing answers a probe there."""
        return {name: values for name in self.reads if name != ASKED and (values := values_of(carrier, name))}

    def _serve(
        self,
        kind: Kind,
        traceparent: Sequence[str],
        tracestate: Sequence[str],
        clock: Sequence[str],
        peer: str,
        more: Mapping[str, Sequence[str]] | None,
    ) -> Context:
        beside = _beside.installed if kind == "server" else None
        if beside is not None:
            context = self._served_beside(beside, traceparent, peer, more)
            if context is not None:
                return context
        came = self._arrived(traceparent, tracestate, clock, peer, more)
        span_id = new_span_id()
        if isinstance(came, TraceContext):
            usable = clock if traceparent else ()  # where the trace goes on by B3, no clock is read
            strand, answers, vector, said = self._start(f"{self.component}/{span_id[8:]}", came, usable)
            if clock and not usable:
                said = "no_traceparent"
            context = Context(self, came.trace_id, span_id, came.parent_id, came.flags, came.tracestate, kind, strand)
            context.answers = answers and self.config.clock != "off"
            context.vector = vector
            if more:
                self._take_along(context, more, peer, came.parent_id, None, said)
            if beside is not None:
                context.pending = ("continued",)
                return context
            return context.begin("continued")
        context = self._first(kind, span_id, came.sampled)
        if came.link is not None:
            context.along = Along()
            context.along.links = (came.link,)
        if more:
            said = "first" if not clock else "no_traceparent" if came.reason != "untrusted" else "untrusted"
            self._take_along(context, more, peer, came.parent_id, came.reason, said)
        if beside is not None:
            context.pending = ()
            return context
        return context.begin()

    def of_span(
        self,
        kind: Kind,
        came: TraceContext,
        span_id: str,
        parent_id: str | None,
        clock: Sequence[str] = (),
    ) -> Context:
        """The context of a span that another library has made; its strand starts.

        Args:
            kind: of the span.
            came: the trace, with what its `tracestate` holds.
            span_id: of the span, 16 hex digits.
            parent_id: its parent, or none.
            clock: the values of all `raceway-clock` fields, where it is a request's.
        """
        strand, answers, vector, _ = self._start(f"{self.component}/{span_id[8:]}", came, clock)
        context = Context(self, came.trace_id, span_id, parent_id, came.flags, came.tracestate, kind, strand)
        context.answers = answers and self.config.clock != "off"
        context.vector = vector
        return context.begin()

    def _served_beside(
        self, beside: Beside, traceparent: Sequence[str], peer: str, more: Mapping[str, Sequence[str]] | None
    ) -> Context | None:
        """The context that OpenTelemetry's server span around this one has already: it has read the three."""
        context = beside.server_context(traceparent)
        if context is not None and more:
            said = "continued" if context.answers else "member" if context.stamp().hops[-1].gap else "first"
            restarted = "absent" if context.parent_id is None else None
            self._take_along(context, more, peer, context.parent_id, restarted, said)
        return context

    def _take_along(
        self,
        context: Context,
        more: Mapping[str, Sequence[str]],
        peer: str,
        parent_id: str | None,
        restarted: str | None,
        clock: str,
    ) -> None:
        """Reads what came beside the three."""
        along = context.along or Along()
        config = self.config
        if BAGGAGE in more and restarted is None:
            try:
                along.baggage = read_baggage(more[BAGGAGE])
            except RefusedError as error:
                self.dropped("baggage", error.reason)
        if config.deadlines:
            try:
                left = read_timeout(more.get(TIMEOUT, ()), more.get(GRPC_TIMEOUT, ()))
                along.deadline = None if left is None else time.monotonic() + left / 1000
            except RefusedError as error:
                self.dropped("timeout", error.reason)
        if ASKED in more and may_ask(config.probe, more[ASKED], peer):
            along.probe = Probe(more[ASKED][0].strip(" \t"), parent_id, restarted, clock)
        if along.baggage or along.deadline is not None or along.probe or along.links:
            context.along = along

    def new_trace(self, kind: Kind = "internal") -> Context:
        """A context that begins a trace: for a job, a timer, the start of a program.

        Args:
            kind: what its strand is called for observers.
        """
        return self._first(kind, new_span_id()).begin()

    def call(self, host: str, *, resend_count: int = 0, method: str = "HTTP") -> Call:
        """Begins one attempt of a call from the current context; where there is none, of a new trace of its own.

        Args:
            host: to which it goes, without a port.
            resend_count: how many attempts went before it for the same request.
            method: as for `Context.call`.
        """
        context = current()
        if context is None and _beside.installed is not None:
            context = _beside.installed.context(self)
        if context is not None:
            return context.call(host, propagator=self, resend_count=resend_count, method=method)
        self.dropped("context", "none")
        call = self.new_trace("client").call(host, resend_count=resend_count, method=method)
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

    def _first(self, kind: Kind, span_id: str, sampled: bool | None = None) -> Context:
        trace_id = new_trace_id()
        flags = RANDOM | (SAMPLED if (self.config.sampled if sampled is None else sampled) else 0)
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

    def _arrived(
        self,
        traceparent: Sequence[str],
        tracestate: Sequence[str],
        clock: Sequence[str],
        peer: str,
        more: Mapping[str, Sequence[str]] | None,
    ) -> TraceContext | _Restart:
        """The context that the trace goes on from, or why a new one begins."""
        try:
            came = TraceContext.read(traceparent, tracestate)
        except TraceContextError as error:
            if clock:
                self.dropped("clock", "no_traceparent")
            other = self._read_b3(more) if more and self.b3 and not traceparent else _Restart(error.reason)
            if isinstance(other, _Restart):
                self.dropped("traceparent", other.reason)
                return other
            came, clock = other, ()
        if came.tracestate_dropped:
            self.dropped("tracestate", came.tracestate_dropped)
        if self.config.trust is None:
            return came
        trust = self._trust(peer)
        had_state = bool(came.tracestate or came.own)
        if trust.action != "continue":
            self.dropped("traceparent", "untrusted")
            if had_state:
                self.dropped("tracestate", "untrusted")
            if clock:
                self.dropped("clock", "untrusted")
            return _Restart("untrusted", None, came if trust.action == "restart" else None, came.parent_id)
        if trust.drop_tracestate and had_state:
            self.dropped("tracestate", "untrusted")
            return TraceContext(came.trace_id, came.parent_id, came.flags)
        return came

    def _read_b3(self, more: Mapping[str, Sequence[str]]) -> TraceContext | _Restart:
        try:
            b3 = read_b3(more)
        except RefusedError as error:
            return _Restart(error.reason)
        if b3 is None or b3.trace_id is None or b3.span_id is None:
            return _Restart("absent", b3 and b3.sampled)
        sampled = self.config.sampled if b3.sampled is None else b3.sampled
        return TraceContext(b3.trace_id, b3.span_id, SAMPLED if sampled else 0)

    def _start(self, head: str, came: TraceContext, clock: Sequence[str]) -> tuple[Strand, bool, ClockV1 | None, str]:
        """The strand of a request, whether its clock was accepted as v2, its v1 clock, and what became of it."""
        limits = self.config.limits
        what = "clock"
        try:
            if len(clock) > 1:
                raise ClockError("duplicate", "more than one clock")
            if clock and clock[0].lstrip(" \t").startswith("v1;"):
                vector = ClockV1.read(clock[0], came.trace_id, limits.header_bytes_max)
                return Strand.first(head, came.trace_id), False, vector, "continued"
            if clock:
                strand = Strand.after(head, Clock.parse(clock[0], came.trace_id, limits), False)
                return strand, True, None, "continued"
            if came.own is not None:
                what = "member"
                strand = Strand.after(head, Clock.from_tracestate(came.own, came.trace_id, limits), True)
                return strand, False, None, "member"
        except RefusedError as error:
            self.dropped(what, error.reason)
            return Strand.first(head, came.trace_id), False, None, error.reason
        return Strand.first(head, came.trace_id), False, None, "first"


def _names_read(config: Config) -> tuple[str, ...]:
    return (
        *([BAGGAGE] if BAGGAGE in config.propagators else []),
        *(_b3.NAMES if "b3" in config.propagators or "b3multi" in config.propagators else []),
        *([TIMEOUT, GRPC_TIMEOUT] if config.deadlines else []),
        *([ASKED] if config.probe != "off" else []),
    )


def _names_sent(config: Config) -> tuple[str, ...]:
    return (
        *([BAGGAGE] if BAGGAGE in config.propagators else []),
        *(word for word in ("b3", "b3multi") if word in config.propagators),
        *([TIMEOUT] if config.deadlines else []),
    )


class _Restart(NamedTuple):
    """Why a new trace begins, whether it is sampled where that was said, and what was received all the same."""

    reason: str
    sampled: bool | None = None
    link: TraceContext | None = None
    parent_id: str | None = None


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
