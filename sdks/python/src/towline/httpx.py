"""Transports for httpx: every attempt, with redirects, is a call of its own.

`instrument(client)` for a client that exists; `Transport` and `AsyncTransport` around a transport of your own.
Needs the package `httpx`, which Towline does not install.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import TypeVar, cast

import httpx

from towline._context import Call
from towline._propagator import HEADER_NAMES, Propagator, in_use

C = TypeVar("C", bound=httpx.Client | httpx.AsyncClient)

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
        call = _begin(request, self.propagator)
        if call is None:
            return self.inner.handle_request(request)
        before = _sent.get()
        _sent.set(request)
        try:
            response = self.inner.handle_request(request)
        except BaseException as error:
            call.failed(cancelled=not isinstance(error, Exception))
            raise
        finally:
            _sent.set(before)
        if _answered(call, response):
            response.stream = _Body(cast(httpx.SyncByteStream, response.stream), call, response.status_code)
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
        call = _begin(request, self.propagator)
        if call is None:
            return await self.inner.handle_async_request(request)
        before = _sent.get()
        _sent.set(request)
        try:
            response = await self.inner.handle_async_request(request)
        except BaseException as error:
            call.failed(cancelled=not isinstance(error, Exception))
            raise
        finally:
            _sent.set(before)
        if _answered(call, response):
            response.stream = _AsyncBody(cast(httpx.AsyncByteStream, response.stream), call, response.status_code)
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


def _begin(request: httpx.Request, given: Propagator | None) -> Call | None:
    """The attempt; none where it is not ours to make: disabled, or made by a transport around this one."""
    propagator = in_use(given)
    if propagator.config.disabled or _sent.get() is request:
        return None
    call = propagator.call(request.url.host)
    for name in HEADER_NAMES:
        value = call.headers.get(name)
        if value is not None:
            request.headers[name] = value  # in place of all fields of that name
        elif name in request.headers:
            del request.headers[name]
    return call


def _answered(call: Call, response: httpx.Response) -> bool:
    """True where the end of the body is still to be told."""
    call.answered(response.headers.get_list("raceway-clock"), response.status_code, body_follows=True)
    return not call.done


class _Body(httpx.SyncByteStream):
    """A body that tells its end."""

    def __init__(self, inner: httpx.SyncByteStream, call: Call, status: int) -> None:
        self._inner, self._call, self._status = inner, call, status

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)

    def close(self) -> None:
        self._call.body_ended(self._status)
        self._inner.close()


class _AsyncBody(httpx.AsyncByteStream):
    """`_Body` for asynchronous clients."""

    def __init__(self, inner: httpx.AsyncByteStream, call: Call, status: int) -> None:
        self._inner, self._call, self._status = inner, call, status

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._inner)

    async def aclose(self) -> None:
        self._call.body_ended(self._status)
        await self._inner.aclose()


__all__ = ["AsyncTransport", "Transport", "instrument"]
