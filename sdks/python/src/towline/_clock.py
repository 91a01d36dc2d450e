"""A stamp: which strand an event is of, and what it knows (strand-clocks.md)."""

from __future__ import annotations

import re
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from towline._cut import cover
from towline._errors import ClockError
from towline._known import Fork, Known, Path, knows, tree
from towline._labels import unquote
from towline._reader import (
    DEFAULT_LIMITS,
    NO_LIMITS,
    TICK_MAX,
    Above,
    Limits,
    Member,
    read_call,
    read_members,
    write_members,
)

MEMBER_CHARACTERS_MAX = 256
"""Of the value of our tracestate member."""

_SHORT = re.compile(r"([0-9a-f]{8}:[0-9]+)(?:f([0-9]+))?(d?)(g?)(e?)(l?)(?:x([0-9.!~()+ \-]+))?")


class Order(Enum):
    """How one event stands to another."""

    BEFORE = "before"
    AFTER = "after"
    EQUAL = "equal"
    CONCURRENT = "concurrent"
    UNKNOWN = "unknown"
    """It cannot be told: a clock was cut, an answer brought none, or an unclocked hop lies between. Never a guess."""


class Hop(NamedTuple):
    """One strand on the way from the first strand of the trace to the one that a clock is of."""

    service: str
    """`_` where the name is not known."""
    instance: str
    nonce: int
    """The low 32 bits of the strand's span id."""
    fork: Fork
    """Where the hop above forked it."""
    gap: bool = False
    """Was it reached through a service that carries no clocks?"""


