"""What a running service says of its tracing (edge.md, "Status"): mount one of these at `STATUS_PATH`."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from towline._config import STATUS_PATH, Config
from towline._propagator import Propagator, default
from towline._version import VERSION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_FIELDS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


def status(propagator: Propagator | None = None) -> dict[str, Any]:
    """What the handlers answer, as data. No secrets are in it.

    Args:
        propagator: whose settings and counters; default: `towline.default()`.
    """
    propagator = propagator or default()
    config = propagator.config
    return {
        "towline": VERSION,
        "language": "python",
        "service": config.service_name,
        "instance": config.instance,
        "uptime_ms": int((time.monotonic() - propagator.started) * 1000),
        "settings": _settings(config),
        "counters": propagator.counters.summary(),
    }


def status_app(propagator: Propagator | None = None) -> WSGIApplication:
    """A WSGI application that answers every request with the status.

    Args:
        propagator: whose settings and counters; default: `towline.default()`, when it is asked.
    """

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = _body(propagator)
        start_response("200 OK", [*_FIELDS, ("Content-Length", str(len(body)))])
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]

    return app


def status_asgi(
    propagator: Propagator | None = None,
) -> Callable[[MutableMapping[str, Any], Any, Callable[[MutableMapping[str, Any]], Awaitable[None]]], Awaitable[None]]:
    """An ASGI application that answers every request with the status: for Starlette's and FastAPI's `mount`.

    Args:
        propagator: as for `status_app`.
    """

    async def app(
        scope: MutableMapping[str, Any], receive: Any, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        body = _body(propagator)
        fields = [*_FIELDS, ("Content-Length", str(len(body)))]
        headers = [(name.lower().encode(), value.encode()) for name, value in fields]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else body})

    return app


def status_view(propagator: Propagator | None = None) -> Callable[[], tuple[bytes, int, dict[str, str]]]:
    """A view function for Flask: `app.add_url_rule(STATUS_PATH, "towline", status_view())`.

    Args:
        propagator: as for `status_app`.
    """

    def towline_status() -> tuple[bytes, int, dict[str, str]]:
        return _body(propagator), 200, dict(_FIELDS)

    return towline_status


def _body(propagator: Propagator | None) -> bytes:
    return json.dumps(status(propagator)).encode()


def _settings(config: Config) -> dict[str, Any]:
    return {
        "disabled": config.disabled,
        "clock": config.clock,
        "tracestate": config.tracestate,
        "propagators": list(config.propagators),
        "propagate_to": ",".join(["local", *config.propagate_to.entries]),
        "traceparent_to": ",".join(config.traceparent_to.entries),
        "sampled": config.sampled,
        "trust": "continue" if config.trust is None else "function",
        "trace_response": config.trace_response,
        "deadlines": config.deadlines,
        "hash_labels": config.hash_labels,
        "probe": config.probe if config.probe in ("loopback", "off") else "token",
        "header_bytes_max": config.limits.header_bytes_max,
        "levels_max": config.limits.levels_max,
        "forks_max": config.limits.forks_max,
    }


__all__ = ["STATUS_PATH", "status", "status_app", "status_asgi", "status_view"]
