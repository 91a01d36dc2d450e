"""Counting what happens (api.md, "Observers"; edge.md, "Status")."""

from __future__ import annotations

import threading
from typing import TypedDict

_NOT_SENT = ("withheld", "too_long", "over_limits")


class Summary(TypedDict):
    """What the counters say, in the words of the status handler. A reason stands where it happened at least once."""

    received: int
    """Requests that were read."""
    continued: int
    """Those whose trace went on."""
    restarted: dict[str, int]
    """Those where it began anew, by reason."""
    cancelled: int
    """Strands that ended because the caller went."""
    clock_dropped: dict[str, int]
    """Clocks that came and were not used, by reason."""
    clock_cut: int
    """Clocks that were sent shortened."""
    sent: int
    """Calls with a clock."""
    not_sent: dict[str, int]
    """Calls without one that should have had one, by reason."""
    no_context: int
    """Calls without a current context."""
    joined: int
    """Calls whose answer was joined."""
    lost: dict[str, int]
    """Calls whose answer could not be, by reason."""


class Counters:
    """Counts what happens. Keys are `strand_start`, `strand_end`, `call_sent`, `call_answered`, of these `continued`,
    `cancelled`, `sent` and `joined`, and for drops `what/reason`, for example `clock/malformed`."""

    __slots__ = ("_counts", "_lock")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def __getitem__(self, key: str) -> int:
        """How often; 0 for what never happened."""
        return self._counts.get(key, 0)

    def add(self, *keys: str) -> None:
        """Counts one of each."""
        counts = self._counts
        with self._lock:
            for key in keys:
                counts[key] = counts.get(key, 0) + 1

    def snapshot(self) -> dict[str, int]:
        """All that happened at least once."""
        with self._lock:
            return dict(self._counts)

    def summary(self) -> Summary:
        """The same in the few words that tell whether all is well."""
        counts = self.snapshot()

        def reasons(*whats: str) -> dict[str, int]:
            found: dict[str, int] = {}
            for key in sorted(counts):
                what, slash, reason = key.partition("/")
                if slash and what in whats:
                    found[reason] = found.get(reason, 0) + counts[key]
            return found

        continued, restarted = counts.get("continued", 0), reasons("traceparent")
        return Summary(
            received=continued + sum(restarted.values()),
            continued=continued,
            restarted=restarted,
            cancelled=counts.get("cancelled", 0),
            clock_dropped=reasons("clock", "member"),
            clock_cut=counts.get("send/cut", 0),
            sent=counts.get("sent", 0),
            not_sent={reason: n for reason, n in reasons("send").items() if reason in _NOT_SENT},
            no_context=counts.get("context/none", 0),
            joined=counts.get("joined", 0),
            lost=reasons("answer"),
        )

    def __repr__(self) -> str:
        return f"Counters({self.snapshot()!r})"
