"""The demo service: the contract of spec/services.md, and what each fault does on the wire."""

import itertools
import json
import os
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import CLOCK, PARENT_ID, TRACE_ID, TRACEPARENT, serving_wsgi
from towline import Clock, Order

FOLDER = Path(__file__).parents[3] / "examples" / "python-service"
HEADERS = {"traceparent": TRACEPARENT, "tracestate": "foo=1", "raceway-clock": CLOCK}
FAULTS = [
    "drop-traceparent",
    "new-trace",
    "drop-clock",
    "stale-clock",
    "drop-clock-answer",
    "stale-clock-answer",
    "wrong-parent",
    "flip-sampled",
    "drop-tracestate",
]


@contextmanager
def running(**environ: str) -> Iterator[str]:
    """The service's address, while it runs."""
    with started(environ) as process:
        assert process.stdout is not None
        match = None
        while match is None:
            line = process.stdout.readline()
            assert line, "it ended before it listened"
            match = re.fullmatch(r"(\S+) listening on (127\.0\.0\.1:\d+)\n", line)
        # What it logs must not fill its pipe.
        drain = threading.Thread(target=process.stdout.read)
        drain.start()
        try:
            yield f"http://{match[2]}"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            drain.join()


@contextmanager
def started(environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TOWLINE_", "OTEL_"))}
    process = subprocess.Popen(
        [FOLDER / "start.sh"],
        env=own | {"PORT": "0"} | environ,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running() as url:
        yield url


def post(url: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"} | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, {k.lower(): v for k, v in response.headers.items()}, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, json.load(error)


class Catcher:
    """A callee that remembers what came."""

    def __init__(self) -> None:
        self.came: list[tuple[str, dict[str, str], Any]] = []

    def __call__(self, environ: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = {
            name: environ[key]
            for name in ("traceparent", "tracestate", "raceway-clock")
            if (key := "HTTP_" + name.upper().replace("-", "_")) in environ
        }
        self.came.append((environ["PATH_INFO"], headers, json.loads(body)))
        if environ["PATH_INFO"] == "/text":
            start_response("200 OK", [("content-length", "4")])
            return [b"text"]
        start_response("200 OK", [("content-length", "13")])
        return [b'{"here":true}']


@pytest.fixture
def catcher() -> Catcher:
    return Catcher()


@pytest.fixture
def caught(catcher: Catcher) -> Iterator[str]:
    with serving_wsgi(catcher) as url:
        yield url


def test_health_is_not_traced(service: str) -> None:
    with urllib.request.urlopen(service + "/health", timeout=10) as response:
        assert json.load(response) == {"service": "python", "instance": "py-1", "status": "healthy"}
        assert "raceway-clock" not in response.headers


def test_a_request_is_told_what_it_was(service: str) -> None:
    status, headers, told = post(service + "/process", {"payload": "p", "calls": []}, HEADERS)
    assert status == 200
    assert set(told) == {
        "service",
        "instance",
        "payload",
        "trace_id",
        "span_id",
        "parent_id",
        "flags",
        "receivedHeaders",
        "clock",
        "calls",
        "downstream",
    }
    assert (told["service"], told["instance"], told["payload"]) == ("python", "py-1", "p")
    assert (told["trace_id"], told["parent_id"], told["flags"]) == (TRACE_ID, PARENT_ID, "01")
    assert told["receivedHeaders"] == HEADERS
    assert told["clock"] == f"v2;t=1c80319c, web#1/69203331:2, python#py-1/{told['span_id'][8:]}:1"
    assert headers["raceway-clock"] == told["clock"][:-1] + "2;e"
    assert (told["calls"], told["downstream"]) == ([], None)
    assert post(service + "/process", {"payload": "p"})[2]["parent_id"] is None


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_calls_are_made_and_told(service: str, catcher: Catcher, caught: str, mode: str) -> None:
    calls = [
        {"url": caught},
        {"url": caught + "/own", "payload": "own", "calls": [{"url": "http://x"}], "mode": "parallel"},
        {"url": caught + "/text"},
        {"url": "http://127.0.0.1:9"},
    ]
    _, _, told = post(service + "/process", {"payload": "p", "calls": calls, "mode": mode}, HEADERS)
    first, own, text, refused = told["calls"]
    assert [call["url"] for call in told["calls"]] == [
        caught + "/process",
        caught + "/own",
        caught + "/text",
        "http://127.0.0.1:9/process",
    ]
    bodies = {path: body for path, _, body in catcher.came}
    assert bodies["/process"] == {"payload": "p"}
    assert bodies["/own"] == {"payload": "own", "calls": [{"url": "http://x"}], "mode": "parallel"}
    wire = {path: headers for path, headers, _ in catcher.came}
    for call, path in ((first, "/process"), (own, "/own"), (text, "/text")):
        assert call["sentHeaders"] == wire[path]
        assert call["sentHeaders"]["traceparent"] == f"00-{TRACE_ID}-{call['span_id']}-01"
        assert call["answerHeaders"] == {}
    assert (first["status"], first["answer"], first["error"]) == (200, {"here": True}, None)
    for call in (text, refused):
        assert (call["status"], call["answer"]) == (None, None)
        assert call["error"]
    assert refused["span_id"] == refused["sentHeaders"]["traceparent"].split("-")[2]


def test_calls_in_parallel_are_concurrent_and_in_sequence_are_not(service: str) -> None:
    calls = [{"url": service} for _ in range(3)]
    for mode, order in (("parallel", Order.CONCURRENT), ("sequential", Order.BEFORE)):
        _, _, told = post(service + "/process", {"payload": "p", "calls": calls, "mode": mode})
        clocks = [Clock.parse(call["answer"]["clock"]) for call in told["calls"]]
        assert {a.compare(b) for a, b in itertools.combinations(clocks, 2)} == {order}
        assert all(clock.compare(Clock.parse(told["clock"])) is Order.BEFORE for clock in clocks)
        assert [call["answer"]["parent_id"] for call in told["calls"]] == [call["span_id"] for call in told["calls"]]
        assert all(call["answerHeaders"]["raceway-clock"] for call in told["calls"])


def test_the_second_form_shifts(service: str, catcher: Catcher, caught: str) -> None:
    chain = {"downstream": caught, "next_downstream": "http://b", "next_next_downstream": "http://c"}
    _, _, told = post(service + "/process", {"payload": "p"} | chain)
    assert catcher.came[0][2] == {"payload": "p", "downstream": "http://b", "next_downstream": "http://c"}
    assert told["downstream"] == {"here": True}
    assert (told["calls"][0]["answer"], told["calls"][0]["status"]) == (None, 200)


def test_the_w3c_suites_contract(service: str, catcher: Catcher, caught: str) -> None:
    calls = [{"url": caught + "/1", "arguments": []}, {"url": caught + "/2", "arguments": {"a": None, "b": [1]}}]
    status, _, told = post(service + "/test", [*calls, {"url": "http://127.0.0.1:9", "arguments": []}], HEADERS)
    assert (status, told) == (200, {})
    assert [(path, body) for path, _, body in catcher.came] == [("/1", []), ("/2", {"a": None, "b": [1]})]
    assert len({headers["traceparent"] for _, headers, _ in catcher.came}) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 5_000,
        [],
        {},
        {"payload": 5},
        {"payload": "p", "calls": {}},
        {"payload": "p", "calls": [5]},
        {"payload": "p", "calls": [{}]},
        {"payload": "p", "calls": [{"url": "file:///x"}]},
        {"payload": "p", "calls": [{"url": "http://[x"}]},
        {"payload": "p", "calls": [{"url": "http://x", "payload": 5}]},
        {"payload": "p", "calls": [{"url": "http://x", "calls": 5}]},
        {"payload": "p", "calls": [{"url": "http://x"}] * 65},
        {"payload": "p", "calls": [], "mode": "sideways"},
        {"payload": "p", "downstream": 5},
        {"payload": "p" * (1 << 20)},
    ],
    ids=str,
)
def test_what_is_not_of_the_form_is_refused(service: str, body: Any) -> None:
    status, _, told = post(service + "/process", body)
    assert status == 400
    assert set(told) == {"error"}
    assert told["error"]


def one_call(caught: str, **environ: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers of the answer, and what was told, of a request that makes one call."""
    with running(**environ) as url:
        _, headers, told = post(url + "/process", {"payload": "p", "calls": [{"url": caught}]}, HEADERS)
    return headers, told


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_on_the_wire(catcher: Catcher, caught: str, fault: str) -> None:
    answer, told = one_call(caught, TOWLINE_DEMO_FAULT=f"other:drop-clock,python:{fault}")
    (call,), ((_, sent, _),) = told["calls"], catcher.came
    assert call["sentHeaders"] == sent
    assert told["receivedHeaders"] == HEADERS
    wire = {
        "drop-traceparent": "traceparent" not in sent,
        "new-trace": told["trace_id"] != TRACE_ID and told["parent_id"] is None,
        "drop-clock": "raceway-clock" not in sent,
        "stale-clock": sent.get("raceway-clock") == CLOCK,
        "drop-clock-answer": "raceway-clock" not in answer,
        "stale-clock-answer": answer.get("raceway-clock") == CLOCK,
        "wrong-parent": sent.get("traceparent") == TRACEPARENT,
        "flip-sampled": sent.get("traceparent", "").endswith("-00"),
        "drop-tracestate": "tracestate" not in sent,
    }
    # Who saw no traceparent has nobody to answer with a clock.
    implied = {"drop-clock-answer"} if fault == "new-trace" else set()
    assert {name for name, is_seen in wire.items() if is_seen} == {fault} | implied
    assert call["span_id"] != PARENT_ID


@pytest.mark.parametrize("fault", ["python:unknown", "python", "other:", "drop-clock"])
def test_an_unknown_fault_refuses_to_start(fault: str) -> None:
    with started({"TOWLINE_DEMO_FAULT": fault}) as process:
        assert process.wait(20) != 0
        assert process.stdout is not None
        assert "TOWLINE_DEMO_FAULT" in process.stdout.read()


def test_names_are_changed_by_the_settings() -> None:
    with running(OTEL_SERVICE_NAME="renamed", TOWLINE_INSTANCE="r-1") as url:
        with urllib.request.urlopen(url + "/health", timeout=10) as response:
            told = json.load(response)
    assert (told["service"], told["instance"]) == ("renamed", "r-1")


def test_the_status_is_told_and_not_traced(service: str) -> None:
    with urllib.request.urlopen(service + "/.well-known/towline", timeout=10) as response:
        assert response.headers["cache-control"] == "no-store"
        first = json.load(response)
    assert (first["language"], first["service"], first["instance"]) == ("python", "python", "py-1")
    with urllib.request.urlopen(service + "/.well-known/towline", timeout=10) as response:
        assert json.load(response)["counters"] == first["counters"]


def test_a_probe_is_told_of_each_hop(service: str) -> None:
    with running(TOWLINE_SERVICE_NAME="second") as second:
        body = {"payload": "p", "calls": [{"url": second}, {"url": "http://127.0.0.1:9"}], "mode": "parallel"}
        _, headers, told = post(service + "/process", body, HEADERS | {"towline-probe": "1"})
    record = json.loads(headers["towline-hops"])
    assert (record["service"], record["span_id"], record["parent_id"]) == ("python", told["span_id"], PARENT_ID)
    calls = sorted(record["calls"], key=lambda call: str(call["status"]))
    assert [(call["answer"], call["hops"] and call["hops"]["service"]) for call in calls] == [
        ("joined", "second"),
        (None, None),
    ]
