"""What is on the wire, recorded, and the faults that can be switched on (spec/services.md, "Faults").

Both sit between Towline and the wire: `Wire` is outside the middleware, `WireAdapter` below the client.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

import requests
from requests.adapters import HTTPAdapter

NAMES = ("traceparent", "tracestate", "raceway-clock")
FAULTS = frozenset(
    (
        "drop-traceparent",
        "new-trace",
        "drop-clock",
        "stale-clock",
        "drop-clock-answer",
        "stale-clock-answer",
        "wrong-parent",
        "flip-sampled",
        "drop-tracestate",
    )
)

_received: ContextVar[dict[str, str]] = ContextVar("received", default={})  # noqa: B039  # never changed
_faults: frozenset[str] = frozenset()


def configured(service: str) -> frozenset[str]:
    """The faults of this service in TOWLINE_DEMO_FAULT; the program ends where it is not understood."""
    global _faults
    mine = set()
    for entry in filter(None, (e.strip() for e in os.environ.get("TOWLINE_DEMO_FAULT", "").split(","))):
        name, colon, fault = entry.partition(":")
        if not colon or fault not in FAULTS:
            raise SystemExit(f"TOWLINE_DEMO_FAULT: {entry!r} is not SERVICE:FAULT of a known fault")
        if name == service:
            mine.add(fault)
    _faults = frozenset(mine)
    return _faults


def received() -> dict[str, str]:
    """What the request being served carried."""
    return _received.get()


def seen(headers: Mapping[str, str]) -> dict[str, str]:
    """Of these headers, ours."""
    return {name: headers[name] for name in NAMES if name in headers}


def sent(request: Any) -> dict[str, Any]:
    """What a call's request carried, and the client span that the middleware had made for it."""
    return getattr(request, "wire", None) or {"span_id": None, "sentHeaders": {}}


class Wire:
    """Around the middleware: records what came in, and spoils requests and answers."""

    def __init__(self, app: Callable[..., Iterable[bytes]], faults: frozenset[str]) -> None:
        self.app = app
        self.faults = faults

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == "/health":
            return self.app(environ, start_response)
        keys = {name: "HTTP_" + name.upper().replace("-", "_") for name in NAMES}
        came = {name: environ[key] for name, key in keys.items() if key in environ}
        if "new-trace" in self.faults:
            environ.pop("HTTP_TRACEPARENT", None)

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            return start_response(status, self._answer(headers, came), *exc_info)

        before = _received.get()
        _received.set(came)
        try:
            return self.app(environ, start)
        finally:
            _received.set(before)

    def _answer(self, headers: list[tuple[str, str]], came: dict[str, str]) -> list[tuple[str, str]]:
        if not self.faults & {"drop-clock-answer", "stale-clock-answer"}:
            return headers
        headers = [(name, value) for name, value in headers if name.lower() != "raceway-clock"]
        if "stale-clock-answer" in self.faults and "raceway-clock" in came:
            headers.append(("raceway-clock", came["raceway-clock"]))
        return headers


class WireAdapter(HTTPAdapter):
    """Below the client: spoils what goes out, and records it on the request."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        headers, came = request.headers, received()
        written = headers.get("traceparent", "").split("-")
        if "drop-traceparent" in _faults:
            headers.pop("traceparent", None)
        elif len(written) == 4:
            version, trace, parent, flags = written
            if "wrong-parent" in _faults and came.get("traceparent", "").count("-") >= 3:
                parent = came["traceparent"].split("-")[2]
            if "flip-sampled" in _faults:
                flags = f"{int(flags, 16) ^ 1:02x}"
            headers["traceparent"] = "-".join((version, trace, parent, flags))
        if "drop-clock" in _faults:
            headers.pop("raceway-clock", None)
        if "stale-clock" in _faults and "raceway-clock" in came:
            headers["raceway-clock"] = came["raceway-clock"]
        if "drop-tracestate" in _faults:
            headers.pop("tracestate", None)
        record = {"span_id": written[2] if len(written) == 4 else None, "sentHeaders": seen(headers)}
        request.wire = record  # type: ignore[attr-defined]  # a request is the one thing that both ends of a call see
        return super().send(request, *args, **kwargs)