class Clock:
    """A stamp of one event: the value of a `raceway-clock` header. Immutable.

    Read one with `parse`, or get one from `Strand` and `Context`. Two clocks are equal if their text is.

    Example:
        >>> first = Clock.parse('v2;t=1c80319c, web#1/a3f9c21b:2;x="2"')
        >>> second = Clock.parse("v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/77b0e190:1")
        >>> first.compare(second)
        <Order.BEFORE: 'before'>

    Source: strand-clocks.md, "Wire form"; pinned by `clock-codec.json` and `clock-order.json`.
    """

    __slots__ = ("_forks", "_members", "_text", "above")

    def __init__(self, text: str) -> None:
        """For canonical text that is known to be good; use `parse` for any other."""
        self._text = text
        self._members: list[Member] | None = None
        self._forks = 0
        self.above: Above | None = None
        """What a strand has above itself that starts from this call, where reading it told that."""

    @classmethod
    def parse(cls, header: str, trace_id: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Clock:
        """Reads a header's value.

        Args:
            header: at most `limits.header_bytes_max` characters, blanks around it included.
            trace_id: the 32 hex digits of the `traceparent` beside it; None: a clock of any trace is read.
            limits: how much is read.

        Raises:
            ClockError: where any rule is broken; its `reason` is `too_long`, `version`, `other_trace`, `malformed` or
                `over_limits`.
        """
        trace = None if trace_id is None else trace_id[-8:]
        above = read_call(header, trace, limits)
        if above is not None:  # its members are read if they are asked for: 4 µs instead of 11 for four of them
            clock = cls(header)
            clock.above = above
            return clock
        members, text, forks = read_members(header, trace, limits)
        clock = cls(text)
        clock._members, clock._forks = members, forks
        return clock

    def format(self) -> str:
        """The canonical text, for a header."""
        return self._text

    @property
    def members(self) -> list[Member]:
        """The hops as they stand in the text. Not to be changed."""
        if self._members is None:
            self._members, _, self._forks = read_members(self._text, None, NO_LIMITS)
        return self._members

    @property
    def forks_count(self) -> int:
        """How many bare forks it names."""
        self.members  # noqa: B018  # reads them
        return self._forks

    @property
    def trace(self) -> str:
        """The last 8 hex digits of the trace id."""
        return self._text[5:13]

    @property
    def tick(self) -> int:
        """The event's number in its strand; the first is 1."""
        return self.members[-1].known.tick

    @property
    def ended(self) -> bool:
        """Is it the stamp of its strand's end?"""
        return self.members[-1].known.ended

    @property
    def path(self) -> Path:
        """The forks that lead from the first strand to this one."""
        members = self.members
        return tuple(Fork(above.fork, m.detached) for above, m in pairwise(members))

    @property
    def hops(self) -> tuple[Hop, ...]:
        """The strands from the first one to this one."""
        hops = []
        for fork, m in zip((Fork(0), *self.path), self.members, strict=True):
            service, _, instance = m.component.partition("#")
            hops.append(Hop(unquote(service), unquote(instance), int(m.nonce, 16), fork, m.gap))
        return tuple(hops)

    @property
    def known(self) -> Known:
        """What the event knows, as knowledge of the first strand. A new copy at each call."""
        return tree(self.path, [m.known for m in self.members])

    def compare(self, other: Clock) -> Order:
        """How this event stands to another one. Clocks of two traces, or of two first strands, are `UNKNOWN`."""
        mine, others = self.members, other.members
        if self.trace != other.trace or mine[0].nonce != others[0].nonce:
            return Order.UNKNOWN  # two first strands: an unclocked hop lies between
        my_path, other_path = self.path, other.path
        for x, y, x_fork, y_fork in zip(mine[1:], others[1:], my_path, other_path, strict=False):
            if x_fork != y_fork:
                break
            if x.nonce != y.nonce:  # one send, handled twice
                return Order.UNKNOWN if x.gap or y.gap else Order.CONCURRENT
        if my_path == other_path and self.tick == other.tick:
            return Order.EQUAL
        before = knows(other.known, my_path, self.tick)
        after = knows(self.known, other_path, other.tick)
        if before:
            return Order.BEFORE
        if after:
            return Order.AFTER
        return Order.UNKNOWN if before is None or after is None else Order.CONCURRENT

    def cut(self, budget: int = DEFAULT_LIMITS.header_bytes_max, limits: Limits = DEFAULT_LIMITS) -> Clock:
        """This clock in at most `budget` bytes, and with nothing that `limits` refuse.

        The longest lists of calls in flight (deeper hops first where equal) are covered by lossy ranges, so that the
        result claims nothing that this clock does not.

        Raises:
            ClockError: `too_long` or `over_limits` where that is not enough.

        Source: strand-clocks.md, "Too long"; pinned by `clock-cut.json`.
        """
        members = self.members
        if len(members) > limits.levels_max or any(m.known.tick > TICK_MAX for m in members):
            raise ClockError("over_limits", "clock is over the limits of levels or ticks")
        text, forks = self._text, self._forks
        lengths = [len(m.known.forks_text()) for m in members]
        shortest_first = sorted(range(len(members)), key=lengths.__getitem__)
        members = members.copy()
        while len(text) > budget or forks > limits.forks_max:
            if not shortest_first:
                raise ClockError("too_long", f"clock does not fit in {budget} bytes, even when cut")
            i = shortest_first.pop()
            covered = cover(members[i].known, members[i + 1 : i + 2], members[i].fork, limits.forks_max)
            forks += covered.forks_count() - members[i].known.forks_count()
            members[i] = members[i]._replace(known=covered)
            text = write_members(self.trace, members)
        return Clock.parse(text, None, limits._replace(header_bytes_max=budget))

    def to_tracestate(self) -> str | None:
        """The value of the tracestate member `towline`, without labels; None where it is longer than 256 characters.

        Source: strand-clocks.md, "Through services that know only W3C Trace Context"; `clock-tracestate.json`.
        """
        value = "/".join(short_member(part) for part in self._text.split(", ")[1:])
        return value if len(value) <= MEMBER_CHARACTERS_MAX else None

    @classmethod
    def from_tracestate(cls, value: str, trace_id: str, limits: Limits = DEFAULT_LIMITS) -> Clock:
        """The clock of a member's value. Its services have the unknown name, `_`: they are found by nonce.

        Args:
            value: at most 256 characters.
            trace_id: 32 hex digits.
            limits: how much is read.

        Raises:
            ClockError: `malformed` or `over_limits`.
        """
        if len(value) > MEMBER_CHARACTERS_MAX:
            raise ClockError("malformed", f"member has {len(value)} characters, the limit is {MEMBER_CHARACTERS_MAX}")
        parts = [f"v2;t={trace_id[-8:]}"]
        for n, short in enumerate(value.split("/"), 1):
            match = _SHORT.fullmatch(short)
            if not match:
                raise ClockError("malformed", f"bad part {n} of the member")
            head, fork, *flags, listed = match.groups()
            parts.append(
                f"_#/{head}"
                + (f";f={fork}" if fork else "")
                + "".join(f";{flag}" for flag in flags if flag)
                + (f';x="{listed}"' if listed else "")
            )
        return cls.parse(", ".join(parts), trace_id, limits._replace(header_bytes_max=DEFAULT_LIMITS.header_bytes_max))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clock) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Clock({self._text!r})"

    def __str__(self) -> str:
        return self._text


def short_member(member: str) -> str:
    """A member of a header as it stands in our tracestate member."""
    return member[member.index("/") + 1 :].replace(";", "").replace("=", "").replace('"', "")
