"""Hop records: who is told, what is in them, and through which clients they come back."""

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest
import requests

import towline.httpx
import towline.requests
import towline.urllib
from conftest import CLOCK, PARENT_ID, TRACEPARENT, propagator_of
from towline import Propagator, Towline, TowlineASGI, Trust, current
from towline._probe import BYTES_MAX, may_ask


@pytest.mark.parametrize(
    ("setting", "values", "peer", "told"),
    [
        ("loopback", ["1"], "127.0.0.1", True),
        ("loopback", [" 1\t"], "::1", True),
        ("loopback", ["1"], "::ffff:127.8.0.1", True),
        ("loopback", ["1"], "10.0.0.1", False),
        ("loopback", ["1"], "", False),
        ("loopback", ["1"], "localhost", False),
        ("loopback", ["2"], "127.0.0.1", False),
        ("loopback", ["1", "1"], "127.0.0.1", False),
        ("off", ["1"], "127.0.0.1", False),
        ("off", ["off"], "127.0.0.1", False),
        ("s3cret", ["s3cret"], "8.8.8.8", True),
        ("s3cret", ["1"], "127.0.0.1", False),
        ("s3cret", ["s3crets"], "", False),
        ("gehé", ["gehÃ©"], "", True),
        ("gehé", ["geh\u4e00"], "", False),
    ],
)
def test_who_may_ask(setting: str, values: list[str], peer: str, told: bool) -> None:
    assert may_ask(setting, values, peer) is told


def asked(propagator: Propagator, traceparent: str = TRACEPARENT, clock: str = CLOCK, state: str = "") -> Any:
    """The record of a request that asks."""
    context = propagator.serve(
        [traceparent] if traceparent else [],
        [state] if state else [],
        [clock] if clock else [],
        peer="127.0.0.1",
        more={"towline-probe": ["1"]},
    )
    assert context.along is not None
    assert context.along.probe is not None
    text = context.along.probe.record(context)
    assert text is not None
    record = json.loads(text)
    assert (record["trace_id"], record["span_id"]) == (context.trace_id, context.span_id)
    return record


@pytest.mark.parametrize(
    ("came", "restarted", "clock", "parent_id"),
    [
        ({}, None, "continued", PARENT_ID),
        ({"clock": ""}, None, "first", PARENT_ID),
        ({"clock": "", "state": "towline=69203331:2"}, None, "member", PARENT_ID),
        ({"clock": "", "state": "towline=no"}, None, "malformed", PARENT_ID),
        ({"clock": "v2"}, None, "version", PARENT_ID),
        ({"traceparent": "", "clock": ""}, "absent", "first", None),
        ({"traceparent": "nonsense"}, "malformed", "no_traceparent", None),
    ],
)
def test_a_record_says_what_became_of_it(
    propagator: Propagator, came: dict[str, str], restarted: str | None, clock: str, parent_id: str | None
) -> None:
    record = asked(propagator, **came)
    assert (record["restarted"], record["clock"], record["parent_id"]) == (restarted, clock, parent_id)
    assert (record["service"], record["instance"], record["calls"]) == ("shop", "1", [])
    assert record["flags"] == ("01" if restarted is None else "03")


@pytest.mark.parametrize("action", ["restart", "ignore"])
def test_a_parent_that_is_not_trusted_is_told_all_the_same(action: Any) -> None:
    record = asked(propagator_of(trust=lambda _: Trust(action)))
    assert (record["restarted"], record["clock"], record["parent_id"]) == ("untrusted", "untrusted", PARENT_ID)


def replying(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("content-length", "2")])
    return [b"hi"]


Fetch = Callable[[str], None]


def by_requests(url: str) -> None:
    with towline.requests.instrument(requests.Session()) as session:
        session.get(url, timeout=10)


def by_httpx(url: str) -> None:
    with towline.httpx.instrument(httpx.Client()) as client:
        client.get(url)


def by_urllib(url: str) -> None:
    with towline.urllib.build_opener().open(url, timeout=10) as response:
        response.read()


def probe(url: str, **headers: str) -> Any:
    fields = {"traceparent": TRACEPARENT, "raceway-clock": CLOCK, "towline-probe": "1"} | headers
    with urllib.request.urlopen(urllib.request.Request(url, headers=fields), timeout=10) as response:
        hops = response.headers.get_all("towline-hops")
        return json.loads(hops[0]) if hops else None


