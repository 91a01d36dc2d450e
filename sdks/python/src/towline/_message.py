"""Messages: brokers, queues, and the frames of a WebSocket (edge.md, "Messages")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from towline._carrier import Carrier
from towline._context import Context, current, set_current
from towline._propagator import Propagator, in_use


def receive_message(carrier: Carrier | None, propagator: Propagator | None = None) -> Context:
    """The context of a message that came, by all rules of a request: `with` makes it current, and ends it.

    Args:
        carrier: the message's headers: a map, a list of pairs, or what has `get`; none where it has none.
        propagator: the settings; default: those of the current context, else `towline.default()`.

    Example:
        >>> headers = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
        >>> with receive_message(headers) as context:
        ...     context.trace_id, context.kind
        ('0af7651916cd43dd8448eb211c80319c', 'consumer')
    """
    return in_use(propagator).receive_message(carrier)


def receive_batch(carriers: Iterable[Carrier | None], propagator: Propagator | None = None) -> Context:
    """One context for messages that are handled together: it begins a new trace, and is linked to each.

    Args:
        carriers: the messages' headers, as for `receive_message`.
        propagator: as there.
    """
    return in_use(propagator).receive_batch(carriers)


@contextmanager
def message() -> Iterator[Context | None]:
    """One message of a connection that carries many, such as a WebSocket: a child strand of the current context, which
    is current in the block, and joined at its end. None where there is no current context.

    Example:
        >>> with message() as context:
        ...     context
    """
    context = current()
    if context is None:
        yield None
        return
    branch = context.branch()
    set_current(branch.context)
    try:
        yield branch.context
    except Exception:
        branch.end("error")
        raise
    except BaseException:
        branch.end("cancelled")
        raise
    finally:
        branch.end()
        branch.join()
        set_current(context)


__all__ = ["message", "receive_batch", "receive_message"]
