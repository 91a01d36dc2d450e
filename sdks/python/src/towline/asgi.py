"""ASGI middleware: `app.add_middleware(TowlineASGI)` for Starlette and FastAPI, `app = TowlineASGI(app)` for others.

Pure ASGI: the application runs in the server's own task, where its context is current, also while the body is
produced. WebSockets start a strand from their handshake, which ends with the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from towline._answer import Head, answer_fields, clock_fields, outcome_of
from towline._caller import Caller
from towline._cancelled import Cancelled
from towline._context import CLOCK, Context, set_current
from towline._observer import Outcome
from towline._propagator import Propagator, default

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SERVED = "towline.context"
"""The key in `scope` of the request's context."""


class TowlineASGI:
    """Middleware around an ASGI application.

    Args:
        app: the application.
        propagator: its settings; default: `towline.default()`, of the environment.
    """

    def __init__(self, app: ASGIApp, propagator: Propagator | None = None) -> None:
        self.app = app
        self.propagator = propagator or default()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request or connection."""
        kind = scope["type"]
        if kind not in ("http", "websocket") or SERVED in scope:
            return await self.app(scope, receive, send)
        if not self.propagator.serves(scope.get("method", "GET"), scope.get("path", "")):
            return await self.app(scope, receive, send)
        context = self._serve(scope)
        scope = {**scope, SERVED: context}
        response = _Response(context, receive, send, trailers=_has_trailers(scope))
        if kind == "http":
            receive, send = response.receive, response.send
            context.caller = response
        before = set_current(context)
        try:
            await self.app(scope, receive, send)
            await response.flush()
        except asyncio.CancelledError:
            response.leave()
            context.end("cancelled")
            raise
        except BaseException:
            context.end("cancelled" if response.gone else "error")
            raise
        finally:
            set_current(before)
            context.end(response.outcome())
            context.caller = response.over() if response.gone or response.cancelled is not None else None
            response.complete = True

    def _serve(self, scope: Scope) -> Context:
        propagator = self.propagator
        names = propagator.header_names
        traceparent: list[str] = []
        tracestate: list[str] = []
        clock: list[str] = []
        more: dict[str, list[str]] | None = None
        for name, value in scope["headers"]:
            if name not in names:
                continue
            text = value.decode("latin-1")
            if name == b"traceparent":
                traceparent.append(text)
            elif name == b"tracestate":
                tracestate.append(text)
            elif name == b"raceway-clock":
                clock.append(text)
            else:
                more = more or {}
                more.setdefault(names[name], []).append(text)
        client = scope.get("client")
        peer = str(client[0]) if client else ""
        return propagator.serve(traceparent, tracestate, clock, peer=peer, more=more)


class _Response:
    """Holds the head back until it is known whether the body's length is: until the first part of the body, the
    application's return, or its waiting for the caller. Server-sent events are known to be endless.

    Where the protocol has trailers that every client takes, the end of a body that is produced is one."""

    __slots__ = (
        "_caller",
        "_context",
        "_held",
        "_loop",
        "_receive",
        "_receiving",
        "_send",
        "_status",
        "_trailer",
        "_trailers",
        "cancelled",
        "complete",
        "gone",
    )

    def __init__(self, context: Context, receive: Receive, send: Send, trailers: bool) -> None:
        self._context = context
        self._receive = receive
        self._send = send
        self._trailers = trailers
        self._trailer = False  # is ours promised?
        self._held: Message | None = None
        self._status = 0
        self.complete = False
        self._loop = asyncio._get_running_loop()
        self._receiving = False
        self._caller: Caller | None = None
        self.cancelled: Cancelled | None = None
        self.gone = False

    def watch(self) -> Cancelled:
        """The application, in this thread or another one, wants to know when its caller goes: from now on that is
        looked for."""
        if self.cancelled is None:
            self.cancelled = Cancelled()
            if self._loop is not None and not (self.complete or self.gone):
                self._loop.call_soon_threadsafe(self._look)
        if self.gone:
            self.cancelled.set()
        return self.cancelled

    def leave(self) -> None:
        """The caller has gone, or the server gives its request up."""
        self.gone = True
        if self.cancelled is not None:
            self.cancelled.set()

    def over(self) -> Cancelled:
        """The exchange is over: what tells those who still ask whether the caller went before."""
        self.complete = True
        if self._caller is not None:
            self._caller.stop()
        return self.watch()

    async def receive(self) -> Message:
        """The application's `receive`."""
        await self.flush()
        if self._caller is not None:
            return await self._caller.receive()
        self._receiving = True
        try:
            message = await self._receive()
        finally:
            self._receiving = False
        if message["type"] == "http.disconnect":
            self._disconnected()
        elif self.cancelled is not None:
            self._look()
        return message

    def _look(self) -> None:
        if self._caller is None and not (self._receiving or self.complete or self.gone):
            self._caller = Caller(self._receive, self._disconnected)

    def _disconnected(self) -> None:
        if not self.complete:  # servers say so of a request that was answered, too
            self.leave()

    async def send(self, message: Message) -> None:
        """The application's `send`."""
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            self._held = message
            if _has(message, b"content-type", b"text/event-stream"):
                await self.flush()
            return
        body = kind == "http.response.body"
        last = (body and not message.get("more_body", False)) or kind == "http.response.pathsend"
        if self._held is not None and (body or last):
            await self._send_head(whole=last)
        self.complete = last
        await self._pass_on(message)
        if last:
            clock = self._context.end(self.outcome())
            if self._trailer and clock is not None:
                fields = [
                    (name.encode(), value.encode("latin-1")) for name, value in clock_fields(self._context, clock)
                ]
                await self._pass_on({"type": "http.response.trailers", "headers": fields, "more_trailers": False})

    async def flush(self) -> None:
        """Sends the head, if it is held back."""
        if self._held is not None:
            await self._send_head(whole=False)

    def outcome(self) -> Outcome:
        """How the strand ends, where nothing was raised."""
        return "cancelled" if self.gone else outcome_of(self._context, self._status)

    async def _send_head(self, whole: bool) -> None:
        message, self._held = self._held, None
        assert message is not None
        fields = list(message.get("headers", ()))
        named = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in fields]
        head = Head.read(message["status"], named)
        head.sized = head.sized or whole
        if head.has_clock:
            fields = [(name, value) for name, value in fields if bytes(name).lower() != CLOCK.encode()]
        added = answer_fields(self._context, head)
        fields += [(name.encode(), value.encode("latin-1")) for name, value in added]
        message = {**message, "headers": fields}
        # An application that has trailers of its own keeps them to itself: the clock so far is all that is told.
        answers = self._context.answers and not head.shared
        if self._trailers and answers and not head.sized and not message.get("trailers", False):
            self._trailer = message["trailers"] = True
        await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            self.leave()
            raise


def _has_trailers(scope: Scope) -> bool:
    extensions = scope.get("extensions") or {}
    return scope.get("http_version", "1.1") not in ("1.0", "1.1") and "http.response.trailers" in extensions


def _has(message: Message, name: bytes, value: bytes) -> bool:
    return any(bytes(n).lower() == name and bytes(v).startswith(value) for n, v in message.get("headers", ()))


__all__ = ["SERVED", "TowlineASGI"]
