"""What the middleware writes on a response (strand-clocks.md, "Answer"; trace-context.md, "Out")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from towline._clock import Clock
from towline._context import CLOCK, Context
from towline._errors import ClockError
from towline._observer import Outcome
from towline._probe import HOPS


@dataclass(slots=True)
class Head:
    """What matters of a response's head."""

    status: int
    sized: bool = False
    """Is the length of the body known?"""
    shared: bool = False
    """May a shared cache keep it?"""
    has_clock: bool = False
    """Did the application set a clock (a proxy that passes on what it got)? It is not its caller's."""

    @classmethod
    def read(cls, status: int, fields: Iterable[tuple[str, str]]) -> Head:
        """Looks at a response's fields; names in any case."""
        head = cls(status, sized=status in (204, 304), shared=status == 304)
        for name, value in fields:
            name = name.lower()
            if name == "content-length":
                head.sized = True
            elif name == "cache-control":
                head.shared = head.shared or _is_shared(value)
            elif name == CLOCK:
                head.has_clock = True
        return head


def _is_shared(cache_control: str) -> bool:
    names = {directive.partition("=")[0].strip().lower() for directive in cache_control.split(",")}
    return "public" in names or "s-maxage" in names


def outcome_of(context: Context, status: int) -> Outcome:
    """How a strand ends that answers with this status."""
    if context.caller_gone():
        return "cancelled"
    return "error" if status >= 500 else "ok"


def answer_fields(context: Context, head: Head) -> list[tuple[str, str]]:
    """The fields to add to a response. The strand ends here if the length of the body is known."""
    if context.pending is not None:
        context.settle()
    clock = context.end(outcome_of(context, head.status)) if head.sized else None
    fields = []
    if context.answers and not head.shared:
        fields += clock_fields(context, clock or context.strand.stamp)
    if context.along is not None and context.along.probe is not None and not head.shared:
        record = context.along.probe.record(context)
        fields += [] if record is None else [(HOPS, record)]
    if context.propagator.config.trace_response and not head.shared:
        traceresponse = f"00-{context.trace_id}-{context.span_id}-{context.flags:02x}"
        fields += [("traceresponse", traceresponse), ("server-timing", f"trace;desc={traceresponse}")]
    return fields


def clock_fields(context: Context, clock: Clock) -> list[tuple[str, str]]:
    """The field of a clock: cut where it is too long, none where that is not enough."""
    propagator = context.propagator
    limits = propagator.config.limits
    if not context.strand.exceeds(limits, clock.format()):
        return [(CLOCK, clock.format())]
    try:
        text = clock.cut(limits.header_bytes_max, limits).format()
    except ClockError as error:
        propagator.dropped("send", error.reason)
        return []
    propagator.dropped("send", "cut")
    return [(CLOCK, text)]
