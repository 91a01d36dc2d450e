"""Calls in flight of which nothing is known, as sorted ranges of ticks.

A header may name 65,536 of them in ten characters, and a service may have 10,000 in flight: ranges are never taken
apart, so memory follows the length of the text that they have.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

FOREVER = 1 << 62
"""Above every tick."""


class Ranges:
    """Sorted, disjoint ranges of fork ticks (both ends inclusive), each with a mark: is it lossy ("~")?

    Adjacent ranges of one mark are always one range, so that the text of a clock is canonical.
    """

    __slots__ = ("count", "ends", "marks", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.marks: list[bool] = []
        self.count = 0  # ticks in all ranges

    def __bool__(self) -> bool:
        return bool(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int, bool]]:
        return zip(self.starts, self.ends, self.marks, strict=True)

    def copy(self) -> Ranges:
        """An independent copy."""
        out = Ranges()
        out.starts, out.ends, out.marks, out.count = self.starts[:], self.ends[:], self.marks[:], self.count
        return out

    def append(self, first: int, last: int, mark: bool) -> bool:
        """Adds a range above all others; true if it became part of the last one."""
        self.count += last - first + 1
        if self.ends and self.ends[-1] == first - 1 and self.marks[-1] is mark:
            self.ends[-1] = last
            return True
        self.starts.append(first)
        self.ends.append(last)
        self.marks.append(mark)
        return False

    def mark(self, tick: int) -> bool | None:
        """Is this fork lossy; None where it is not listed."""
        i = bisect_right(self.starts, tick) - 1
        return self.marks[i] if i >= 0 and self.ends[i] >= tick else None

    def remove(self, tick: int) -> None:
        """Takes one fork out, if it is listed."""
        i = bisect_right(self.starts, tick) - 1
        if i < 0 or self.ends[i] < tick:
            return
        self.count -= 1
        first, last = self.starts[i], self.ends[i]
        if first == last:
            del self.starts[i], self.ends[i], self.marks[i]
        elif tick == first:
            self.starts[i] = tick + 1
        elif tick == last:
            self.ends[i] = tick - 1
        else:
            self.ends[i] = tick - 1
            self.starts.insert(i + 1, tick + 1)
            self.ends.insert(i + 1, last)
            self.marks.insert(i + 1, self.marks[i])

    def mark_lossy(self, tick: int) -> None:
        """Marks one listed fork."""
        if self.mark(tick) is not False:
            return
        self.remove(tick)
        self.count += 1
        i = bisect_right(self.starts, tick)
        self.starts.insert(i, tick)
        self.ends.insert(i, tick)
        self.marks.insert(i, True)
        self._join_right(i)
        if i:
            self._join_right(i - 1)

    def mark_lossy_below(self, tick: int) -> None:
        """Marks every fork below `tick`, which itself is not listed. What has been marked before costs nothing."""
        count = bisect_right(self.starts, tick)
        left = self.marks[:count].count(False)
        for i in range(count - 1, -1, -1):
            if not left:
                return
            if self.marks[i]:
                continue
            left -= 1
            self.marks[i] = True
            self._join_right(i)
            if i:
                self._join_right(i - 1)

    def _join_right(self, i: int) -> None:
        j = i + 1
        if j < len(self.starts) and self.starts[j] == self.ends[i] + 1 and self.marks[j] is self.marks[i]:
            self.ends[i] = self.ends[j]
            del self.starts[j], self.ends[j], self.marks[j]

    def texts(self) -> list[str]:
        """One piece of an `x` list for each range."""
        return [
            f"{first}~"
            if mark and first == last
            else f"{first}-{last}~"
            if mark
            else f"{first}"
            if first == last
            else f"{first}-{last}"
            for first, last, mark in self
        ]


def union(a: Ranges, a_knows: int, b: Ranges, b_knows: int) -> Ranges:
    """The forks that neither side knows. A fork at most `a_knows` that `a` does not list is known to `a`."""
    out = Ranges()
    left, right = iter(a), iter(b)
    x, y = next(left, None), next(right, None)
    while x or y:
        if y is None or (x and x[1] < y[0]):
            assert x is not None
            _append_above(out, x, b_knows)
            x = next(left, None)
        elif x is None or y[1] < x[0]:
            _append_above(out, y, a_knows)
            y = next(right, None)
        elif x[0] < y[0]:
            _append_above(out, (x[0], y[0] - 1, x[2]), b_knows)
            x = (y[0], x[1], x[2])
        elif y[0] < x[0]:
            _append_above(out, (y[0], x[0] - 1, y[2]), a_knows)
            y = (x[0], y[1], y[2])
        else:
            last = min(x[1], y[1])
            out.append(x[0], last, x[2] or y[2])
            x = (last + 1, x[1], x[2]) if x[1] > last else next(left, None)
            y = (last + 1, y[1], y[2]) if y[1] > last else next(right, None)
    return out


def _append_above(out: Ranges, part: tuple[int, int, bool], known: int) -> None:
    first = max(part[0], known + 1)
    if first <= part[1]:
        out.append(first, part[1], part[2])
