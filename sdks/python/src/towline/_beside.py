"""Where OpenTelemetry is in the same process: what `towline.otel` lends this package, which depends on none of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from towline._call import Call
    from towline._context import Context
    from towline._observer import Outcome
    from towline._propagator import Propagator


class ClientSpan(Protocol):
    """A client span that another library keeps."""

    span_id: str
    """16 hex digits."""

    def sent(self, clock: str | None) -> None:
        """The attempt leaves, with this clock."""

    def ended(self, clock: str, status: int | None, outcome: Outcome) -> None:
        """The attempt ended; the caller's clock after it."""


class Beside(Protocol):
    """The other library, as far as it matters here."""

    def server_context(self, traceparent: Sequence[str]) -> Context | None:
        """The context of the current server span, if it is of the request that came with these fields."""

    def settle(self, context: Context) -> None:
        """Gives a request's context the ids of the current server span, if that is of the same request."""

    def context(self, propagator: Propagator) -> Context | None:
        """The context of the current span."""

    def current_call(self, context: Context, host: str) -> Call | None:
        """The call that the current client span stands for, if it is one to this host that is not yet taken."""

    def client_span(self, context: Context, host: str, method: str) -> ClientSpan | None:
        """A span for a call that begins: the current client span, or a new child of the current span."""


installed: Beside | None = None
"""None where `towline.otel` is not used."""


def install(beside: Beside) -> None:
    """From now on the other library is asked."""
    global installed
    installed = beside
