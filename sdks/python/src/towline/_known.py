"""What an event knows of a strand, written as what it does not know (strand-clocks.md, "The idea")."""

from __future__ import annotations

from typing import NamedTuple

from towline._ranges import FOREVER, Ranges, union


class Fork(NamedTuple):
    """Where a strand was forked: the tick of its parent (0 for the first strand), and whether anybody waits for it."""

    tick: int
    detached: bool = False


Path = tuple[Fork, ...]


class Known:
    """What is known of one strand: its ticks up to `tick`, and of its forks what the three lists say.

    An attached fork is known completely unless it is in `bare` (nothing is known) or in `open` (something is). A
    detached fork is not known unless it is in `seen`. Inside a `Clock` it is never changed.
    """

    __slots__ = ("bare", "ended", "lossy", "open", "seen", "tick")

    def __init__(self, tick: int = 0, ended: bool = False, lossy: bool = False) -> None:
        self.tick = tick
        self.ended = ended
        self.lossy = lossy
        self.bare = Ranges()
        self.open: dict[int, Known] = {}
        self.seen: dict[int, Known] = {}

    @property
    def complete(self) -> bool:
        """Is everything known: all its ticks and all its attached forks?"""
        return self.ended and not (self.bare.starts or self.open or self.seen or self.lossy)

    @property
    def plain(self) -> bool:
        """Is there nothing to say but its ticks?"""
        return not (self.bare.starts or self.open or self.seen)

    @property
    def knows_to(self) -> int:
        """Forks up to this tick are known of."""
        return FOREVER if self.ended else self.tick

    def child(self, fork: Fork) -> Known | None:
        """What is listed of a fork; None where it is not."""
        if fork.detached:
            return self.seen.get(fork.tick)
        listed = self.open.get(fork.tick)
        if listed is None:
            mark = self.bare.mark(fork.tick)
            return None if mark is None else Known(lossy=mark)
        return listed

    def put(self, fork: Fork, child: Known) -> None:
        """Lists a fork of which something is known."""
        if fork.detached:
            self.seen[fork.tick] = child
        else:
            self.bare.remove(fork.tick)
            self.open[fork.tick] = child

    def take(self, fork: Fork) -> None:
        """Takes a fork out of the lists."""
        if fork.detached:
            self.seen.pop(fork.tick, None)
        elif self.open.pop(fork.tick, None) is None:
            self.bare.remove(fork.tick)

    def copy(self) -> Known:
        """A copy with lists of its own; what is listed is shared."""
        out = Known(self.tick, self.ended, self.lossy)
        out.bare, out.open, out.seen = self.bare.copy(), self.open.copy(), self.seen.copy()
        return out

    def forks_count(self) -> int:
        """How many bare forks are named here and below."""
        count = self.bare.count
        for forks in (self.open, self.seen):
            for child in forks.values():
                count += child.forks_count()
        return count

    def sees(self) -> bool:
        """Is anything known of a detached fork, here or below an attached one?"""
        return bool(self.seen) or any(k.sees() for k in self.open.values())

    def forks_text(self) -> str:
        """The `x` list (strand-clocks.md, "Wire form"); empty where there is nothing to say."""
        parts = self.bare.texts()
        if self.open:
            firsts = self.bare.starts + list(self.open)
            parts += [_fork_text(t, k) for t, k in self.open.items()]
            parts = [part for _, part in sorted(zip(firsts, parts, strict=True))]
        if self.seen:
            parts += ["+" + _fork_text(t, self.seen[t]) for t in sorted(self.seen)]
        return " ".join(parts)


def _fork_text(tick: int, k: Known) -> str:
    inner = "" if k.plain else f"({k.forks_text()})"
    return f"{tick}.{k.tick}{'!' if k.ended else ''}{'~' if k.lossy else ''}{inner}"


def merge(a: Known, b: Known) -> Known:
    """Least upper bound of two knowledges of one strand."""
    out = Known(max(a.tick, b.tick), a.ended or b.ended)
    out.lossy = (a.lossy or b.lossy) and not out.ended
    a_bare, b_bare = _without(a.bare, b.open), _without(b.bare, a.open)
    out.bare = union(a_bare, a.knows_to, b_bare, b.knows_to)
    for tick in a.open.keys() | b.open.keys():
        merged = _attached(tick, a, b)
        if not merged.complete:
            out.open[tick] = merged
    out.seen = {tick: pruned(k) for tick, k in (a.seen | b.seen).items() if (tick in a.seen) != (tick in b.seen)}
    for tick in a.seen.keys() & b.seen.keys():
        out.seen[tick] = merge(a.seen[tick], b.seen[tick])
    return out


def _without(ranges: Ranges, ticks: dict[int, Known]) -> Ranges:
    if not (ticks and ranges):
        return ranges
    out = ranges.copy()
    for tick in ticks:
        out.remove(tick)
    return out


def _attached(tick: int, a: Known, b: Known) -> Known:
    """An attached fork that at least one side lists."""
    x, y = a.child(Fork(tick)), b.child(Fork(tick))
    if x and y:
        return merge(x, y)
    listed, other = (x, b) if x else (y, a)
    assert listed is not None
    # The side that does not list it knows it completely, or not at all.
    return completed(listed) if tick <= other.knows_to else pruned(listed)


def pruned(k: Known) -> Known:
    """A copy without the attached forks that are known completely: a sender's own way lists them."""
    out = Known(k.tick, k.ended, k.lossy)
    out.bare = k.bare.copy()
    out.open = {tick: rest for tick, child in k.open.items() if not (rest := pruned(child)).complete}
    out.seen = {tick: pruned(child) for tick, child in k.seen.items()}
    return out


def completed(k: Known) -> Known:
    """k, now known completely: only what it has seen of detached forks is left to say."""
    out = Known(k.tick, ended=True)
    out.open = {tick: rest for tick, child in k.open.items() if not (rest := completed(child)).complete}
    out.seen = {tick: pruned(child) for tick, child in k.seen.items()}
    return out


def knows(k: Known, path: Path, tick: int) -> bool | None:
    """Is event (path, tick) in what k knows? None: k was cut and cannot tell."""
    for i, fork in enumerate(path):
        maybe = None if k.lossy else False
        if fork.tick > k.knows_to:
            return maybe
        child = k.child(fork)
        if child is None:
            if fork.detached:
                return maybe
            # Known completely, its detached forks not at all.
            return not any(f.detached for f in path[i + 1 :])
        k = child
    if tick <= k.tick or k.ended:
        return True
    return None if k.lossy else False


def claims(k: Known, path: Path) -> int:
    """The highest tick of strand `path` that k lists; 0 where it lists none."""
    for fork in path:
        child = k.child(fork)
        if child is None:
            return 0
        k = child
    return k.tick


def tree(path: Path, spine: list[Known]) -> Known:
    """The first strand's knowledge with each hop's listed in the one above it."""
    node = spine[-1]
    for fork, k in zip(reversed(path), reversed(spine[:-1]), strict=True):
        above = k.copy()
        above.put(fork, node)
        node = above
    return node


def spine_of(root: Known, path: Path) -> list[Known]:
    """The other way round: each hop's knowledge, without the next hop."""
    spine = []
    k = root
    for fork in path:
        child = k.child(fork)
        assert child is not None, "a clock lists its own way"
        above = k.copy()
        above.take(fork)
        spine.append(above)
        k = child
    spine.append(k)
    return spine
