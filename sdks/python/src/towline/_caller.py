"""Looking out for an ASGI request's caller, while its application works."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]


class Caller:
    """Receives one message ahead of the application, so that the caller's going is seen when it happens.

    A server is asked for one message at a time: it starts when the application is not waiting for one itself.
    """

    __slots__ = ("_gone", "_left", "_messages", "_receive", "_task")

    def __init__(self, receive: Callable[[], Awaitable[Message]], gone: Callable[[], None]) -> None:
        """`gone`: is called when the caller goes."""
        self._receive = receive
        self._gone = gone
        self._left = False
        self._messages: asyncio.Queue[Message] = asyncio.Queue(1)
        self._task = asyncio.get_running_loop().create_task(self._look())

    async def receive(self) -> Message:
        """The next message, for the application."""
        if self._left and self._messages.empty():
            return {"type": "http.disconnect"}
        return await self._messages.get()

    def stop(self) -> None:
        """There is nothing more to see."""
        self._task.cancel()

    async def _look(self) -> None:
        while not self._left:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._left = True
                self._gone()
            await self._messages.put(message)
