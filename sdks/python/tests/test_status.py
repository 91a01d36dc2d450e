"""The counters' summary, and the handlers that answer with it."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Mount

from conftest import CLOCK, TRACE_ID, TRACEPARENT, propagator_of
from towline import (
    STATUS_PATH,
    Propagator,
    Towline,
    TowlineASGI,
    status,
    status_app,
    status_asgi,
    status_view,
    without_health_checks,
)


def test_the_summary_says_what_happened() -> None:
    propagator = propagator_of(header_bytes_max=110)
    context = propagator.serve([TRACEPARENT], ["towline=nonsense"])
    propagator.serve([])
    propagator.serve([], clock=["v2"])
    propagator.serve([TRACEPARENT], clock=["nonsense"])
    propagator.serve([TRACEPARENT, TRACEPARENT])
    propagator.serve([TRACEPARENT], clock=[CLOCK]).end("cancelled")
    call = context.call("localhost")
    call.answered([call.headers["raceway-clock"].replace(';x="2"', ", callee#1/00000001:2;e")])
    context.call("localhost").answered([])
    context.call("example.com").failed()
    propagator.call("localhost").failed()
    for _ in range(30):
        context.call("localhost").failed()
        context.event()
    summary = propagator.counters.summary()
    assert summary == {
        "received": 6,
        "continued": 3,
        "restarted": {"absent": 2, "duplicate": 1},
        "cancelled": 1,
        "clock_dropped": {"malformed": 1, "no_traceparent": 1, "version": 1},
        "clock_cut": summary["clock_cut"],
        "sent": 33,
        "not_sent": {"withheld": 1},
        "no_context": 1,
        "joined": 1,
        "lost": {"absent": 1},
    }
    assert 0 < summary["clock_cut"] < 30


def test_a_branch_that_is_given_up_is_no_caller_that_went(propagator: Propagator) -> None:
    propagator.serve([TRACEPARENT]).branch().end("cancelled")
    assert propagator.counters.summary()["cancelled"] == 0


def check(came: Any, propagator: Propagator) -> None:
    assert set(came) == {"towline", "language", "service", "instance", "uptime_ms", "settings", "counters"}
    assert (came["language"], came["service"], came["instance"]) == ("python", "shop", "1")
    assert came["uptime_ms"] >= 0
    assert came["settings"] == {
        "disabled": False,
        "clock": "auto",
        "tracestate": True,
        "propagators": ["tracecontext", "baggage"],
        "propagate_to": "local",
        "traceparent_to": "*",
        "sampled": True,
        "trust": "continue",
        "trace_response": False,
        "deadlines": False,
        "hash_labels": False,
        "probe": "loopback",
        "header_bytes_max": 4096,
        "levels_max": 64,
        "forks_max": 65536,
    }
    assert came["counters"] == propagator.counters.summary()


def get(url: str) -> Any:
    request = urllib.request.Request(url + STATUS_PATH, headers={"traceparent": TRACEPARENT})
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        return json.load(response)


def test_a_wsgi_application(propagator: Propagator, serve_wsgi: Callable[[Any], str]) -> None:
    propagator.serve([])
    check(get(serve_wsgi(status_app(propagator))), propagator)


def test_an_asgi_application(propagator: Propagator, serve_asgi: Callable[[Any], str]) -> None:
    propagator.serve([])
    app = Starlette(routes=[Mount(STATUS_PATH, status_asgi(propagator))])
    check(get(serve_asgi(app)), propagator)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(status_asgi(propagator)({"type": "http", "method": "HEAD"}, None, send))
    assert sent[1]["body"] == b""
    asyncio.run(status_asgi(propagator)({"type": "lifespan"}, None, send))
    assert len(sent) == 2


def test_a_view_of_flask_that_is_not_traced(recorder: Any, serve_wsgi: Callable[[Any], str]) -> None:
    propagator = propagator_of(recorder, filter=without_health_checks)
    app = Flask("shop")
    app.add_url_rule(STATUS_PATH, view_func=status_view(propagator))
    app.wsgi_app = Towline(app.wsgi_app, propagator)  # type: ignore[method-assign]
    came = get(serve_wsgi(app))
    check(came, propagator)
    assert came["counters"]["received"] == 0


def test_no_secret_is_in_it() -> None:
    propagator = propagator_of(probe="s3cret", propagate_to=["Example.com", "*"], trust=lambda _: None)
    text = json.dumps(status(propagator))
    assert "s3cret" not in text
    settings = status(propagator)["settings"]
    assert (settings["probe"], settings["propagate_to"], settings["trust"]) == (
        "token",
        "local,example.com,*",
        "function",
    )


@pytest.mark.parametrize("propagators", [["none"], []])
def test_what_is_set_is_told(propagators: list[str]) -> None:
    assert status(propagator_of(propagators=propagators, probe="OFF"))["settings"]["propagators"] == []


def test_asgi_middleware_and_wsgi_middleware_count_in_the_same_words(
    propagator: Propagator, serve_asgi: Callable[[Any], str], serve_wsgi: Callable[[Any], str]
) -> None:
    get(serve_asgi(TowlineASGI(status_asgi(propagator), propagator)))
    get(serve_wsgi(Towline(status_app(propagator), propagator)))
    summary = propagator.counters.summary()
    assert (summary["received"], summary["continued"], summary["restarted"]) == (2, 2, {})
    assert TRACE_ID in TRACEPARENT
