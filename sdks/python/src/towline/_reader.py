"""Reads clocks: a header in, its members checked and taken apart. Everything that a rule forbids is refused whole.

The text comes from strangers. Each member is read by one anchored expression without alternatives that could overlap;
fork lists are read entry by entry; nothing recurses deeper than the limit of levels.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from towline._errors import ClockError
from towline._known import Known
from towline._labels import SAFE, quote, unquote
from towline._ranges import FOREVER

TICK_MAX = 2**31 - 1


class Limits(NamedTuple):
    """How much of a clock is read and written (strand-clocks.md, "Wire form")."""

    header_bytes_max: int = 4096
    levels_max: int = 64
    forks_max: int = 65536


DEFAULT_LIMITS = Limits()
NO_LIMITS = Limits(FOREVER, FOREVER, FOREVER)
"""For our own text, of which only what is sent is bounded."""


class Member(NamedTuple):
    """One hop as it was written, checked."""

    component: str  # service "#" instance, escaped
    nonce: str  # 8 hex digits
    fork: int  # where the next hop was forked; for the last one its own tick
    detached: bool
    gap: bool
    known: Known  # without the next hop


_VERSION = re.compile(r"v2;t=([0-9a-f]{8})")
_MEMBER = re.compile(
    rf"([{SAFE}%]+#[{SAFE}%]*)/([0-9a-f]{{8}}):([1-9][0-9]{{0,9}})"
    r'(?:;f=([1-9][0-9]{0,9}))?(;d)?(;g)?(?:(;e)|(;l))?(?:;x="([0-9.!~()+ \-]+)")?'
)
_ENTRY = re.compile(r"(\+)?([1-9][0-9]{0,9})(?:\.([1-9][0-9]{0,9})([!~]?)(\(?)|(?:-([1-9][0-9]{0,9}))?(~?))")

# Nearly every clock that comes: hops that called on, and a last one that calls. Labels have no escapes and numbers at
# most nine digits, so that none is above TICK_MAX. No two neighbouring parts can match the same character.
_TICK = "[1-9][0-9]{0,8}"
_HOP = rf"[{SAFE}]+#[{SAFE}]*/[0-9a-f]{{8}}:{_TICK}"
_LIST = rf';x="{_TICK}(?: {_TICK})*"'
_CALL = re.compile(rf"v2;t=([0-9a-f]{{8}})(?:, {_HOP}(?:;f={_TICK})?(?:{_LIST})?)*, {_HOP}{_LIST}")
_NUMBERS = re.compile(r':([0-9]+)(?:;f=([0-9]+))?(?:;x="([0-9 ]+)")?')
_END = re.compile(f"{_HOP};e")


class Above(NamedTuple):
    """What a strand that was called has above itself."""

    text: str
    """The caller's clock without this call."""
    depth: int
    forks: int
    """How many bare forks the text names."""


def read_call(header: str, trace: str | None, limits: Limits) -> Above | None:
    """Reads the clock of a call, without taking it apart. None for every clock that is written otherwise, be it good
    or bad: `read_members` decides on that.
    """
    if len(header) > limits.header_bytes_max:
        return None
    match = _CALL.fullmatch(header)
    if not match or (trace is not None and match[1] != trace):
        return None
    hops = _NUMBERS.findall(header)
    forks, ticks = 0, [0]
    for level, (tick, fork, listed) in enumerate(hops, 1):
        if fork and int(fork) >= int(tick):
            return None
        if listed:
            ticks = [int(entry) for entry in listed.split(" ")]
            own_call = int(fork or tick)
            # A list is canonical if it rises, with no neighbours; it does not name the call to the next hop.
            if ticks[-1] > int(tick) or (own_call in ticks) is not (level == len(hops)):
                return None
            if len(ticks) > 1 and any(b - a < 2 for a, b in pairwise(ticks)):
                return None
            forks += len(ticks)
    if len(hops) > limits.levels_max or forks > limits.forks_max:
        return None
    text = header[: header.rindex(" ")] + '"' if len(ticks) > 1 else header[: header.rindex(";")]
    return Above(text, len(hops), forks - 1)


def is_plain_end(member: str) -> bool:
    """Is it a strand's end that says nothing else, as in nearly every answer? If not, it may still be one."""
    return _END.fullmatch(member) is not None


def read_members(header: str, trace: str | None, limits: Limits) -> tuple[list[Member], str, int]:
    """A header's members, its canonical form, and how many bare forks it names.

    Args:
        header: one field's value.
        trace: the last 8 hex digits of the trace id that it must be of; None where it may be of any.
        limits: see `Limits`.

    Raises:
        ClockError: with the reason that is counted.
    """
    if len(header) > limits.header_bytes_max:
        raise ClockError("too_long", f"clock has {len(header)} bytes, the limit is {limits.header_bytes_max}")
    text = header.strip(" \t")
    parts = text.split(", ")
    canonical = text.count(",") == len(parts) - 1 and not ("  " in text or " ," in text or "\t" in text)
    if not canonical:
        parts = [part.strip(" \t") for part in text.split(",")]
    if trace is None or parts[0] != f"v2;t={trace}":
        _check_version(parts[0], trace)
    if len(parts) < 2:
        raise ClockError("malformed", "clock has no strand")
    if len(parts) - 1 > limits.levels_max:
        raise ClockError("over_limits", f"clock has {len(parts) - 1} levels, the limit is {limits.levels_max}")
    forks = _ForkCount(limits)
    members: list[Member] = []
    above = None
    for level in range(1, len(parts)):
        above, plain = _read_member(parts[level], level, level == len(parts) - 1, above, forks)
        members.append(above)
        canonical = canonical and plain
    return members, text if canonical else write_members(parts[0][5:], members), forks.count


