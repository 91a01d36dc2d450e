"""Telling a handler that its caller has gone (edge.md, "The caller goes")."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_POLL_SECONDS = 0.05


class Cancelled:
    """Has the caller of a request gone? True in a condition once it has; where the server does not tell, never.

    Example:
        >>> from towline import Config, Propagator
        >>> context = Propagator(Config(service_name="shop")).new_trace()
        >>> [part for part in "abc" if not context.cancelled]
        ['a', 'b', 'c']
    """

    __slots__ = ("_event", "_poll")

    def __init__(self, poll: Callable[[], bool] | None = None) -> None:
        """`poll`: where it has to be asked for."""
        self._event = threading.Event()
        self._poll = poll

    def is_set(self) -> bool:
        """Has it gone?"""
        if self._poll is not None and not self._event.is_set() and self._poll():
            self._event.set()
        return self._event.is_set()

    __bool__ = is_set

    def set(self) -> None:
        """It has gone: for servers."""
        self._event.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it has gone, at most `timeout` seconds; gives whether it has. It blocks its thread."""
        if self._poll is None:
            return self._event.wait(timeout)
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _POLL_SECONDS if end is None else min(_POLL_SECONDS, end - time.monotonic())
            if left <= 0:
                return False
            self._event.wait(left)
        return True
