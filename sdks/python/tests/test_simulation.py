"""Random programs with a known happens-before (spec/simulate.py), run with this port's strands."""

import random
from typing import Any

import pytest

from spec_files import TRACE_ID, model
from towline import Clock, ClockError, Order, Strand
from towline._reader import write_members

simulate = model("simulate")

reference = model("strand_clock")
PROGRAMS = [(style, seed) for style in ("sp", "async") for seed in range(40)]


class Adapted:
    """This port's strand under the interface that the programs call."""

    def __init__(self, service: str, instance: str, nonce: int, sender: Clock | None = None, trace: int = 0) -> None:
        trace_id = f"{trace:032x}"
        self.strand = Strand.start(service, instance, nonce, sender=sender, trace_id=trace_id)
        self.event, self.end, self.receive = self.strand.event, self.strand.end, self.strand.receive
        self.send = self.strand.send

    @property
    def clock(self) -> Any:
        return Stamp(self.strand.stamp)


class Stamp:
    def __init__(self, clock: Clock) -> None:
        self.copy = lambda: clock


def run(monkeypatch: pytest.MonkeyPatch, style: str, seed: int) -> list[Any]:
    with monkeypatch.context() as patch:
        patch.setattr(simulate, "Strand", Adapted)
        events: list[Any] = simulate.run(seed, style=style)
    return events


@pytest.mark.parametrize(("style", "seed"), PROGRAMS)
def test_stamps_are_those_of_the_model_and_tell_the_true_order(
    monkeypatch: pytest.MonkeyPatch, style: str, seed: int
) -> None:
    events = run(monkeypatch, style, seed)
    assert [e.clock.format() for e in events] == [reference.encode(e.clock) for e in simulate.run(seed, style=style)]
    past = simulate.pasts(events)
    rng = random.Random(seed)
    cuts = [cut(e.clock) for e in events]
    for j, b in enumerate(events):
        assert b.clock.compare(b.clock) is Order.EQUAL
        for i in rng.sample(range(j), min(j, 12)):
            truth = Order.BEFORE if past[j] >> i & 1 else Order.CONCURRENT
            back = Order.AFTER if truth is Order.BEFORE else truth
            assert events[i].clock.compare(b.clock) is truth
            assert b.clock.compare(events[i].clock) is back
            assert cuts[i].compare(cuts[j]) in (truth, Order.UNKNOWN)


def cut(clock: Clock) -> Clock:
    try:
        return clock.cut(max(60, int(len(clock.format()) * 0.7)))
    except ClockError:
        return clock


@pytest.mark.parametrize(("style", "seed"), PROGRAMS)
def test_every_stamp_survives_the_wire(monkeypatch: pytest.MonkeyPatch, style: str, seed: int) -> None:
    for event in run(monkeypatch, style, seed):
        text = event.clock.format()
        assert Clock.parse(text).format() == text
        assert write_members(event.clock.trace, Clock.parse(text).members) == text
        member = event.clock.to_tracestate()
        assert member == reference.to_tracestate(reference.decode(text, 1 << 20))
        if member is not None:
            assert Clock.from_tracestate(member, TRACE_ID).to_tracestate() == member
