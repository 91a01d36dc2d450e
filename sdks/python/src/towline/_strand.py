"""A running strand (strand-clocks.md, "The idea").

What is above the own hop is kept as the text in which it came, and only the own hop's knowledge as data: a send or a
plain answer then costs the same however deep and however old the request is. The whole tree is built only when a clock
brings news about the hops above.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from towline._clock import Clock
from towline._cut import cover_own, surely_longer
from towline._errors import ClockError, StrandEndedError
from towline._known import Fork, Known, claims, merge, pruned, spine_of, tree
from towline._labels import component
from towline._reader import TICK_MAX, Limits, Member, is_plain_end, marks, read_last_member, tail, write_members

_COMPLETE = Known(1, ended=True)
"""All that is to be known of a callee, if its end says nothing else; its tick does not matter."""


class Sent(NamedTuple):
    """A send: its tick, its stamp, and the text with which a plain answer to it begins."""

    tick: int
    clock: Clock
    answer_prefix: str
    """Empty where it cannot be told beforehand."""
    forks: int
    """How many bare forks the prefix names."""
    cut: bool
    """Does the stamp say less than the strand knows?"""


class Strand:
    """One sequential piece of work. Every act ticks once and gives the event's stamp.

    Make one with `start`. It may be shared by threads: each act is atomic. After `end` it does nothing more, and
    raises `StrandEndedError`; work that goes on is a strand started from the end's stamp.

    Example:
        >>> web = Strand.start("web", "1", 0xA3F9C21B, trace_id="0af7651916cd43dd8448eb211c80319c")
        >>> call = web.send()
        >>> shop = Strand.start("shop", "1", 0x77B0E190, sender=call)
        >>> web.receive(shop.end()).format()
        'v2;t=1c80319c, web#1/a3f9c21b:3'

    Source: `strand_clock.py`; pinned by `clock-scripts.json`.
    """

    __slots__ = ("_above", "_head", "_known", "_lock", "_marks", "depth", "forks_above")

    def __init__(self, above: str, head: str, hop_marks: str, depth: int, forks_above: int) -> None:
        """For middleware; use `start`.

        Args:
            above: the clock's text above the own hop.
            head: `component/nonce`.
            hop_marks: how this hop was forked, as text.
            depth: its level; the first strand's is 1.
            forks_above: how many bare forks `above` names.
        """
        self._above = above
        self._head = head
        self._marks = hop_marks
        self._known = Known(1)
        self._lock = threading.Lock()
        self.depth = depth
        self.forks_above = forks_above

    @classmethod
    def start(
        cls,
        service: str,
        instance: str,
        nonce: int,
        *,
        sender: Clock | None = None,
        gap: bool = False,
        trace_id: str | None = None,
    ) -> Strand:
        """Starts a strand; that is its first tick.

        Args:
            service: any text; control characters are cleaned.
            instance: as `service`.
            nonce: the low 32 bits of the strand's span id.
            sender: the stamp of the send that it starts from; None: it is the first strand of a trace.
            gap: was it reached through a service that carries no clocks?
            trace_id: of a first strand, 32 hex digits.
        """
        head = f"{component(service, instance)}/{nonce:08x}"
        if sender is None:
            return cls.first(head, trace_id or "0" * 32)
        return cls.after(head, sender, gap)

    @classmethod
    def first(cls, head: str, trace_id: str) -> Strand:
        """The first strand of a trace; `head` as in `__init__`."""
        return cls(f"v2;t={trace_id[-8:]}", head, "", 1, 0)

    @classmethod
    def after(cls, head: str, sender: Clock, gap: bool) -> Strand:
        """A strand that starts from the stamp of a send."""
        above = sender.above
        if above is not None:
            return cls(above.text, head, ";g" if gap else "", above.depth + 1, above.forks)
        known = sender.members[-1].known
        tick, text, forks = known.tick, sender.format(), sender.forks_count
        bare = known.bare.mark(tick) is not None
        detached = not bare and tick not in known.open
        if not detached or tick in known.seen:
            text = _without_fork(text, sender, Fork(tick, detached))
        hop_marks = (";d" if detached else "") + (";g" if gap else "")
        return cls(text, head, hop_marks, len(sender.members) + 1, forks - bare)

    @classmethod
    def resume(cls, clock: Clock) -> Strand:
        """The strand that a stamp is of, as it was then: for stores and tests."""
        members = clock.members
        own = members[-1]
        strand = cls("", f"{own.component}/{own.nonce}", marks(own), len(members), 0)
        strand._known = own.known.copy()
        strand._rewrite_above(clock.trace, members)
        return strand

    def rename(self, head: str, trace_id: str) -> None:
        """Another span is its own, and another trace where it is the first strand: before anybody saw its clock.

        Args:
            head: as in `__init__`.
            trace_id: 32 hex digits; that of a strand that is not the first one does not change.
        """
        with self._lock:
            self._head = head
            if self.depth == 1:
                self._above = f"v2;t={trace_id[-8:]}"

    @property
    def ended(self) -> bool:
        """Has it ended?"""
        return self._known.ended

    @property
    def stamp(self) -> Clock:
        """The clock now, without a tick."""
        with self._lock:
            return Clock(self._text())

    def event(self) -> Clock:
        """A local event."""
        with self._lock:
            self._tick()
            return Clock(self._text())

    def tick(self) -> None:
        """A local event whose stamp nobody asks for."""
        with self._lock:
            self._tick()

    def send(self, detached: bool = False) -> Clock:
        """The stamp to put on a call, a message or a spawned task.

        Args:
            detached: nobody waits for the answer.
        """
        with self._lock:
            self._tick()
            if not detached:
                self._known.bare.append(self._known.tick, self._known.tick, False)
            return Clock(self._text())

    def call(self, limits: Limits, *, detached: bool = False) -> Sent | ClockError:
        """A send whose stamp fits into `limits`, cut if need be; where it cannot, a plain event and the reason."""
        with self._lock:
            self._tick()
            known = self._known
            tick = known.tick
            long = surely_longer(known.bare, limits.header_bytes_max)
            prefix = "" if long else self._text()
            plain, forks = known.plain, self.forks_above + known.forks_count()
            if not detached:
                known.bare.append(tick, tick, False)
            if not long:
                text = prefix if detached else f'{prefix};x="{tick}"' if plain else self._text()
                if not self.exceeds(limits, text):
                    return Sent(tick, Clock(text), prefix, forks, False)
            try:
                return self._cut(limits)
            except ClockError as error:
                known.bare.remove(tick)
                return error

    def _cut(self, limits: Limits) -> Sent:
        """A send whose stamp does not fit. Where the own calls in flight are what is too long, they are covered
        without writing them out: a strand may have thousands that are never answered."""
        known = self._known
        tick = known.tick
        # Its list is the longest, and so the first to be covered, if it is longer than all that is above.
        if self.depth <= limits.levels_max and tick <= TICK_MAX and surely_longer(known.bare, len(self._above)):
            covered = cover_own(known, limits, self.forks_above)
            if covered is not None:
                text = self._text_with(covered)
                if len(text) <= limits.header_bytes_max:
                    covered.bare.remove(tick)
                    forks = self.forks_above + covered.bare.count
                    return Sent(tick, Clock(text), self._text_with(covered), forks, True)
        clock = Clock(self._text()).cut(limits.header_bytes_max, limits)
        return Sent(tick, clock, "", 0, True)

    def exceeds(self, limits: Limits, text: str) -> bool:
        """Would `limits` refuse its clock, which now reads `text`?"""
        return (
            len(text) > limits.header_bytes_max
            or self.depth > limits.levels_max
            or self.forks_above + self._known.forks_count() > limits.forks_max
        )

    def receive(self, clock: Clock) -> Clock:
        """An answer, a join or a message: learns all that it knows.

        Raises:
            ClockError: `other_strand` for a clock of another trace or of another first strand; `malformed` for one
                that claims events of this strand that have not happened.
            StrandEndedError: the strand has ended.
        """
        with self._lock:
            self._check_running()
            self._learn(clock)
            self._known.tick += 1
            return Clock(self._text())

    def answer(self, sent: Sent, header: str, limits: Limits) -> bool:
        """The answer to a call: learns what its clock knows. True if the callee has ended.

        Raises:
            ClockError: it cannot be read, or is not of the strand that was called (`other_strand`).
            StrandEndedError: this strand has ended; nothing changed.
        """
        prefix = sent.answer_prefix
        if prefix and header.startswith(prefix) and header.rfind(",") == len(prefix):
            if len(header) > limits.header_bytes_max:
                raise ClockError("too_long", f"clock has {len(header)} bytes, the limit is {limits.header_bytes_max}")
            text = header[len(prefix) + 1 :].strip(" \t")
            if self.depth < limits.levels_max and is_plain_end(text):
                known = _COMPLETE
            else:
                callee = read_last_member(text, self.depth + 1, sent.forks, limits)
                if callee.detached:
                    raise ClockError("other_strand", "clock is of a detached strand")
                known = callee.known
            if self._join(sent, known):
                return known.ended
        clock = Clock.parse(header, self._above[5:13], limits)
        self._check_callee(sent.tick, clock)
        self.receive(clock)
        return clock.ended

    def _join(self, sent: Sent, callee: Known) -> bool:
        """Learns of a callee that brought no other news; false where the whole tree is needed for it."""
        with self._lock:
            self._check_running()
            own = self._known
            was_lost = own.bare.mark(sent.tick)
            if was_lost is None:
                return False
            own.bare.remove(sent.tick)
            if sent.cut:
                # The callee gives back what it was told: that more may be known of the calls before its own.
                own.bare.mark_lossy_below(sent.tick)
                for tick in [tick for tick in own.open if tick < sent.tick]:
                    self._lose(tick)
            if not callee.complete:
                rest = own.open[sent.tick] = pruned(callee)
                rest.lossy = (rest.lossy or was_lost) and not rest.ended
            own.tick += 1
            return True

    def _check_callee(self, tick: int, clock: Clock) -> None:
        """Is the clock of the strand that was called at `tick`?"""
        mine = self.stamp
        expected = (*mine.path, Fork(tick))
        nonces = [m.nonce for m in clock.members[:-1]]
        if clock.path != expected or nonces != [m.nonce for m in mine.members]:
            raise ClockError("other_strand", "clock is not of the strand that was called")

    def lost(self, tick: int) -> None:
        """What the call sent at `tick` did cannot be told: its answer had no clock, or one that was refused, or its
        body ended without the end's clock. No tick; nothing after the end."""
        with self._lock:
            if not self._known.ended:
                self._lose(tick)

    def _lose(self, tick: int) -> None:
        own = self._known
        call = own.open.get(tick)
        if call is None:
            own.bare.mark_lossy(tick)
        elif not call.ended:
            changed = call.copy()
            changed.lossy = True
            own.open[tick] = changed

    def end(self) -> Clock:
        """The last event; its stamp goes back to whoever waits."""
        with self._lock:
            self._tick()
            self._known.ended = True
            return Clock(self._text())

    def _tick(self) -> None:
        self._check_running()
        self._known.tick += 1

    def _check_running(self) -> None:
        if self._known.ended:
            raise StrandEndedError("the strand has ended")

    def _text(self) -> str:
        return self._text_with(self._known)

    def _text_with(self, known: Known) -> str:
        return f"{self._above}, {self._head}:{known.tick}{self._marks}{tail(known)}"

    def _learn(self, clock: Clock) -> None:
        """Merges as the whole tree, and never changes the own strand's tick, end or cut."""
        mine = Clock(self._text())
        members = mine.members
        if clock.trace != mine.trace or clock.members[0].nonce != members[0].nonce:
            raise ClockError("other_strand", "clock is not of this trace's first strand")
        path = mine.path
        news = clock.known
        if claims(news, path) > self._known.tick:
            raise ClockError("malformed", "clock claims events of this strand that have not happened")
        was = [m.known for m in members]
        root = merge(tree(path, was), news)
        spine = _kept(root, path, was)
        self._known = spine[-1]
        self._rewrite_above(mine.trace, [m._replace(known=k) for m, k in zip(members, spine, strict=True)])

    def _rewrite_above(self, trace: str, members: list[Member]) -> None:
        text = write_members(trace, members)
        self._above = text[: text.rindex(", ")]
        self.forks_above = sum(m.known.forks_count() for m in members[:-1])


def _kept(root: Known, path: tuple[Fork, ...], was: list[Known]) -> list[Known]:
    """The merged spine. Nobody knows more of this strand than itself: its way, tick and flags stay as they were.
    (Where one send was handled twice, the other handling may have ended.)"""
    node = root
    for i, fork in enumerate(path):
        child = node.child(fork)
        if child is None:
            child = tree(path[i + 1 :], was[i + 1 :])
            node.put(fork, child)
        node = child
    node.tick, node.ended, node.lossy = was[-1].tick, was[-1].ended, was[-1].lossy
    return spine_of(root, path)


def _without_fork(text: str, sender: Clock, fork: Fork) -> str:
    """The sender's text without what it says of a fork: the new strand's own hop says that."""
    bare_call = f';x="{fork.tick}"'
    if text.endswith(bare_call):
        return text[: -len(bare_call)]
    members = sender.members.copy()
    known = members[-1].known.copy()
    known.take(fork)
    members[-1] = members[-1]._replace(known=known)
    return write_members(sender.trace, members)
