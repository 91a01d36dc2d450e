"""The place of running code in its trace, and the attempts of calls that it makes (api.md, "The parts")."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from towline._clock import Clock
from towline._clock_v1 import ClockV1
from towline._errors import ClockError, ClockV1Error, StrandEndedError
from towline._ids import new_span_id
from towline._observer import CallEvent, Kind, Outcome, StrandEvent
from towline._reader import DEFAULT_LIMITS, NO_LIMITS, Limits
from towline._strand import Sent, Strand
from towline._trace_context import TraceContext, write_tracestate

if TYPE_CHECKING:
    from towline._propagator import Propagator

_current: ContextVar[Context | None] = ContextVar("towline_context", default=None)
_rare = threading.Lock()  # for what happens at most a few times in a request


def current() -> Context | None:
    """The current context, or none."""
    return _current.get()


def set_current(context: Context | None) -> Context | None:
    """Makes a context current and gives the one that was, to be set again.

    A context is held by value, never by a token: a token cannot be given back in another task or generator.
    """
    before = _current.get()
    _current.set(context)
    return before


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

    __slots__ = (
        "__weakref__",
        "_later",
        "_user",
        "answers",
        "flags",
        "kind",
        "link",
        "parent_id",
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
        self.link: TraceContext | None = None
        """What was received where trust said to begin a new trace."""
        self.answers = False
        """Does the caller wait for a clock?"""
        self.vector: ClockV1 | None = None
        """The v1 clock that came with the request, and what was sent since; none where v1 is not spoken."""
        self._later: Context | None = None
        self._user: weakref.ref[asyncio.Task[Any]] | None = None

    def begin(self) -> Context:
        """Tells that its strand started; gives itself. Once, by who made it, with no lock held."""
        propagator = self.propagator
        propagator.counters.add("strand_start")
        if propagator.observers.strand_start:
            propagator.observers.tell(propagator.observers.strand_start, self._strand_event(self.strand.stamp, None))
        return self

    def event(self) -> Clock:
        """A local event: ticks the strand, gives its stamp."""
        self._note_user()
        try:
            return self.strand.event()
        except StrandEndedError:
            return self._after_the_end().event()

    def stamp(self) -> Clock:
        """The strand's clock now, without a tick."""
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

    def call(self, host: str, *, propagator: Propagator | None = None) -> Call:
        """Begins one attempt of one call, for clients that have no middleware: send its `headers`, then tell how it
        ended.

        Args:
            host: to which it goes, without a port.
            propagator: whose settings count; default: the context's own.
        """
        self._note_user()
        try:
            return Call(self, host, propagator or self.propagator)
        except StrandEndedError:
            return self._after_the_end().call(host, propagator=propagator)

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
        if self.strand.ended:  # middleware ends it wherever it may be over
            return None
        try:
            clock = self.strand.end()
        except StrandEndedError:
            return None
        propagator = self.propagator
        propagator.counters.add("strand_end")
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
            return Branch(self, self._child(span_id, Strand.first(head, self.trace_id)).begin(), None)
        if detached or not sent.answer_prefix:
            child = Strand.after(head, sent.clock, False)
        else:
            child = Strand(sent.answer_prefix, head, "", self.strand.depth + 1, sent.forks)
        return Branch(self, self._child(span_id, child).begin(), None if detached else sent)

    def _fork_limits(self) -> Limits:
        """A child may be one level deeper, and must still be able to send."""
        return DEFAULT_LIMITS._replace(levels_max=self.propagator.config.limits.levels_max - 1)

    def _child(self, span_id: str, strand: Strand) -> Context:
        context = Context(
            self.propagator, self.trace_id, span_id, self.span_id, self.flags, self.tracestate, "internal", strand
        )
        context.vector = self.vector
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
            self._later = later = self._child(span_id, strand)
        return later.begin()

    def _note_user(self) -> None:
        """Counts a task that uses this strand while another one does."""
        if asyncio._get_running_loop() is None:
            return
        task = asyncio.current_task()
        user = self._user() if self._user else None
        if user is task or task is None:
            return
        if user is not None and not user.done():
            self.propagator.dropped("context", "shared_strand")
        self._user = weakref.ref(task)

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


