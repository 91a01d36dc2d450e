"""A minimal ASGI application, called with a scope: no sockets. All requests of a round in one task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from bench.flask_table import check_answer, hops_of, towline_carries
from bench.inbound import Inbound, inbound
from bench.job import Job, expect
from towline import Config, Propagator, TowlineASGI

HEAD = [(b"content-type", b"text/plain"), (b"content-length", b"6")]


def scope_of(came: Inbound, item: int) -> dict[str, Any]:
    """What a server makes of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": f"/items/{item}",
        "raw_path": f"/items/{item}".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), *((name.encode(), value.encode()) for name, value in came.fields)],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }


def make(variant: str) -> Job:
    """One variant."""
    probes: list[Callable[[], None]] = []

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        for probe in probes:
            probe()
        await send({"type": "http.response.start", "status": 200, "headers": HEAD.copy()})
        await send({"type": "http.response.body", "body": b"a body"})

    app: Any = bare
    carries: Callable[[], str | None] = lambda: None  # noqa: E731
    if variant.startswith("otel"):
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

        from bench.rivals import OpenTelemetry

        rival = OpenTelemetry(variant)
        excluded: Any = ["receive", "send"] if "no send spans" in variant else None
        app = OpenTelemetryMiddleware(bare, tracer_provider=rival.provider, exclude_spans=excluded)
        carries = rival.injected
    elif variant.startswith("towline"):
        app = TowlineASGI(bare, Propagator(Config(service_name="bench", environ={})))
        carries = towline_carries

    came = inbound(hops_of(variant))
    scopes = [scope_of(request, i) for i, request in enumerate(came)]
    loop = asyncio.new_event_loop()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def check_all() -> None:
        for request, scope in zip(came, scopes, strict=True):
            sent: list[Any] = []
            seen: list[str | None] = []
            probes[:] = [lambda seen=seen: seen.append(carries())]  # type: ignore[misc]

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            await app(dict(scope), receive, send)
            expect("messages", [m["type"] for m in sent], ["http.response.start", "http.response.body"])
            clock = dict(sent[0]["headers"]).get(b"raceway-clock")
            check_answer(variant, request, seen[0], clock.decode() if clock else None)
        probes.clear()

    async def run_all() -> None:
        async def send(message: Any) -> None:
            pass

        for scope in scopes:
            await app(scope.copy(), receive, send)

    return Job(
        lambda: loop.run_until_complete(check_all()),
        lambda: lambda: loop.run_until_complete(run_all()),
        len(scopes),
        6,
    )
