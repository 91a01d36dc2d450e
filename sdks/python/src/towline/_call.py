"""The attempts of calls that a context makes (api.md, "Client side")."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from towline._b3 import b3_fields
from towline._baggage import BAGGAGE
from towline._clock import Clock
from towline._clock_v1 import ClockV1
from towline._errors import ClockError, ClockV1Error, StrandEndedError
from towline._hash_labels import digest, hashed
from towline._ids import new_span_id
from towline._observer import CallEvent, Outcome
from towline._probe import ASKED, Probe
from towline._strand import Sent
from towline._timeout import TIMEOUT
from towline._trace_context import SAMPLED, write_tracestate

if TYPE_CHECKING:
    from towline._beside import ClientSpan
    from towline._context import Context
    from towline._propagator import Propagator

_vectors = threading.Lock()


class Call:
    """One attempt of one outgoing call. Send `headers`; then say once how it ended: `answered` or `failed`."""

    __slots__ = (
        "_anywhere",
        "_begun_here",
        "_detached",
        "_done",
        "_propagator",
        "_sent",
        "_sent_clock",
        "_span",
        "authority",
        "context",
        "headers",
        "host",
        "inside",
        "more",
        "probe",
        "resend_count",
        "span_id",
    )

    def __init__(
        self,
        context: Context,
        host: str | None,
        propagator: Propagator,
        resend_count: int,
        detached: bool = False,
        span: ClientSpan | None = None,
    ) -> None:
        """Use `Context.call`, or `Propagator.call` where there may be no context; for a message, which nobody answers
        (`detached`), `Context.send_message`. Where the host is not known, none is withheld anything."""
        self.context = context
        self.host = host or ""
        self.authority = self.host
        """The host with its port, for hop records: a client that knows it says so where there is a `probe`."""
        self.span_id = new_span_id() if span is None else span.span_id
        """Of the client span, 16 hex digits: the parent id that is sent."""
        self.headers: dict[str, str] = {}
        """The header fields to send. Fields of the names in `HEADER_NAMES` that are there already must go."""
        self.more: tuple[str, ...] = ()
        """The names in `headers` that are not in `HEADER_NAMES`. Fields of these names that are there already must go
        too, except for a `baggage` that the application set itself."""
        self.inside = False
        """May the host have clocks and baggage?"""
        self.probe: Probe | None = None
        """Where the request asks for hop records: it wants the `towline-hops` fields of the answer."""
        self.resend_count = resend_count
        self._propagator = propagator
        self._begun_here = False
        self._detached = self._done = detached
        self._anywhere = host is None
        self._span = None if detached else span
        self._sent: Sent | None = None
        self._sent_clock: Clock | None = None
        self._write_headers(propagator)
        if "raceway-clock" in self.headers and not detached:
            propagator.counters.add("call_sent", "sent")
        else:
            propagator.counters.add("call_sent")
        if span is not None:
            span.sent(self.headers.get("raceway-clock"))
        if propagator.observers.call_sent:
            propagator.observers.tell(propagator.observers.call_sent, self._event(self._sent_clock))

    def answered(
        self, clocks: Sequence[str], status: int | None = None, *, body_follows: bool = False, hops: Sequence[str] = ()
    ) -> None:
        """An answer came.

        Args:
            clocks: the values of all its `raceway-clock` fields.
            status: its status.
            body_follows: the end of its body will be told by `body_ended`.
            hops: the values of its `towline-hops` fields, where there is a `probe`.
        """
        if self._done:
            return
        outcome = self._learn(clocks)
        if self.probe is not None:
            self.probe.called(self.authority, self.span_id, status, "joined" if outcome == "ok" else "lost", hops)
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
            if self.probe is not None:
                self.probe.called(self.authority, self.span_id, None, None, ())
            self._finish("cancelled" if cancelled else "error", None)

    @property
    def asks_nothing(self) -> bool:
        """Has a question that is in the request to go? One that its handler copied would lend a stranger the address
        of this service, of which others on the way may let themselves be asked."""
        return self.probe is None and not self._begun_here

    @property
    def done(self) -> bool:
        """Is it known how it ended?"""
        return self._done

    def _write_headers(self, propagator: Propagator) -> None:
        config, context, host, anywhere = propagator.config, self.context, self.host, self._anywhere
        named = anywhere or config.traceparent_to.allows(host)
        self.inside = anywhere or (named and config.propagate_to.allows(host))
        mode = config.clock
        if mode == "auto":
            mode = "v2" if context.vector is None else "v1"
        member = None
        if mode == "off":
            context.strand.tick()
        elif not self.inside:
            context.strand.tick()
            propagator.withheld(host)
        elif mode == "v2":
            member = self._send_clock(propagator)
        else:
            context.strand.tick()
            self._send_v1(propagator)
        if named:
            self.headers["traceparent"] = f"00-{context.trace_id}-{self.span_id}-{context.flags:02x}"
            tracestate = context.tracestate
            if member is not None:
                tracestate = write_tracestate(context.tracestate, member)
                if len(tracestate) == len(context.tracestate):
                    propagator.dropped("tracestate", "too_long")
            if tracestate:
                self.headers["tracestate"] = tracestate
        if (propagator.b3 or context.along is not None) and not self._detached:
            self._write_more(propagator, named)

    def _write_more(self, propagator: Propagator, named: bool) -> None:
        """What goes beside the three: B3, baggage, the time that is left, a probe's question."""
        context, config, more = self.context, propagator.config, dict[str, str]()
        if named:
            more |= b3_fields(config.propagators, context.trace_id, self.span_id, context.flags & SAMPLED)
        if context.baggage and BAGGAGE in config.propagators:
            if self.inside:
                more[BAGGAGE] = context.baggage
            else:
                propagator.dropped("baggage", "withheld")
        remaining = context.remaining()
        if remaining is not None and self.inside:
            more[TIMEOUT] = str(min(max(1, int(remaining)), 99_999_999))
        if context.along is not None and context.along.probe is not None:
            self.probe = context.along.probe
            if self.inside:
                more[ASKED] = self.probe.asked
        self.headers |= more
        self.more = tuple(more)

    def _send_clock(self, propagator: Propagator) -> str | None:
        """Sends the strand's clock; gives our tracestate member, where there is to be one."""
        config = propagator.config
        sent = self.context.strand.call(config.limits, detached=self._detached)
        if isinstance(sent, ClockError):
            propagator.dropped("send", sent.reason)
            return None
        if config.hash_labels and not (self._anywhere or config.internal.allows(self.host)):
            try:
                sent = _without_labels(sent, propagator)
            except ClockError as error:
                self.context.strand.lost(sent.tick)
                propagator.dropped("send", error.reason)
                return None
        if sent.cut:
            propagator.dropped("send", "cut")
        self._sent = sent
        self._sent_clock = sent.clock
        self.headers["raceway-clock"] = sent.clock.format()
        if not config.tracestate:
            return None
        member = sent.clock.to_tracestate()
        if member is None:
            propagator.dropped("tracestate", "too_long")
        return member

    def _send_v1(self, propagator: Propagator) -> None:
        context, config = self.context, propagator.config
        try:
            with _vectors:
                vector = (context.vector or ClockV1()).send(f"{config.service_name}#{config.instance}")
                context.vector = vector
        except ClockV1Error as error:
            propagator.dropped("send", error.reason)
            return
        service, instance = config.service_name, config.instance
        if config.hash_labels and not (self._anywhere or config.internal.allows(self.host)):
            vector = ClockV1({"#".join(map(digest, name.split("#", 1))): n for name, n in vector.vector.items()})
            service, instance = digest(service), digest(instance)
        header = vector.write(
            trace_id=context.trace_id,
            span_id=self.span_id,
            parent_span_id=context.span_id,
            service=service,
            instance=instance,
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
        if outcome == "ok":
            propagator.counters.add("call_answered", "joined")
        else:
            propagator.counters.add("call_answered")
        if propagator.observers.call_answered:
            event = self._event(self.context.stamp(), status, outcome)
            propagator.observers.tell(propagator.observers.call_answered, event)
        span, self._span = self._span, None
        if span is not None:
            span.ended(self.context.stamp().format(), status, outcome)
        if self._begun_here:
            self.context.end("ok" if outcome in ("ok", "lost") else outcome)

    def _event(self, clock: Clock | None, status: int | None = None, outcome: Outcome | None = None) -> CallEvent:
        context = self.context
        return CallEvent(
            context.trace_id,
            self.span_id,
            context.span_id,
            context.flags,
            self.host,
            clock,
            status,
            outcome,
            "producer" if self._detached else "client",
            self.resend_count,
        )


def _without_labels(sent: Sent, propagator: Propagator) -> Sent:
    """The same send, under labels that tell nothing. Digests may be longer than labels.

    Raises:
        ClockError: it does not fit, even when cut.
    """
    limits = propagator.config.limits
    text = hashed(sent.clock.format())
    if len(text) <= limits.header_bytes_max:
        return sent._replace(clock=Clock(text), answer_prefix=sent.answer_prefix and hashed(sent.answer_prefix))
    clock = Clock(text).cut(limits.header_bytes_max, limits)
    return sent._replace(clock=clock, answer_prefix="", cut=True)
