"""What goes along with a trace beside its ids, where something does: most requests bring none of it."""

from __future__ import annotations

from towline._probe import Probe
from towline._trace_context import TraceContext


class Along:
    """The baggage, the deadline, the probe that asks, and the traces that a context is only linked to."""

    __slots__ = ("baggage", "deadline", "links", "probe")

    def __init__(self) -> None:
        self.baggage = ""
        self.deadline: float | None = None
        """Seconds of the monotonic clock."""
        self.probe: Probe | None = None
        self.links: tuple[TraceContext, ...] = ()

    def of_child(self, detached: bool) -> Along:
        """What a strand of its own has of it: nobody waits for a detached one."""
        child = Along()
        child.baggage, child.probe = self.baggage, self.probe
        child.deadline = None if detached else self.deadline
        return child