class Call:
    """One attempt of one outgoing call. Send `headers`; then say once how it ended: `answered` or `failed`."""

    __slots__ = ("_begun_here", "_done", "_propagator", "_sent", "_sent_clock", "context", "headers", "host", "span_id")

    def __init__(self, context: Context, host: str, propagator: Propagator) -> None:
        """Use `Context.call`, or `Propagator.call` where there may be no context."""
        self.context = context
        self.host = host
        self.span_id = new_span_id()
        """Of the client span, 16 hex digits: the parent id that is sent."""
        self.headers: dict[str, str] = {}
        """The header fields to send. Fields of the names in `HEADER_NAMES` that are there already must go."""
        self._propagator = propagator
        self._begun_here = False
        self._done = False
        self._sent: Sent | None = None
        self._sent_clock: Clock | None = None
        self._write_headers(propagator)
        propagator.counters.add("call_sent")
        if propagator.observers.call_sent:
            propagator.observers.tell(propagator.observers.call_sent, self._event(self._sent_clock))

    def answered(self, clocks: Sequence[str], status: int | None = None, *, body_follows: bool = False) -> None:
        """An answer came.

        Args:
            clocks: the values of all its `raceway-clock` fields.
            status: its status.
            body_follows: the end of its body will be told by `body_ended`.
        """
        if self._done:
            return
        outcome = self._learn(clocks)
        if outcome == "open" and body_follows:
            return
        if outcome == "open":
            self._lose()
        self._finish("ok" if outcome == "ok" else "lost", status)

    def body_ended(self, status: int | None = None) -> None:
        """The body ended of an answer whose clock was not yet the end's: what came after it cannot be told."""
        if not self._done:
            self._lose()
            self._finish("lost", status)

    def failed(self, *, cancelled: bool = False) -> None:
        """No answer came (refused, reset, timeout, cancelled): the fork stays open.

        Args:
            cancelled: the caller gave up.
        """
        if not self._done:
            self._finish("cancelled" if cancelled else "error", None)

    @property
    def done(self) -> bool:
        """Is it known how it ended?"""
        return self._done

    def _write_headers(self, propagator: Propagator) -> None:
        config, context, host = propagator.config, self.context, self.host
        named = config.traceparent_to.allows(host)
        mode = config.clock
        if mode == "auto":
            mode = "v2" if context.vector is None else "v1"
        member = None
        if mode == "off":
            context.strand.tick()
        elif not (named and config.propagate_to.allows(host)):
            context.strand.tick()
            propagator.withheld(host)
        elif mode == "v2":
            member = self._send_clock(propagator)
        else:
            context.strand.tick()
            self._send_v1(propagator)
        if not named:
            return
        self.headers["traceparent"] = f"00-{context.trace_id}-{self.span_id}-{context.flags:02x}"
        tracestate = context.tracestate
        if member is not None:
            tracestate = write_tracestate(context.tracestate, member)
            if len(tracestate) == len(context.tracestate):
                propagator.dropped("tracestate", "too_long")
        if tracestate:
            self.headers["tracestate"] = tracestate

    def _send_clock(self, propagator: Propagator) -> str | None:
        """Sends the strand's clock; gives our tracestate member, where there is to be one."""
        sent = self.context.strand.call(propagator.config.limits)
        if isinstance(sent, ClockError):
            propagator.dropped("send", sent.reason)
            return None
        if sent.cut:
            propagator.dropped("send", "cut")
        self._sent = sent
        self._sent_clock = sent.clock
        self.headers["raceway-clock"] = sent.clock.format()
        if not propagator.config.tracestate:
            return None
        member = sent.clock.to_tracestate()
        if member is None:
            propagator.dropped("tracestate", "too_long")
        return member

    def _send_v1(self, propagator: Propagator) -> None:
        context, config = self.context, propagator.config
        try:
            with _rare:
                vector = (context.vector or ClockV1()).send(f"{config.service_name}#{config.instance}")
                context.vector = vector
        except ClockV1Error as error:
            propagator.dropped("send", error.reason)
            return
        header = vector.write(
            trace_id=context.trace_id,
            span_id=self.span_id,
            parent_span_id=context.span_id,
            service=config.service_name,
            instance=config.instance,
        )
        if len(header) > config.limits.header_bytes_max:
            propagator.dropped("send", "too_long")
        else:
            self.headers["raceway-clock"] = header

    def _learn(self, clocks: Sequence[str]) -> str:
        """`ok`; `open` where the callee's end is still to come; `lost`."""
        sent, propagator = self._sent, self._propagator
        if sent is None:
            return "lost"
        reason = "duplicate" if clocks else "absent"
        if len(clocks) == 1:
            try:
                return "ok" if self.context.strand.answer(sent, clocks[0], propagator.config.limits) else "open"
            except ClockError as error:
                reason = error.reason
            except StrandEndedError:
                return "ok"  # after a strand's end, answers change nothing
        propagator.dropped("answer", reason)
        self._lose()
        return "lost"

    def _lose(self) -> None:
        if self._sent:
            self.context.strand.lost(self._sent.tick)

    def _finish(self, outcome: Outcome, status: int | None) -> None:
        self._done = True
        propagator = self._propagator
        propagator.counters.add("call_answered")
        if propagator.observers.call_answered:
            event = self._event(self.context.stamp(), status, outcome)
            propagator.observers.tell(propagator.observers.call_answered, event)
        if self._begun_here:
            self.context.end("ok" if outcome in ("ok", "lost") else outcome)

    def _event(self, clock: Clock | None, status: int | None = None, outcome: Outcome | None = None) -> CallEvent:
        context = self.context
        return CallEvent(
            context.trace_id, self.span_id, context.span_id, context.flags, self.host, clock, status, outcome
        )
