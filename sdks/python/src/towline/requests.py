"""`instrument(session)` for requests: every attempt, with redirects and urllib3's retries, is a call of its own.

Needs the package `requests`, which Towline does not install.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, ReadTimeoutError
from urllib3.util.retry import Retry
from urllib3.util.timeout import Timeout

from towline._attempt import Mark, resend_count, write_attempt
from towline._call import Call
from towline._context import CLOCK
from towline._deadline import EXPIRED, deadline_of, is_over, seconds_left
from towline._hosts import host_of
from towline._probe import HOPS
from towline._propagator import Propagator, in_use

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

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, *args: Any, **kwargs: Any
    ) -> requests.Response:
        propagator = in_use(self._propagator)
        outer = _attempt.get()
        if propagator.config.disabled or (outer is not None and outer.request is request):
            return self._inner.send(request, stream, timeout, *args, **kwargs)
        deadline = deadline_of(propagator)
        if deadline is not None:
            if is_over(deadline, propagator):
                raise requests.ConnectTimeout(EXPIRED, request=request)
            if isinstance(self._inner, HTTPAdapter):
                timeout = _lowered(timeout, deadline)
            else:  # others know seconds alone
                read = timeout[1] if isinstance(timeout, tuple) else timeout
                timeout = seconds_left(deadline, read if isinstance(read, (int, float)) else None)
        attempt = _Attempt(request, propagator, deadline)
        _attempt.set(attempt)
        try:
            response = self._inner.send(request, stream, timeout, *args, **kwargs)
        except BaseException as error:
            attempt.call.failed(cancelled=not isinstance(error, Exception))
            raise
        finally:
            _attempt.set(outer)
            for headers in attempt.copies:
                headers.attempt = None
        attempt.answered(response.raw, response.headers, response.status_code)
        vars(response)["connection"] = self  # what answers a challenge sends through it, and is an attempt too
        if deadline is not None:
            _give_up(response.raw, deadline)
        return response

    def close(self) -> None:
        self._inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Attempt:
    """The attempt that is on its way in this thread."""

    __slots__ = ("_host", "_propagator", "call", "copies", "deadline", "headers", "request")

    def __init__(self, request: requests.PreparedRequest, propagator: Propagator, deadline: float | None) -> None:
        self.request = request
        self.deadline = deadline
        self._propagator = propagator
        self._host = host_of(request.url or "")
        self.headers = _Headers.of(request)
        self.headers.attempt = self
        self.copies: list[_Headers] = [self.headers]
        self.call: Call = self._begin(self.headers.mark)

    def answered(self, raw: Any, headers: Mapping[str, str], status: int) -> None:
        """The head of an answer came."""
        hops = _values(raw, headers, HOPS) if self.call.probe is not None else ()
        self.call.answered(_values(raw, headers, CLOCK), status, hops=hops)

    def again(self, response: BaseHTTPResponse | None) -> None:
        """urllib3 sends the request once more."""
        if response is None:
            self.call.failed()
        else:
            self.answered(response, response.headers, response.status)
        self.call = self._begin(self.headers.mark)

    def out_of_time(self) -> bool:
        """Is it too late for another attempt?"""
        return self.deadline is not None and is_over(self.deadline, self._propagator)

    def _begin(self, before: Mark | None) -> Call:
        call = self._propagator.call(
            self._host, resend_count=resend_count(before), method=self.request.method or "HTTP"
        )
        if call.probe is not None:
            call.authority = urlsplit(self.request.url or "").netloc.rpartition("@")[2]
        for headers in self.copies:
            headers.mark = write_attempt(headers, call, before)
        return call


class _Headers(CaseInsensitiveDict[str]):
    """The fields of a request, with a mark of the attempt that wrote them. urllib3 sends a copy of a copy of them, so
    a further attempt is written to the copies as well; and what follows a redirect or answers a challenge is sent with
    a copy, of which the mark tells what came before."""

    attempt: _Attempt | None
    """While one is on its way."""
    mark: Mark | None

    @classmethod
    def of(cls, request: requests.PreparedRequest) -> _Headers:
        """The fields of a request, which are made to remember."""
        headers: Any = request.headers
        if not isinstance(headers, _Headers):
            if type(headers) is CaseInsensitiveDict:
                headers.__class__ = _Headers
            else:
                request.headers = headers = _Headers(headers or {})
            headers.mark = headers.attempt = None
        return cast(_Headers, headers)

    def copy(self) -> _Headers:
        copied = _Headers(self)
        copied.mark, copied.attempt = self.mark, self.attempt
        if self.attempt is not None:
            self.attempt.copies.append(copied)
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return CaseInsensitiveDict, (dict(self.items()),)


_attempt: ContextVar[_Attempt | None] = ContextVar("towline_requests_attempt", default=None)


def _values(raw: Any, headers: Mapping[str, str], name: str) -> list[str]:
    """All fields of a name: `headers` would join them."""
    getlist = getattr(getattr(raw, "headers", None), "getlist", None)
    if getlist is not None:
        return list(getlist(name))
    joined = headers.get(name)
    return [] if joined is None else [joined]


class _Until(Timeout):
    """A time limit that is over with a deadline, however late an attempt begins."""

    def __init__(self, given: Timeout, deadline: float) -> None:
        super().__init__(total=given.total, connect=given._connect, read=given._read)
        self._deadline = deadline

    def clone(self) -> Timeout:
        """What urllib3 takes of it for each attempt."""
        given = self.total if isinstance(self.total, (int, float)) else None
        return Timeout(total=seconds_left(self._deadline, given), connect=self._connect, read=self._read)


def _lowered(timeout: Any, deadline: float) -> Timeout:
    """What requests takes for a time limit, lowered."""
    if isinstance(timeout, Timeout):
        return _Until(timeout, deadline)
    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    return _Until(Timeout(connect=connect, read=read), deadline)


def _give_up(raw: Any, deadline: float) -> None:
    """Ends a body that comes too slowly between two of its parts, in the way of urllib3."""
    stream = getattr(raw, "stream", None)
    if stream is None:
        return

    def until(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        for part in stream(*args, **kwargs):
            if time.monotonic() >= deadline:
                raise ReadTimeoutError(None, "", EXPIRED)  # type: ignore[arg-type]  # it is only told to the caller
            yield part

    raw.stream = until


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
            if attempt.out_of_time():
                raise MaxRetryError(kwargs.get("_pool"), url, ConnectTimeoutError(EXPIRED))  # type: ignore[arg-type]
            attempt.again(response)
        return further


def _tracked(policy: Retry) -> Retry:
    """The policy as it is, tracked; a policy of a class of its own keeps its behaviour."""
    own = type(policy)
    tracked = copy.copy(policy)
    tracked.__class__ = _Tracked if own is Retry else type(own.__name__, (_Tracked, own), {})
    return tracked


__all__ = ["instrument"]
