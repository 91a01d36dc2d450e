"""The place of running code in its trace, and the attempts of calls that it makes (api.md, "The parts")."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from towline import _beside
from towline._along import Along
from towline._baggage import read_members
from towline._beside import ClientSpan
from towline._call import Call
from towline._cancelled import Cancelled
from towline._carrier import MutableCarrier, write_fields
from towline._clock import Clock
from towline._clock_v1 import ClockV1
from towline._errors import ClockError, StrandEndedError
from towline._ids import new_span_id
from towline._observer import Kind, Outcome, StrandEvent
from towline._reader import DEFAULT_LIMITS, NO_LIMITS, Limits
from towline._strand import Sent, Strand
from towline._trace_context import TraceContext

if TYPE_CHECKING:
    from towline._propagator import Propagator

CLOCK = "raceway-clock"
HEADER_NAMES = ("traceparent", "tracestate", CLOCK)
"""The header fields that are always ours to write."""

_current: ContextVar[Context | None] = ContextVar("towline_context", default=None)
_rare = threading.Lock()  # for what happens at most a few times in a request


def current() -> Context | None:
    """The current context, or none."""
    context = _current.get()
    if context is not None and context.pending is not None:
        context.settle()
    return context


def unsettled() -> Context | None:
    """The current context, or none, whether or not it has its ids for good."""
    return _current.get()


def set_current(context: Context | None) -> Context | None:
    """Makes a context current and gives the one that was, to be set again.

    A context is held by value, never by a token: a token cannot be given back in another task or generator.
    """
    before = _current.get()
    _current.set(context)
    return before


class Exchange(Protocol):
    """A request that a server is answering, which can be watched for its caller's going."""

    def watch(self) -> Cancelled:
        """Starts to watch; gives what will tell."""


