"""Telling what happens (api.md, "Observers")."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from towline._clock import Clock

logger = logging.getLogger("towline")

Outcome = Literal["ok", "error", "cancelled", "lost"]
Kind = Literal["server", "internal", "client", "consumer", "producer"]


@dataclass(frozen=True, slots=True)
class StrandEvent:
    """A strand that started, or ended."""

    trace_id: str
    span_id: str
    """The strand's own span."""
    parent_id: str | None
    flags: int
    kind: Kind
    """`client` for the strand that a call without a context begins; `consumer` for that of a message."""
    service: str
    instance: str
    clock: Clock
    outcome: Outcome | None = None
    """At the end: `ok`, `error` or `cancelled`."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """An attempt of a call that left, or ended."""

    trace_id: str
    span_id: str
    """The attempt's client span."""
    parent_id: str
    """The caller's own span."""
    flags: int
    host: str
    clock: Clock | None
    """What was sent, or none; at the end the caller's clock."""
    status: int | None = None
    """Of the response, where one came."""
    outcome: Outcome | None = None
    """At the end: `ok` (answered with a clock), `lost` (without one that can be used), `error`, `cancelled`."""
    kind: Kind = "client"
    """`producer` for a message that was sent; nothing answers that."""
    resend_count: int = 0
    """How many attempts went before this one for the same request, where the client knows that."""


class Observer:
    """Told what happens, in the thread or task where it does. Override what is wanted; keep it short.

    What raises here is logged once and never breaks a request.
    """

    def on_strand_start(self, event: StrandEvent) -> None:
        """A strand started."""

    def on_strand_end(self, event: StrandEvent) -> None:
        """A strand ended."""

    def on_call_sent(self, event: CallEvent) -> None:
        """An attempt left."""

    def on_call_answered(self, event: CallEvent) -> None:
        """An attempt ended."""

    def on_dropped(self, what: str, reason: str) -> None:
        """Something was refused, withheld or cut. The words are listed in api.md, "Observers"."""


class Observers:
    """The observers of one propagator, by what they want to be told: what nobody wants is not even built."""

    __slots__ = ("_warned", "call_answered", "call_sent", "dropped", "strand_end", "strand_start")

    def __init__(self, observers: Iterable[Observer]) -> None:
        listed = list(observers)
        self.strand_start = _wanted(listed, "on_strand_start")
        self.strand_end = _wanted(listed, "on_strand_end")
        self.call_sent = _wanted(listed, "on_call_sent")
        self.call_answered = _wanted(listed, "on_call_answered")
        self.dropped = _wanted(listed, "on_dropped")
        self._warned = False

    def tell(self, listeners: list[Callable[..., Any]], *event: object) -> None:
        """Calls each of them; what they raise stays here."""
        for listener in listeners:
            try:
                listener(*event)
            except Exception:
                if not self._warned:
                    self._warned = True
                    logger.exception("an observer raised; further ones are not logged")


def _wanted(observers: list[Observer], name: str) -> list[Callable[..., Any]]:
    found = [getattr(observer, name, None) for observer in observers]
    return [f for f in found if f is not None and getattr(f, "__func__", None) is not getattr(Observer, name)]
