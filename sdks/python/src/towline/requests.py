"""`instrument(session)` for requests: every attempt, with redirects and urllib3's retries, is a call of its own.

Needs the package `requests`, which Towline does not install.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.util.retry import Retry

from towline._context import Call
from towline._hosts import host_of
from towline._propagator import HEADER_NAMES, Propagator, in_use

if TYPE_CHECKING:
    from typing_extensions import Self
    from urllib3.response import BaseHTTPResponse

S = TypeVar("S", bound=requests.Session)


def instrument(session: S, propagator: Propagator | None = None) -> S:
    """Makes a session send trace contexts and read answers. Gives the same session.

    It stays the session that it was: adapters, proxies, retries and connection pools are untouched, adapters that
    are mounted later are covered too. To instrument one twice does no harm.

    Args:
        session: any `requests.Session`.
        propagator: its settings; default: those of the current context, else `towline.default()`.

    Example:
        >>> session = instrument(requests.Session())
    """
    if isinstance(session.__dict__.get("get_adapter"), _Adapters):
        return session
    session.__dict__["get_adapter"] = _Adapters(session.get_adapter, propagator)
    return session


class _Adapters:
    """Stands for `session.get_adapter`, and wraps what it gives."""

    def __init__(self, get_adapter: Callable[[str], BaseAdapter], propagator: Propagator | None) -> None:
        self._get_adapter = get_adapter
        self._propagator = propagator

    def __call__(self, url: str) -> BaseAdapter:
        adapter = self._get_adapter(url)
        if isinstance(adapter, HTTPAdapter) and not isinstance(adapter.max_retries, _Tracked):
            adapter.max_retries = _tracked(adapter.max_retries)
        return _Adapter(adapter, self._propagator)


class _Adapter(BaseAdapter):
    """Sends through another adapter, as one attempt after the other."""

    def __init__(self, inner: BaseAdapter, propagator: Propagator | None) -> None:
        super().__init__()
        self._inner = inner
        self._propagator = propagator

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        propagator = in_use(self._propagator)
        outer = _attempt.get()
        if propagator.config.disabled or (outer is not None and outer.request is request):
            return self._inner.send(request, *args, **kwargs)
        attempt = _Attempt(request, propagator)
        retries = getattr(getattr(self._inner, "max_retries", None), "total", 0)
        if retries:
            request.headers = _Headers(request.headers, attempt.copies)
        _attempt.set(attempt)
        try:
            response = self._inner.send(request, *args, **kwargs)
        except BaseException as error:
            attempt.call.failed(cancelled=not isinstance(error, Exception))
            raise
        finally:
            _attempt.set(outer)
            if retries:
                request.headers = CaseInsensitiveDict(request.headers)
        attempt.call.answered(_clocks(response.raw, response.headers), response.status_code)
        return response

    def close(self) -> None:
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Attempt:
    """The attempt that is on its way in this thread."""

    __slots__ = ("_host", "_propagator", "call", "copies", "request")

    def __init__(self, request: requests.PreparedRequest, propagator: Propagator) -> None:
        self.request = request
        self._propagator = propagator
        self._host = host_of(request.url or "")
        self.copies: list[CaseInsensitiveDict[str]] = [request.headers]
        self.call: Call = self._begin()

    def again(self, response: BaseHTTPResponse | None) -> None:
        """urllib3 sends the request once more."""
        if response is None:
            self.call.failed()
        else:
            self.call.answered(_clocks(response, response.headers), response.status)
        self.call = self._begin()

    def _begin(self) -> Call:
        call = self._propagator.call(self._host)
        for headers in self.copies:
            for name in HEADER_NAMES:
                value = call.headers.get(name)
                if value is not None:
                    headers[name] = value
                elif name in headers:
                    del headers[name]
        return call


class _Headers(CaseInsensitiveDict[str]):
    """The fields of a request on its way. urllib3 sends a copy of them, so a further attempt is written to its copies
    as well."""

    def __init__(self, fields: Mapping[str, str], copies: list[CaseInsensitiveDict[str]]) -> None:
        super().__init__(fields)
        self._copies = copies
        copies.append(self)

    def copy(self) -> _Headers:
        return _Headers(self, self._copies)


_attempt: ContextVar[_Attempt | None] = ContextVar("towline_requests_attempt", default=None)


def _clocks(raw: Any, headers: Mapping[str, str]) -> list[str]:
    """All `raceway-clock` fields: `headers` would join them."""
    getlist = getattr(getattr(raw, "headers", None), "getlist", None)
    if getlist is not None:
        return list(getlist("raceway-clock"))
    joined = headers.get("raceway-clock")
    return [] if joined is None else [joined]


class _Tracked(Retry):
    """A retry policy that tells the attempt on its way of each further one."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Self:
        further = super().increment(method, url, response, *args, **kwargs)
        attempt = _attempt.get()
        if attempt is not None:
            attempt.again(response)
        return further


def _tracked(policy: Retry) -> Retry:
    """The policy as it is, tracked; a policy of a class of its own keeps its behaviour."""
    own = type(policy)
    tracked = copy.copy(policy)
    tracked.__class__ = _Tracked if own is Retry else type(own.__name__, (_Tracked, own), {})
    return tracked


__all__ = ["instrument"]