class Context:
    """The place of running code in its trace. Middleware makes them; `current()` gives the one that is current.

    It may be shared by threads and tasks. Its acts never fail: after its strand has ended (the answer is out), they
    belong to the work after the answer, which is one new strand (api.md, "After the end").

    Example:
        >>> from towline import Config, Propagator
        >>> context = Propagator(Config(service_name="shop")).new_trace()
        >>> call = context.call("db.internal")
        >>> sorted(call.headers)
        ['raceway-clock', 'traceparent', 'tracestate']
        >>> call.failed()
    """

    _before: Context | None

    __slots__ = (
        "__weakref__",
        "_before",
        "_later",
        "_user",
        "along",
        "answers",
        "caller",
        "flags",
        "kind",
        "parent_id",
        "pending",
        "propagator",
        "span_id",
        "strand",
        "trace_id",
        "tracestate",
        "vector",
    )

    def __init__(
        self,
        propagator: Propagator,
        trace_id: str,
        span_id: str,
        parent_id: str | None,
        flags: int,
        tracestate: str,
        kind: Kind,
        strand: Strand,
    ) -> None:
        self.propagator = propagator
        self.trace_id = trace_id
        """32 hex digits."""
        self.span_id = span_id
        """Of its own span, 16 hex digits."""
        self.parent_id = parent_id
        """Its caller's span; none where the trace began here."""
        self.flags = flags
        """Sampled (1) and random (2)."""
        self.tracestate = tracestate
        """The members of others, comma-separated; empty where there are none."""
        self.kind: Kind = kind
        self.strand = strand
        self.along: Along | None = None
        """What goes along beside the ids; none where nothing does."""
        self.caller: Cancelled | Callable[[], bool] | Exchange | None = None
        """What tells whether the caller has gone, where the server does. Use `cancelled`."""
        self.pending: tuple[str, ...] | None = None
        """What is counted when it begins, where that waits for OpenTelemetry's span of the same request."""
        self.answers = False
        """Does the caller wait for a clock?"""
        self.vector: ClockV1 | None = None
        """The v1 clock that came with the request, and what was sent since; none where v1 is not spoken."""
        self._later: Context | None = None
        self._user: weakref.ref[asyncio.Task[Any]] | None = None

    @property
    def links(self) -> tuple[TraceContext, ...]:
        """The traces that this one is only linked to: what was received where trust said to begin a new one, and the
        messages of a batch."""
        return self.along.links if self.along else ()

    @property
    def baggage(self) -> str:
        """The baggage that came with the request, as it is passed on; empty where there is none."""
        return self.along.baggage if self.along else ""

    def baggage_value(self, key: str) -> str | None:
        """The value of a member of the baggage, percent-decoded; of equal keys the first one counts.

        Args:
            key: as it stands there; case matters.
        """
        return next((value for name, value in read_members(self.baggage) if name == key), None)

    def remaining(self) -> float | None:
        """The milliseconds that are left until the deadline, at least 0; none where there is no deadline."""
        if self.along is None or self.along.deadline is None:
            return None
        return max(0.0, (self.along.deadline - time.monotonic()) * 1000)

    def with_timeout(self, milliseconds: float) -> None:
        """Lowers the deadline; it is never raised. Does nothing where the setting `deadlines` is off.

        Args:
            milliseconds: from now.
        """
        if not self.propagator.config.deadlines:
            return
        along = self.along = self.along or Along()
        deadline = time.monotonic() + milliseconds / 1000
        along.deadline = deadline if along.deadline is None else min(along.deadline, deadline)

    @property
    def cancelled(self) -> Cancelled:
        """Set when the caller has gone before the answer is complete, where the server tells: waitress with
        `channel_request_lookahead`, and ASGI servers. True in a condition."""
        with _rare:
            caller = self.caller
            if not isinstance(caller, Cancelled):
                if caller is None or callable(caller):
                    caller = Cancelled(caller)
                else:
                    caller = caller.watch()
                self.caller = caller
            return caller

    def caller_gone(self) -> bool:
        """Is it known that the caller has gone? For servers: it is not looked for."""
        caller = self.caller
        if caller is None:
            return False
        return caller.is_set() if isinstance(caller, Cancelled) else callable(caller) and caller()

    def begin(self, *also: str) -> Context:
        """Tells that its strand started; gives itself. Once, by who made it, with no lock held.

        Args:
            also: what is counted with it.
        """
        propagator = self.propagator
        propagator.counters.add("strand_start", *also)
        if propagator.observers.strand_start:
            propagator.observers.tell(propagator.observers.strand_start, self._strand_event(self.strand.stamp, None))
        return self

    def settle(self) -> None:
        """Begins after all: before anybody sees its ids or its clock."""
        also, self.pending = self.pending, None
        if also is None:
            return
        if _beside.installed is not None:
            _beside.installed.settle(self)
        self.begin(*also)

    def take_ids(self, trace_id: str, span_id: str, parent_id: str | None, flags: int) -> None:
        """Stands for another library's span from now on; nobody has seen its own ids yet."""
        self.strand.rename(f"{self.propagator.component}/{span_id[8:]}", trace_id)
        self.trace_id, self.span_id, self.parent_id, self.flags = trace_id, span_id, parent_id, flags

    def event(self) -> Clock:
        """A local event: ticks the strand, gives its stamp."""
        self._note_user()
        try:
            return self.strand.event()
        except StrandEndedError:
            return self._after_the_end().event()

    def stamp(self) -> Clock:
        """The strand's clock now, without a tick."""
        if self.pending is not None:
            self.settle()
        return (self._later or self).strand.stamp

    def receive(self, clock: Clock) -> Clock:
        """A message of this trace (from a queue, a callback, a shared store): learns what its sender knew.

        Raises:
            ClockError: the clock is of another trace, or claims what cannot be. Nothing is learned.
        """
        self._note_user()
        try:
            return self.strand.receive(clock)
        except StrandEndedError:
            return self._after_the_end().receive(clock)

    def call(
        self, host: str, *, propagator: Propagator | None = None, resend_count: int = 0, method: str = "HTTP"
    ) -> Call:
        """Begins one attempt of one call, for clients that have no middleware: send its `headers`, then tell how it
        ended.

        Args:
            host: to which it goes, without a port.
            propagator: whose settings count; default: the context's own.
            resend_count: how many attempts went before it for the same request.
            method: of the request, for the name of the span that OpenTelemetry makes of it, where that is there.
        """
        self._note_user()
        span = None
        if _beside.installed is not None:
            call = _beside.installed.current_call(self, host)
            if call is not None:
                return call
            span = _beside.installed.client_span(self, host, method)
        propagator = propagator or self.propagator
        try:
            return Call(self, host, propagator, resend_count, False, span)
        except StrandEndedError:
            return self._after_the_end().attempt(host, propagator, resend_count, span=span)

    def attempt(
        self,
        host: str | None,
        propagator: Propagator,
        resend_count: int = 0,
        *,
        detached: bool = False,
        span: ClientSpan | None = None,
    ) -> Call:
        """What `call` and `send_message` begin; for packages that have client spans of their own.

        Args:
            host: none where it is not known, or a message's.
            propagator: whose settings count.
            resend_count: as for `call`.
            detached: nobody answers.
            span: who keeps its span, where somebody else does.
        """
        try:
            return Call(self, host, propagator, resend_count, detached, span)
        except StrandEndedError:
            later = self._after_the_end()
        return later.attempt(host, propagator, resend_count, detached=detached, span=span)

    def send_message(self, carrier: MutableCarrier) -> str:
        """Writes the trace into the headers of a message, for its receiver: a detached fork. Gives the id of the
        message's own span, of kind `producer`.

        Args:
            carrier: a map or a list of pairs, of texts or bytes, or what has `get` and `set`. Fields of the names in
                `HEADER_NAMES` that are there already are replaced.

        Example:
            >>> from towline import Config, Propagator
            >>> headers = {}
            >>> span_id = Propagator(Config(service_name="shop")).new_trace().send_message(headers)
            >>> sorted(headers)
            ['raceway-clock', 'traceparent', 'tracestate']
        """
        self._note_user()
        call = self.attempt(None, self.propagator, detached=True)
        if not self.propagator.config.disabled:
            write_fields(carrier, call.headers, HEADER_NAMES)
        return call.span_id

    def branch(self, *, detached: bool = False) -> Branch:
        """Forks a child strand with a context of its own. `fork` and `detach` do this for you.

        Args:
            detached: nobody joins it.
        """
        self._note_user()
        try:
            return self._branch(detached)
        except StrandEndedError:
            return self._after_the_end().branch(detached=detached)

    def end(self, outcome: Outcome = "ok") -> Clock | None:
        """Ends the strand and gives its last stamp; none where it had ended before.

        Args:
            outcome: `ok`, `error` or `cancelled`.
        """
        if self.pending is not None:
            self.settle()
        if self.strand.ended:  # middleware ends it wherever it may be over
            return None
        try:
            clock = self.strand.end()
        except StrandEndedError:
            return None
        propagator = self.propagator
        propagator.counters.add("strand_end")
        if outcome == "cancelled" and self.kind == "server":
            propagator.counters.add("cancelled")
        if propagator.observers.strand_end:
            propagator.observers.tell(propagator.observers.strand_end, self._strand_event(clock, outcome))
        return clock

    def _branch(self, detached: bool) -> Branch:
        span_id = new_span_id()
        head = f"{self.propagator.component}/{span_id[8:]}"
        # What a child is told is bounded as if it were sent: thousands of them may be alive.
        sent = self.strand.call(self._fork_limits(), detached=detached)
        if isinstance(sent, ClockError):
            # The child is a first strand, linked to this one by its span alone.
            self.propagator.dropped("send", sent.reason)
            return Branch(self, self._child(span_id, Strand.first(head, self.trace_id), detached).begin(), None)
        if detached or not sent.answer_prefix:
            child = Strand.after(head, sent.clock, False)
        else:
            child = Strand(sent.answer_prefix, head, "", self.strand.depth + 1, sent.forks)
        return Branch(self, self._child(span_id, child, detached).begin(), None if detached else sent)

    def _fork_limits(self) -> Limits:
        """A child may be one level deeper, and must still be able to send."""
        return DEFAULT_LIMITS._replace(levels_max=self.propagator.config.limits.levels_max - 1)

    def _child(self, span_id: str, strand: Strand, detached: bool) -> Context:
        context = Context(
            self.propagator, self.trace_id, span_id, self.span_id, self.flags, self.tracestate, "internal", strand
        )
        context.vector = self.vector
        context.caller = self.caller
        if self.along is not None:
            context.along = self.along.of_child(detached)
        return context

    def _after_the_end(self) -> Context:
        with _rare:
            if self._later is not None:
                return self._later
            span_id = new_span_id()
            head = f"{self.propagator.component}/{span_id[8:]}"
            try:
                limits = self._fork_limits()
                strand = Strand.after(head, self.strand.stamp.cut(limits.header_bytes_max, limits), False)
            except ClockError:
                strand = Strand.first(head, self.trace_id)
            self._later = later = self._child(span_id, strand, detached=True)
        return later.begin()

    def _note_user(self) -> None:
        """Counts a task that uses this strand while another one does."""
        if self.pending is not None:
            self.settle()
        if asyncio._get_running_loop() is None:
            return
        task = asyncio.current_task()
        user = self._user() if self._user else None
        if user is task or task is None:
            return
        if user is not None and not user.done():
            self.propagator.dropped("context", "shared_strand")
        self._user = weakref.ref(task)

    def __enter__(self) -> Context:
        """Makes it current until the end of the block, which ends its strand: for messages, jobs, batches."""
        self._before = set_current(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        set_current(self._before)
        self._before = None
        self.end("ok" if kind is None else "error" if issubclass(kind, Exception) else "cancelled")

    def _strand_event(self, clock: Clock, outcome: Outcome | None) -> StrandEvent:
        config = self.propagator.config
        return StrandEvent(
            self.trace_id,
            self.span_id,
            self.parent_id,
            self.flags,
            self.kind,
            config.service_name,
            config.instance,
            clock,
            outcome,
        )

    def __repr__(self) -> str:
        return f"Context({self.trace_id}, {self.span_id}, {self.stamp()})"


class Branch:
    """A forked strand: run the work with `context` current, then end it, then join it where its result is taken."""

    __slots__ = ("_joined", "_sent", "_stamp", "context", "parent")

    def __init__(self, parent: Context, context: Context, sent: Sent | None) -> None:
        self.parent = parent
        self.context = context
        self._sent = sent
        self._stamp: Clock | None = None
        self._joined = False

    def end(self, outcome: Outcome = "ok") -> None:
        """The work is done."""
        self._stamp = self.context.end(outcome) or self._stamp

    def join(self) -> None:
        """Its result is taken: the parent learns all that it did. Once; nothing for a detached one."""
        with _rare:
            if self._joined or self._sent is None or self._stamp is None:
                return
            self._joined = True
        try:
            self.parent.strand.answer(self._sent, self._stamp.format(), NO_LIMITS)
        except StrandEndedError:
            pass  # after a strand's end, answers change nothing
        except ClockError as error:
            self.parent.propagator.dropped("answer", error.reason)
            self.parent.strand.lost(self._sent.tick)
