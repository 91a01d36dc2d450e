"""Handlers for `urllib.request`: every attempt, with redirects, is a call of its own."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Callable
from typing import Any

from towline._hosts import host_of
from towline._propagator import HEADER_NAMES, Propagator, in_use


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
    call = propagator.call(host_of(request.full_url))
    for name in HEADER_NAMES:
        request.remove_header(name.capitalize())
    for name, value in call.headers.items():
        request.add_unredirected_header(name, value)  # a redirect decides anew for its host
    try:
        response = send(request)
    except BaseException as error:
        call.failed(cancelled=not isinstance(error, Exception))
        raise
    call.answered(response.headers.get_all("raceway-clock") or (), response.status)
    return response


__all__ = ["HTTPHandler", "HTTPSHandler", "build_opener"]
