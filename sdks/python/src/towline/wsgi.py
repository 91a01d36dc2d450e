"""WSGI middleware: `app.wsgi_app = Towline(app.wsgi_app)` for Flask, `application = Towline(application)` for others.

It reads the trace context of each request, makes its context current for the application and while its body is
produced, and answers with the strand's clock (api.md, "Server side").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from towline._answer import Head, answer_fields, outcome_of
from towline._context import CLOCK, Context, set_current
from towline._observer import Outcome
from towline._propagator import Propagator, default

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SERVED = "towline.context"
"""The key in `environ` of the request's context."""

_DISCONNECTED = "waitress.client_disconnected"
"""Where waitress tells whether the caller has gone, if it looks ahead (`channel_request_lookahead`)."""

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class Towline:
    """Middleware around a WSGI application.

    Args:
        app: the application.
        propagator: its settings; default: `towline.default()`, of the environment.

    Example:
        >>> def hello(environ, start_response):
        ...     start_response("200 OK", [("content-length", "2")])
        ...     return [b"hi"]
        >>> app = Towline(hello)
    """

    def __init__(self, app: WSGIApplication, propagator: Propagator | None = None) -> None:
        self.app = app
        self.propagator = propagator or default()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serves one request."""
        method, path = environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")
        if SERVED in environ or not self.propagator.serves(method, path):
            return self.app(environ, start_response)
        propagator = self.propagator
        more: dict[str, list[str]] | None = None
        for key, name in propagator.environ_names:
            if key in environ:
                more = more or {}
                more[name] = [environ[key]]
        context = propagator.serve(
            _values(environ.get("HTTP_TRACEPARENT")),
            _values(environ.get("HTTP_TRACESTATE")),
            _values(environ.get("HTTP_RACEWAY_CLOCK")),
            peer=environ.get("REMOTE_ADDR") or "",
            more=more,
        )
        context.caller = environ.get(_DISCONNECTED)
        environ[SERVED] = context
        response = _Response(context, start_response)
        before = set_current(context)
        try:
            body = self.app(environ, response.start)
            return response.body(body, environ)
        except BaseException:
            context.end("error")
            raise
        finally:
            set_current(before)


def _values(value: str | None) -> list[str]:
    """The fields of one name: WSGI joins them by commas, and the readers see that."""
    return [] if value is None else [value]


class _Response:
    """Holds the head back until it is known whether the body's length is."""

    __slots__ = ("_context", "_head", "_returned", "_sent", "_start_response", "_write")

    def __init__(self, context: Context, start_response: StartResponse) -> None:
        self._context = context
        self._start_response = start_response
        self._head: tuple[str, list[tuple[str, str]], ExceptionInfo | None] | None = None
        self._write: Callable[[bytes], object] | None = None
        self._sent: Head | None = None
        self._returned = False

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExceptionInfo | None = None
    ) -> Callable[[bytes], object]:
        """The application's `start_response`."""
        if self._head is not None and exc_info is None and self._sent is None:
            raise AssertionError("start_response was called twice, without exc_info")  # as servers do (PEP 3333)
        self._head = (status, headers, exc_info)
        if self._returned or self._sent:
            self._send()
        return self.write

    def write(self, data: bytes) -> object:
        """The application's `write`: the head goes out before it."""
        write = self._send() if self._write is None else self._write
        return write(data)

    def body(self, body: Iterable[bytes], environ: WSGIEnvironment) -> Iterable[bytes]:
        """What the application returned: sends the head, if it was given one."""
        self._returned = True
        whole = isinstance(body, (list, tuple))
        # A file that the server itself sends: nothing of the application runs for it.
        handed_over = isinstance(body, environ.get("wsgi.file_wrapper") or ())
        if self._head is not None and self._sent is None:
            self._send(produced=whole or handed_over)
        if whole or handed_over:
            self._context.end(self.outcome())
            return body
        return _Body(body, self._context, self)

    def outcome(self) -> Outcome:
        """How the strand ends that answered so."""
        return outcome_of(self._context, self._sent.status) if self._sent else "ok"

    def _send(self, produced: bool = False) -> Callable[[bytes], object]:
        assert self._head is not None
        status, headers, exc_info = self._head
        head = Head.read(int(status[:3]) if status[:3].isdecimal() else 200, headers)
        head.sized = head.sized or produced
        if head.has_clock:
            headers = [(name, value) for name, value in headers if name.lower() != CLOCK]
        added = answer_fields(self._context, head)
        self._sent = head
        start = cast(Any, self._start_response)
        write = start(status, headers + added, exc_info) if exc_info else start(status, headers + added)
        self._write = cast(Callable[[bytes], object], write)
        return self._write


class _Body:
    """The body while it is produced: each step runs with the context current, and the end of the body ends the
    strand. The context is set anew for each step, since a server may run each in another thread."""

    __slots__ = ("_body", "_context", "_exhausted", "_iterator", "_response")

    def __init__(self, body: Iterable[bytes], context: Context, response: _Response) -> None:
        self._body = body
        self._iterator: Iterator[bytes] | None = None
        self._context = context
        self._response = response
        self._exhausted = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        before = set_current(self._context)
        try:
            if self._iterator is None:
                self._iterator = iter(self._body)
            return next(self._iterator)
        except StopIteration:
            self._exhausted = True
            raise
        except BaseException:
            self._context.end("error")
            raise
        finally:
            set_current(before)

    def close(self) -> None:
        """The server is done: the body was sent, or its caller has gone."""
        before = set_current(self._context)
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            set_current(before)
            if not self._exhausted and not self._context.strand.ended:
                self._context.cancelled.set()
            self._context.end(self._response.outcome() if self._exhausted else "cancelled")


__all__ = ["SERVED", "Towline"]