@pytest.mark.parametrize("fetch", [by_requests, by_httpx, by_urllib])
def test_a_chain_says_what_each_saw(fetch: Fetch, serve_wsgi: Callable[[Any], str]) -> None:
    last = serve_wsgi(Towline(replying, propagator_of(service_name="last")))

    def calling(environ: Any, start_response: Any) -> Iterable[bytes]:
        fetch(last)
        with pytest.raises((OSError, httpx.HTTPError)):
            fetch("http://127.0.0.1:9/")
        return replying(environ, start_response)

    record = probe(serve_wsgi(Towline(calling, propagator_of(service_name="first"))))
    answered, failed = record["calls"]
    assert answered["host"] == last.removeprefix("http://")
    assert (answered["status"], answered["answer"]) == (200, "joined")
    assert answered["hops"]["service"] == "last"
    assert answered["hops"]["parent_id"] == answered["span_id"]
    assert answered["hops"]["clock"] == "continued"
    assert (failed["host"], failed["status"], failed["answer"], failed["hops"]) == ("127.0.0.1:9", None, None, None)


def test_asgi_servers_and_asynchronous_clients_do_so_too(
    serve_asgi: Callable[[Any], str], serve_wsgi: Callable[[Any], str]
) -> None:
    last = serve_wsgi(Towline(replying, propagator_of(service_name="last")))
    client = towline.httpx.instrument(httpx.AsyncClient())

    async def app(_: Any, __: Any, send: Any) -> None:
        await client.get(last)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hi"})

    record = probe(serve_asgi(TowlineASGI(app, propagator_of(service_name="first"))))
    assert [call["hops"]["service"] for call in record["calls"]] == ["last"]
    asyncio.run(client.aclose())


def test_nobody_else_is_told_anything(serve_wsgi: Callable[[Any], str]) -> None:
    came: list[Any] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        context = current()
        assert context is not None
        came.append(context.call("localhost").headers.get("towline-probe"))
        return replying(environ, start_response)

    with_token = serve_wsgi(Towline(app, propagator_of(probe="s3cret")))
    assert probe(with_token) is None
    assert probe(serve_wsgi(Towline(app, propagator_of(probe="off")))) is None
    assert probe(serve_wsgi(Towline(app, propagator_of())), **{"towline-probe": "0"}) is None
    assert probe(with_token, **{"towline-probe": "s3cret"})["service"] == "shop"
    assert came == [None, None, None, "s3cret"]


def test_the_question_goes_to_hosts_of_the_list_alone(propagator: Propagator) -> None:
    context = propagator.serve([TRACEPARENT], peer="127.0.0.1", more={"towline-probe": ["1"]})
    assert context.call("localhost").headers["towline-probe"] == "1"
    assert "towline-probe" not in context.call("example.com").headers
    assert context.branch().context.call("db").headers["towline-probe"] == "1"


def test_nothing_is_told_to_shared_caches(serve_wsgi: Callable[[Any], str]) -> None:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("cache-control", "public"), ("content-length", "2")])
        return [b"hi"]

    assert probe(serve_wsgi(Towline(app, propagator_of()))) is None


def test_a_record_is_bounded(propagator: Propagator) -> None:
    context = propagator.serve([TRACEPARENT], peer="127.0.0.1", more={"towline-probe": ["1"]})
    assert context.along is not None
    asking = context.along.probe
    assert asking is not None
    for _ in range(50):
        call = context.call("localhost")
        call.answered([], 200, hops=[json.dumps({"service": "x" * 100})])
    text = asking.record(context)
    assert text is not None
    assert len(text) < BYTES_MAX
    assert (json.loads(text)["calls"], json.loads(text)["cut"]) == ([], True)
    assert len(asking._calls) < 50
    long = propagator_of(service_name="é" * 1000).serve([], peer="127.0.0.1", more={"towline-probe": ["1"]})
    assert long.along is not None
    assert long.along.probe is not None
    assert long.along.probe.record(long) is None


@pytest.mark.parametrize(
    "hops",
    [
        [],
        ["{}", "{}"],
        ["nonsense"],
        ["[1]"],
        ['{"a": NaN}'],
        ["{" * 6000],
        ["[" * 6000],
        ['{"a": "é"}'],
        ['{"a": "' + "x" * 6000 + '"}'],
        ['{"a": 1}\r\nx: y'],
    ],
)
def test_what_a_callee_says_is_checked(propagator: Propagator, hops: list[str]) -> None:
    context = propagator.serve([TRACEPARENT], peer="127.0.0.1", more={"towline-probe": ["1"]})
    context.call("localhost:1").answered([], 200, hops=hops)
    assert context.along is not None
    assert context.along.probe is not None
    text = context.along.probe.record(context)
    assert text is not None
    assert json.loads(text)["calls"][0]["hops"] is None
