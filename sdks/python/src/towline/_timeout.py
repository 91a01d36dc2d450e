"""How long a caller waits: `towline-timeout` and `grpc-timeout` (edge.md, "Deadlines"; pinned by `carriers.json`)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from towline._errors import RefusedError

TIMEOUT = "towline-timeout"
GRPC_TIMEOUT = "grpc-timeout"

_MILLISECONDS = re.compile("[0-9]{1,8}")
_GRPC = re.compile("([0-9]{1,8})([HMSmun])")
_UNITS = {"H": (3_600_000, 1), "M": (60_000, 1), "S": (1000, 1), "m": (1, 1), "u": (1, 1000), "n": (1, 1_000_000)}
"""A unit's milliseconds, as a fraction."""


def read_timeout(own: Sequence[str], grpc: Sequence[str]) -> int | None:
    """Milliseconds left, rounded down; none where the request has no limit.

    Args:
        own: the values of all fields `towline-timeout`.
        grpc: those of `grpc-timeout`, which count where there are none of ours.

    Raises:
        RefusedError: `malformed`.
    """
    fields = own or grpc
    if not fields:
        return None
    text = fields[0].strip(" \t")
    if len(fields) == 1:
        if own and _MILLISECONDS.fullmatch(text) and int(text):
            return int(text)
        match = None if own else _GRPC.fullmatch(text)
        if match:
            times, divisor = _UNITS[match[2]]
            return int(match[1]) * times // divisor
    raise RefusedError("malformed", "the time that is left cannot be read")
