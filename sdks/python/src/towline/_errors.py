"""What Towline raises: one tree, and never into a request.

The middleware catches all of these itself; they are for callers of the codec.
"""

from __future__ import annotations


class TowlineError(Exception):
    """Base of everything that Towline raises."""


class RefusedError(TowlineError, ValueError):
    """Text that cannot be used. `reason` is one of the words that are counted (api.md, "Observers")."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """The word that is counted, for example `malformed` or `over_limits`."""


class TraceContextError(RefusedError):
    """A `traceparent` after which a new trace begins."""


class ClockError(RefusedError):
    """A clock that cannot be read, merged or written."""


class ClockV1Error(RefusedError):
    """A v1 clock that cannot be read or written."""


class StrandEndedError(TowlineError):
    """A strand was used after its end. Work that goes on is a strand of its own (strand-clocks.md, "The idea")."""