def read_last_member(text: str, level: int, forks: int, limits: Limits) -> Member:
    """The last member of a clock whose text above is known to be good.

    Args:
        text: the member alone.
        level: which hop it is; the first is 1.
        forks: how many bare forks the text above names.
        limits: see `Limits`.
    """
    if level > limits.levels_max:
        raise ClockError("over_limits", f"clock has {level} levels, the limit is {limits.levels_max}")
    member, _ = _read_member(text, level, True, None, _ForkCount(limits, forks))
    return member


def _check_version(part: str, trace: str | None) -> None:
    version = _VERSION.fullmatch(part)
    if not version:
        raise ClockError(
            "malformed" if part.startswith("v2;") else "version", "clock is not of version v2, or names no trace"
        )
    if trace is not None and version[1] != trace:
        raise ClockError("other_trace", "clock is of another trace")


def _read_member(part: str, level: int, last: bool, above: Member | None, forks: _ForkCount) -> tuple[Member, bool]:
    """One member, and whether it was written canonically."""
    match = _MEMBER.fullmatch(part)
    if not match:
        # Some servers join the fields of one name by commas.
        raise ClockError("duplicate" if part.startswith("v2;") else "malformed", f"bad member {level}")
    component, nonce, tick_text, fork_text, detached, gap, ended, lossy, listed = match.groups()
    plain = True
    if "%" in component:
        service, _, instance = component.partition("#")
        written = f"{quote(unquote(service)) or '_'}#{quote(unquote(instance))}"
        plain = written == component
        component = written
    known = Known(_tick(tick_text), ended is not None, lossy is not None)
    if listed == tick_text:  # a call that was sent by this event: by far the commonest list
        forks.add(1)
        known.bare.append(known.tick, known.tick, False)
    elif listed is not None:
        plain = _read_forks(listed, known, level, forks) and plain
    if level == 1:
        if detached or gap:
            raise ClockError("malformed", "the first strand has no parent")
    elif above is not None and not above.known.plain:
        listed_above = above.known.seen if detached else above.known.open
        if above.fork in listed_above or (not detached and above.known.bare.mark(above.fork) is not None):
            raise ClockError("malformed", f"fork {above.fork} is listed twice")
    fork = known.tick
    if fork_text is not None:
        fork = _tick(fork_text)
        if last or fork >= known.tick:
            raise ClockError("malformed", f"bad fork of member {level}")
    return Member(component, nonce, fork, detached is not None, gap is not None, known), plain


def _tick(text: str) -> int:
    tick = int(text)
    if tick > TICK_MAX:
        raise ClockError("over_limits", "tick above 2^31-1")
    return tick


class _ForkCount:
    """How many bare forks a header has named so far, and how deep it may nest."""

    __slots__ = ("count", "limits")

    def __init__(self, limits: Limits, count: int = 0) -> None:
        self.limits = limits
        self.count = count

    def add(self, count: int) -> None:
        self.count += count
        if self.count > self.limits.forks_max:
            raise ClockError("over_limits", f"clock names more than {self.limits.forks_max} forks")


def _read_forks(text: str, into: Known, level: int, forks: _ForkCount) -> bool:
    """Reads an `x` list; true if it was written canonically. Levels are kept on a list, not on the call stack."""
    at, plain, last, in_seen = 0, True, 0, False
    above: list[tuple[Known, bool, int]] = []
    while True:
        entry = _ENTRY.match(text, at)
        if not entry:
            raise ClockError("malformed", f"bad fork list at {at}")
        detached = entry[1] is not None
        if detached and not in_seen:
            last, in_seen = 0, True
        tick = _tick(entry[2])
        if detached != in_seen or not last < tick <= into.tick:
            raise ClockError("malformed", f"bad fork list at {at}")
        at = entry.end()
        last = tick
        if entry[3] is None:
            last = _tick(entry[6]) if entry[6] else tick
            if detached or last > into.tick or (entry[6] and last <= tick):
                raise ClockError("malformed", f"bad fork list at {at}")
            forks.add(last - tick + 1)
            plain = not into.bare.append(tick, last, bool(entry[7])) and plain
        else:
            child = Known(_tick(entry[3]), entry[4] == "!", entry[4] == "~")
            (into.seen if detached else into.open)[tick] = child
            if entry[5]:
                if level + len(above) + 1 > forks.limits.levels_max:
                    raise ClockError("over_limits", f"clock has more than {forks.limits.levels_max} levels")
                above.append((into, detached, tick))
                into, last, in_seen = child, 0, False
                continue
            if child.ended and not detached:
                raise ClockError("malformed", f"bad fork list at {at}")  # known completely
        while above and text[at : at + 1] == ")":
            at += 1
            into, in_seen, last = above.pop()
        if at == len(text) and not above:
            return plain
        if text[at : at + 1] != " ":
            raise ClockError("malformed", f"bad fork list at {at}")
        at += 1


def write_members(trace: str, members: list[Member]) -> str:
    """The header's canonical form; `trace` as in `read_members`."""
    out = [f"v2;t={trace}"]
    for i, member in enumerate(members):
        forked = i + 1 < len(members) and member.fork != member.known.tick
        fork = f";f={member.fork}" if forked else ""
        out.append(f"{member.component}/{member.nonce}:{member.known.tick}{fork}{marks(member)}{tail(member.known)}")
    return ", ".join(out)


def marks(member: Member) -> str:
    """How the hop was forked."""
    return (";d" if member.detached else "") + (";g" if member.gap else "")


def tail(known: Known) -> str:
    """The parameters that say what is known of the hop."""
    text = ";e" if known.ended else ";l" if known.lossy else ""
    return text if known.plain else f'{text};x="{known.forks_text()}"'
