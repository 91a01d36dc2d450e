"""Covering calls in flight by lossy ranges, for clocks that are too long (strand-clocks.md, "Too long")."""

from __future__ import annotations

from towline._errors import ClockError
from towline._known import Known
from towline._ranges import Ranges
from towline._reader import Limits, Member


def cover(known: Known, below: list[Member], fork: int, gap_max: int) -> Known:
    """Covers a hop's calls in flight by lossy ranges. The next hop, and calls that bring word of detached forks,
    cannot be covered, nor can a range reach over them."""
    out = Known(known.tick, known.ended, known.lossy)
    out.seen = known.seen
    out.open = {tick: child for tick, child in known.open.items() if child.sees()}
    barriers = set(out.open)
    if below and not below[0].detached:
        barriers.add(fork)
    entries = [(first, last) for first, last, _ in known.bare]
    entries += [(tick, tick) for tick in known.open.keys() | barriers]
    first = end = 0
    for start, last in sorted(entries):
        if start in barriers:
            if first:
                out.bare.append(first, end, True)
            first = 0
        elif not first:
            first, end = start, last
        else:
            if start - end > gap_max:
                raise ClockError("too_long", "calls in flight lie too far apart to be cut")
            end = last
    if first:
        out.bare.append(first, end, True)
    return out


def surely_longer(ranges: Ranges, budget: int) -> bool:
    """Would the text of these ranges be longer, as far as can be told without writing it?"""
    half = len(ranges.starts) // 2
    # Each range takes a blank and at least the digits of its start, and the upper half's are no fewer than its first's.
    return bool(half) and half * (len(str(ranges.starts[half])) + 1) + half * 2 > budget


def cover_own(known: Known, limits: Limits, forks_above: int) -> Known | None:
    """The last hop's knowledge under one lossy range; None where that is not all that is to be done.

    Raises:
        ClockError: `too_long`: even so it names too many forks.
    """
    if known.open or known.seen or not known.bare:
        return None
    first, last = known.bare.starts[0], known.bare.ends[-1]
    if last - first + 1 + forks_above > limits.forks_max:
        raise ClockError("too_long", "calls in flight lie too far apart to be cut")
    out = Known(known.tick, known.ended, known.lossy)
    out.bare.append(first, last, True)
    return out
