"""Handlers for `urllib.request`: every attempt, with redirects, is a call of its own."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from towline._attempt import Mark, resend_count
from towline._baggage import BAGGAGE
from towline._call import Call
from towline._context import CLOCK, HEADER_NAMES
from towline._deadline import EXPIRED, deadline_of, is_over, seconds_left
from towline._hosts import host_of
from towline._probe import ASKED, HOPS
from towline._propagator import Propagator, in_use

_MARK = "towline_attempt"
"""The attribute of a request that holds its attempt's mark."""


class HTTPHandler(urllib.request.HTTPHandler):
    """Opens http addresses, and tells the trace of it.

    Args:
        propagator: its settings; default: those of the current context, else `towline.default()`.
    """

    def __init__(self, propagator: Propagator | None = None) -> None:
        super().__init__()
        self._propagator = propagator

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """One attempt."""
        return _attempt(req, self._propagator, super().http_open)


class HTTPSHandler(urllib.request.HTTPSHandler):
    """`HTTPHandler` for https addresses.

    Args:
        propagator: as there.
        options: those of `urllib.request.HTTPSHandler`, for example `context`.
    """

    def __init__(self, propagator: Propagator | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._propagator = propagator

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """One attempt."""
        return _attempt(req, self._propagator, super().https_open)


def build_opener(
    *handlers: urllib.request.BaseHandler, propagator: Propagator | None = None
) -> urllib.request.OpenerDirector:
    """`urllib.request.build_opener` with the two handlers. Give it to `urllib.request.install_opener` for `urlopen`.

    Args:
        handlers: further ones.
        propagator: the settings; default: those of the current context, else `towline.default()`.

    Example:
        >>> opener = build_opener()
    """
    return urllib.request.build_opener(HTTPHandler(propagator), HTTPSHandler(propagator), *handlers)


def _attempt(
    request: urllib.request.Request,
    given: Propagator | None,
    send: Callable[[urllib.request.Request], http.client.HTTPResponse],
) -> http.client.HTTPResponse:
    propagator = in_use(given)
    if propagator.config.disabled:
        return send(request)
    deadline = deadline_of(propagator)
    if deadline is not None:
        if is_over(deadline, propagator):
            raise urllib.error.URLError(TimeoutError(EXPIRED))
        own = request.timeout if isinstance(request.timeout, (int, float)) else socket.getdefaulttimeout()
        request.timeout = seconds_left(deadline, own)
    before: Mark | None = request.__dict__.get(_MARK)
    # What follows a redirect is a request of its own, which counts the places that were seen.
    redirects: int = sum(request.__dict__.get("redirect_dict", {}).values())
    call = propagator.call(
        host_of(request.full_url), resend_count=max(resend_count(before), redirects), method=request.get_method()
    )
    if call.probe is not None:
        call.authority = request.host
    _write(request, call, before, redirected=redirects > 0)
    try:
        response = send(request)
    except BaseException as error:
        call.failed(cancelled=not isinstance(error, Exception))
        raise
    hops = response.headers.get_all(HOPS) or () if call.probe is not None else ()
    call.answered(response.headers.get_all(CLOCK) or (), response.status, hops=hops)
    return response


def _write(request: urllib.request.Request, call: Call, before: Mark | None, *, redirected: bool) -> None:
    for name in (*HEADER_NAMES, *(before.more if before else ()), *([ASKED] if call.asks_nothing else ())):
        request.remove_header(name.capitalize())
    if redirected and not call.inside:
        request.remove_header(BAGGAGE.capitalize())  # what the application set was for another host
    more = tuple(name for name in call.more if name != BAGGAGE or not request.has_header(BAGGAGE.capitalize()))
    for name, value in call.headers.items():
        if name in HEADER_NAMES or name in more:
            request.add_unredirected_header(name, value)  # a redirect decides anew for its host
    request.__dict__[_MARK] = Mark(call.host, call.resend_count, more)


__all__ = ["HTTPHandler", "HTTPSHandler", "build_opener"]
