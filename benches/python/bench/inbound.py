"""The headers of 512 different requests: a repeated one would flatter parsers that remember."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from towline import Clock, Strand
from towline._ids import new_span_id

SETS = 512
SERVICES = ("gateway", "shop", "stock", "payment", "mail", "search", "price", "auth")


class Inbound(NamedTuple):
    """What one request carries."""

    trace_id: str
    parent_id: str
    clock: Clock | None
    fields: list[tuple[str, str]]


def inbound(hops: int) -> list[Inbound]:
    """Requests with `traceparent` alone (0 hops), or with all that Towline's clients send.

    Each hop has up to three events before it calls on, and one in four a call in flight beside it.
    """
    random = Random(20261121 + hops)
    return [_one(random, hops) for _ in range(SETS)]


def _one(random: Random, hops: int) -> Inbound:
    trace_id, parent_id = f"{random.getrandbits(128):032x}", f"{random.getrandbits(64):016x}"
    fields = [("traceparent", f"00-{trace_id}-{parent_id}-03")]
    clock: Clock | None = None
    for _ in range(hops):
        service, instance = random.choice(SERVICES), f"{random.getrandbits(32):08x}"
        strand = Strand.start(service, instance, random.getrandbits(32), sender=clock, trace_id=trace_id)
        for _ in range(random.randrange(4)):
            strand.event()
        if random.random() < 0.25:
            strand.send()
        clock = Clock.parse(strand.send().format())  # as it comes, which the next hop starts from faster
    if clock is not None:
        member = clock.to_tracestate()
        if member is not None:
            fields.append(("tracestate", f"towline={member}"))
        fields.append(("raceway-clock", clock.format()))
    return Inbound(trace_id, parent_id, clock, fields)


def answer(sent: str, nonce: str) -> str:
    """The clock that a callee answers with: it started, and ended."""
    return f"{sent[: sent.rindex(';x=')]}, callee#1/{nonce}:2;e"


NONCES = [new_span_id()[8:] for _ in range(SETS)]
