"""Random ids. The generator is our own, so that an application's `random.seed` does not repeat them, and is seeded
anew in a forked worker process, so that two workers do not give out the same ones."""

from __future__ import annotations

import os
from random import Random

_random = Random()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def new_span_id() -> str:
    """16 hex digits, not all zero."""
    return f"{_random.getrandbits(64) or 1:016x}"


def new_trace_id() -> str:
    """32 hex digits, not all zero, all of them random (W3C Trace Context Level 2, "Random Trace ID Flag")."""
    return f"{_random.getrandbits(128) or 1:032x}"
