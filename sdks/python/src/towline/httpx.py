"""Transports for httpx: every attempt, with redirects, is a call of its own.

`instrument(client)` for a client that exists; `Transport` and `AsyncTransport` around a transport of your own.
Needs the package `httpx`, which Towline does not install.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypeVar, cast

import httpx

from towline._attempt import Mark, resend_count, write_attempt
from towline._call import Call
from towline._context import CLOCK
from towline._deadline import EXPIRED, deadline_of, is_over, seconds_left
from towline._probe import HOPS
from towline._propagator import Propagator, in_use

C = TypeVar("C", bound=httpx.Client | httpx.AsyncClient)

_MARK = "towline.attempt"
"""The key of an attempt's mark in its request's extensions."""

_sent: ContextVar[httpx.Request | None] = ContextVar("towline_httpx_request", default=None)


class Transport(httpx.BaseTransport):
    """Sends through another transport, and tells the trace of it.

    Args:
        inner: the transport; default `httpx.HTTPTransport()`.
        propagator: its settings; default: those of the current context, else `towline.default()`.

    Example:
        >>> client = httpx.Client(transport=Transport())
    """

    def __init__(self, inner: httpx.BaseTransport | None = None, propagator: Propagator | None = None) -> None:
        self.inner = inner or httpx.HTTPTransport()
        self.propagator = propagator

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One attempt."""
        attempt = _Attempt.of(request, self.propagator)
        if attempt is None:
            return self.inner.handle_request(request)
        with attempt:
            response = self.inner.handle_request(request)
        if attempt.answered(response):
            response.stream = _Body(cast(httpx.SyncByteStream, response.stream), attempt, response.status_code)
        return response

    def close(self) -> None:
        """Closes the inner transport."""
        self.inner.close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """`Transport` for `httpx.AsyncClient`; `inner` is `httpx.AsyncHTTPTransport()` by default."""

    def __init__(self, inner: httpx.AsyncBaseTransport | None = None, propagator: Propagator | None = None) -> None:
        self.inner = inner or httpx.AsyncHTTPTransport()
        self.propagator = propagator

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One attempt."""
        attempt = _Attempt.of(request, self.propagator)
        if attempt is None:
            return await self.inner.handle_async_request(request)
        with attempt:
            response = await self.inner.handle_async_request(request)
        if attempt.answered(response):
            response.stream = _AsyncBody(cast(httpx.AsyncByteStream, response.stream), attempt, response.status_code)
        return response

    async def aclose(self) -> None:
        """Closes the inner transport."""
        await self.inner.aclose()


def instrument(client: C, propagator: Propagator | None = None) -> C:
    """Makes a client send trace contexts and read answers, with the transports and proxies that it has. Gives the
    same client. To instrument one twice does no harm.

    Args:
        client: an `httpx.Client` or `httpx.AsyncClient`.
        propagator: its settings; default: those of the current context, else `towline.default()`.
    """
    kind = Transport if isinstance(client, httpx.Client) else AsyncTransport

    def wrap(transport: object) -> object:
        if transport is None or isinstance(transport, kind):
            return transport  # None: a mount that sends nowhere else
        return kind(transport, propagator)  # type: ignore[arg-type]  # a client's transports are of its own kind

    # httpx has no public way to wrap the transports that a client made of its own arguments.
    fields = vars(client)
    fields["_transport"] = wrap(fields["_transport"])
    fields["_mounts"] = {pattern: wrap(transport) for pattern, transport in fields["_mounts"].items()}
    return client


class _Attempt:
    """An attempt, while it is on its way: what is raised in the block ends it."""

    __slots__ = ("_before", "_extensions", "call", "deadline", "request")

    def __init__(self, request: httpx.Request, propagator: Propagator, deadline: float | None) -> None:
        self.request = request
        self.deadline = deadline
        mark = request.extensions.get(_MARK)
        before = mark if isinstance(mark, Mark) else None
        self.call: Call = propagator.call(request.url.host, resend_count=resend_count(before), method=request.method)
        if self.call.probe is not None:
            self.call.authority = request.url.netloc.decode("ascii")
        # httpx gives what is in there to the request that follows a redirect.
        request.extensions[_MARK] = write_attempt(request.headers, self.call, before)
        self._extensions = request.extensions

    @classmethod
    def of(cls, request: httpx.Request, given: Propagator | None) -> _Attempt | None:
        """None where it is not ours to make: disabled, or made by a transport around this one."""
        propagator = in_use(given)
        if propagator.config.disabled or _sent.get() is request:
            return None
        deadline = deadline_of(propagator)
        if deadline is not None and is_over(deadline, propagator):
            raise httpx.ConnectTimeout(EXPIRED, request=request)
        return cls(request, propagator, deadline)

    def __enter__(self) -> None:
        self._before = _sent.get()
        _sent.set(self.request)
        if self.deadline is not None:
            given = self._extensions.get("timeout") or {}
            self.request.extensions = {**self._extensions, "timeout": _Until(given, self.deadline)}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _sent.set(self._before)
        self.request.extensions = self._extensions
        if kind is not None:
            self.call.failed(cancelled=not issubclass(kind, Exception))

    def answered(self, response: httpx.Response) -> bool:
        """True where the end of the body is to be told, or may come too late."""
        hops = response.headers.get_list(HOPS) if self.call.probe is not None else ()
        self.call.answered(response.headers.get_list(CLOCK), response.status_code, body_follows=True, hops=hops)
        return not self.call.done or self.deadline is not None

    def check(self) -> None:
        """Gives a body up that comes too slowly."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise httpx.ReadTimeout(EXPIRED, request=self.request)


class _Until(dict[str, Any]):
    """The time limits of a request, as its transport asks for them: each is over with the deadline."""

    def __init__(self, given: Mapping[str, Any], deadline: float) -> None:
        super().__init__(given)
        self._deadline = deadline

    def get(self, name: str, default: Any = None) -> float:
        return seconds_left(self._deadline, super().get(name, default))


class _Body(httpx.SyncByteStream):
    """A body that tells its end."""

    def __init__(self, inner: httpx.SyncByteStream, attempt: _Attempt, status: int) -> None:
        self._inner, self._attempt, self._status = inner, attempt, status

    def __iter__(self) -> Iterator[bytes]:
        for part in self._inner:
            self._attempt.check()
            yield part

    def close(self) -> None:
        self._attempt.call.body_ended(self._status)
        self._inner.close()


class _AsyncBody(httpx.AsyncByteStream):
    """`_Body` for asynchronous clients."""

    def __init__(self, inner: httpx.AsyncByteStream, attempt: _Attempt, status: int) -> None:
        self._inner, self._attempt, self._status = inner, attempt, status

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._attempt.check()
            yield part

    async def aclose(self) -> None:
        self._attempt.call.body_ended(self._status)
        await self._inner.aclose()


__all__ = ["AsyncTransport", "Transport", "instrument"]
