"""`traceparent` and `tracestate`, read strictly (trace-context.md; pinned by `trace-context.json`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from towline._errors import TraceContextError

OWN_KEY = "towline"
MEMBERS_MAX = 32
CHARACTERS_MAX = 512
"""Of a list that our member may be added to."""

SAMPLED = 1
RANDOM = 2

_VERSION_00 = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_LATER_VERSION = re.compile(r"(?!00|ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_MEMBER = re.compile(
    r"([a-z0-9][a-z0-9_\-*/@]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)
_ZERO_TRACE = "0" * 32
_ZERO_SPAN = "0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """What `traceparent` and `tracestate` said. Immutable.

    Example:
        >>> came = TraceContext.read(["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"], ["a=1", "b=2"])
        >>> came.trace_id, came.parent_id, came.sampled, came.tracestate
        ('0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331', True, 'a=1,b=2')
    """

    trace_id: str
    """32 lower-case hex digits, not all zero."""
    parent_id: str
    """16 lower-case hex digits, not all zero: the caller's client span."""
    flags: int
    """Sampled (1) and random (2) as they came; other bits are dropped."""
    tracestate: str = ""
    """The members of others, comma-separated, byte for byte and in order; empty where there are none."""
    own: str | None = None
    """The value of our own member, which is not in `tracestate`."""
    tracestate_dropped: str | None = None
    """Why the list was dropped whole: `malformed` or `too_many_members`."""

    @property
    def sampled(self) -> bool:
        """The sampled flag."""
        return bool(self.flags & SAMPLED)

    @classmethod
    def read(cls, traceparent: Sequence[str], tracestate: Sequence[str] = ()) -> TraceContext:
        """Reads header fields.

        Args:
            traceparent: the values of all fields of that name, as received.
            tracestate: the same for `tracestate`, in order.

        Raises:
            TraceContextError: the trace begins anew; its `reason` is `absent`, `duplicate`, `malformed` or `zero_id`.
        """
        if not traceparent:
            raise TraceContextError("absent", "no traceparent")
        if len(traceparent) > 1 or "," in traceparent[0]:
            raise TraceContextError("duplicate", "more than one traceparent")
        text = traceparent[0].strip(" \t")
        match = _VERSION_00.fullmatch(text) or _LATER_VERSION.fullmatch(text)
        if not match:
            raise TraceContextError("malformed", "traceparent is malformed")
        trace_id, parent_id, flags = match.groups()
        if trace_id == _ZERO_TRACE or parent_id == _ZERO_SPAN:
            raise TraceContextError("zero_id", "an id is all zero")
        known_flags = int(flags, 16) & (SAMPLED | RANDOM)
        if not tracestate:
            return cls(trace_id, parent_id, known_flags)
        return cls(trace_id, parent_id, known_flags, *_read_tracestate(tracestate))

    def traceparent(self) -> str:
        """The header's value, in version 00."""
        return f"00-{self.trace_id}-{self.parent_id}-{self.flags:02x}"


def _read_tracestate(values: Sequence[str]) -> tuple[str, str | None, str | None]:
    members: list[str] = []
    own, count = None, 0
    for part in ",".join(values).split(","):
        member = part.strip(" \t")
        if not member:
            continue
        match = _MEMBER.fullmatch(member)
        if not match:
            return "", None, "malformed"
        count += 1
        if match[1] != OWN_KEY:
            members.append(member)
        elif own is None:
            own = match[2]
    if count > MEMBERS_MAX:
        return "", None, "too_many_members"
    return ",".join(members), own, None


def write_tracestate(others: str, own: str | None) -> str:
    """The list to send, ours first where it fits beside the others, the others always; empty: no header."""
    if own is None or len(own) > 256:
        return others
    if not others:
        return f"{OWN_KEY}={own}"
    listed = f"{OWN_KEY}={own},{others}"
    return listed if len(listed) <= CHARACTERS_MAX and others.count(",") + 2 <= MEMBERS_MAX else others
