"""Flask, called with a WSGI environ: no sockets."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from bench.inbound import Inbound, inbound
from bench.job import Job, WrongOutputError, expect, expect_child
from towline import Clock, Config, Order, Propagator, Towline, current


def hops_of(variant: str) -> int:
    """How many hops the clock of a variant's requests has."""
    return int(variant.split()[1]) if variant.endswith("hops") else 0


def application() -> tuple[Flask, list[Callable[[], None]]]:
    """A route, and a list of what it calls in checks."""
    app = Flask("bench")
    probes: list[Callable[[], None]] = []

    @app.get("/items/<int:item>")
    def items(item: int) -> str:
        for probe in probes:
            probe()
        return "a body"

    return app, probes


def wrap(app: Flask, variant: str) -> Callable[[], str | None]:
    """Gives the application what the variant is of; and what a call made in it would carry."""
    if variant.startswith("otel"):
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        from bench.rivals import OpenTelemetry

        rival = OpenTelemetry(variant)
        FlaskInstrumentor().instrument_app(app, tracer_provider=rival.provider)
        return rival.injected
    if variant.startswith("towline"):
        app.wsgi_app = Towline(app.wsgi_app, Propagator(Config(service_name="bench", environ={})))  # type: ignore
        return towline_carries
    return lambda: None


def towline_carries() -> str | None:
    """The `traceparent` of a call made here."""
    context = current()
    return context.call("127.0.0.1").headers["traceparent"] if context else None


def environ_of(came: Inbound, item: int) -> dict[str, Any]:
    """What a server makes of a request."""
    environ = EnvironBuilder(f"/items/{item}", headers=came.fields).get_environ()
    return environ | {"REMOTE_ADDR": "127.0.0.1", "wsgi.input": BytesIO()}


def make(variant: str) -> Job:
    """One variant."""
    app, probes = application()
    carries = wrap(app, variant)
    came = inbound(hops_of(variant))
    environs = [environ_of(request, i) for i, request in enumerate(came)]

    def serve(environ: dict[str, Any], start: Callable[..., Any]) -> bytes:
        body = app(environ.copy(), start)
        data = b"".join(body)
        body.close()  # type: ignore[attr-defined]
        return data

    def check() -> None:
        seen: list[str | None] = []
        probes.append(lambda: seen.append(carries()))
        for request, environ in zip(came, environs, strict=True):
            answered: list[Any] = []
            seen.clear()
            expect("body", serve(environ, lambda *head: answered.append(head)), b"a body")  # noqa: B023
            expect("status", answered[0][0], "200 OK")
            check_answer(variant, request, seen[0], dict(answered[0][1]).get("raceway-clock"))
        probes.clear()

    def prepare() -> Callable[[], None]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            pass

        def run() -> None:
            for environ in environs:
                serve(environ, start)

        return run

    return Job(check, prepare, len(environs), 2)


def check_answer(variant: str, came: Inbound, carried: str | None, clock: str | None) -> None:
    """Is what the handler would send on, and what its caller gets, what it has to be?"""
    if variant == "bare":
        expect("traceparent", carried, None)
    else:
        expect_child("traceparent", carried, came.trace_id, came.parent_id)
    if came.clock is None:
        expect("raceway-clock", clock, None)
        return
    if clock is None:
        raise WrongOutputError("no raceway-clock")
    answered = Clock.parse(clock, came.trace_id)
    expect("order", came.clock.compare(answered), Order.BEFORE)
    expect("ended", answered.ended, True)
    expect("levels", len(answered.hops), len(came.clock.hops) + 1)
    expect("service", answered.hops[-1].service, "bench")
