"""Giving calls up when their request's time is over (edge.md, "Deadlines")."""

from __future__ import annotations

import time

from towline._context import current
from towline._propagator import Propagator

EXPIRED = "no time is left for this call: the deadline of its request is over"
SECONDS_MIN = 0.001
"""Less than this is no time at all, and no socket can wait for it."""


def deadline_of(propagator: Propagator) -> float | None:
    """When a call from here has to be given up, in seconds of the monotonic clock; none where it may take forever."""
    if not propagator.config.deadlines:
        return None
    context = current()
    return None if context is None or context.along is None else context.along.deadline


def is_over(deadline: float, propagator: Propagator) -> bool:
    """Is there less than a millisecond left? That is counted: no call is made."""
    if deadline - time.monotonic() >= SECONDS_MIN:
        return False
    propagator.dropped("timeout", "expired")
    return True


def seconds_left(deadline: float, given: float | None = None) -> float:
    """How long to wait, at most as long as the caller of the client wants."""
    left = max(deadline - time.monotonic(), SECONDS_MIN)
    return left if given is None else min(left, given)
