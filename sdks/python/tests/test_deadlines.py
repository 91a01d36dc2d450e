"""How much time is left: read, sent, lowered, and calls that are given up when it is over."""

import asyncio
import socket
import threading
import time
import urllib.error
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry
from urllib3.util.timeout import Timeout

import towline.httpx
import towline.requests
import towline.urllib
from conftest import TRACEPARENT, propagator_of
from towline import Context, Propagator, Towline, TowlineASGI, current, with_context

PATIENT = 30
"""Seconds that a test waits for what has to end much earlier."""


@pytest.fixture
def propagator() -> Propagator:
    return propagator_of(deadlines=True)


def serve(propagator: Propagator, left: str) -> Context:
    return propagator.serve([TRACEPARENT], more={"towline-timeout": [left]})


def test_what_is_left_is_sent_on_to_hosts_of_the_list(propagator: Propagator) -> None:
    context = serve(propagator, "60000")
    remaining = context.remaining()
    assert remaining is not None
    assert 50_000 < remaining <= 60_000
    sent = context.call("localhost").headers["towline-timeout"]
    assert sent.isdecimal()
    assert 50_000 < int(sent) <= remaining
    assert "towline-timeout" not in context.call("example.com").headers


def test_time_runs(propagator: Propagator) -> None:
    context = serve(propagator, "50")
    end = time.monotonic() + 10
    while context.remaining() and time.monotonic() < end:
        threading.Event().wait(0.005)
    assert context.remaining() == 0
    assert context.call("localhost").headers["towline-timeout"] == "1"


def test_forks_have_it_and_detached_strands_do_not(propagator: Propagator) -> None:
    context = serve(propagator, "60000")
    assert context.branch().context.remaining() is not None
    assert context.branch(detached=True).context.remaining() is None
    context.end()
    assert "towline-timeout" not in context.call("localhost").headers, "the work after the answer"


def test_it_is_lowered_and_never_raised(propagator: Propagator) -> None:
    context = serve(propagator, "60000")
    context.with_timeout(90_000)
    assert context.remaining() <= 60_000  # type: ignore[operator]
    context.with_timeout(1000)
    assert context.remaining() <= 1000  # type: ignore[operator]
    own = propagator.new_trace()
    assert own.remaining() is None
    own.with_timeout(1000)
    assert 0 < own.remaining() <= 1000  # type: ignore[operator]


def test_what_cannot_be_read_is_no_limit(propagator: Propagator) -> None:
    assert serve(propagator, "1e3").remaining() is None
    assert propagator.counters["timeout/malformed"] == 1
    assert propagator.serve([TRACEPARENT], more={"grpc-timeout": ["1M"]}).remaining() > 50_000  # type: ignore[operator]


def test_off_it_is_neither_read_nor_kept_nor_sent() -> None:
    context = serve(propagator_of(), "60000")
    context.with_timeout(1000)
    assert context.remaining() is None
    assert "towline-timeout" not in context.call("localhost").headers


def test_servers_read_it(
    propagator: Propagator, serve_wsgi: Callable[[Any], str], serve_asgi: Callable[[Any], str]
) -> None:
    seen: list[float | None] = []

    def note() -> None:
        context = current()
        assert context is not None
        seen.append(context.remaining())

    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        note()
        start_response("200 OK", [("content-length", "0")])
        return []

    async def asgi(_: Any, __: Any, send: Any) -> None:
        note()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    for url in (serve_wsgi(Towline(app, propagator)), serve_asgi(TowlineASGI(asgi, propagator))):
        requests.get(url, headers={"towline-timeout": "60000"}, timeout=PATIENT)
        requests.get(url, headers={"towline-timeout": "60000, 5"}, timeout=PATIENT)
    assert [left is not None and left > 50_000 for left in seen] == [True, False] * 2
    assert propagator.counters["timeout/malformed"] == 2


@contextmanager
def silent(head: bytes = b"", dribble: bytes = b"") -> Iterator[str]:
    """A server that takes connections and answers with a head at most, and then a part now and then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                try:
                    connection.recv(65536)
                    connection.sendall(head)
                    for _ in range(200 if dribble else 0):
                        if over.wait(0.02):
                            return
                        connection.sendall(dribble)
                    if dribble:
                        connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


def by_requests(propagator: Propagator, url: str) -> None:
    with towline.requests.instrument(requests.Session(), propagator) as session:
        session.get(url, timeout=PATIENT)


def by_httpx(propagator: Propagator, url: str) -> None:
    with towline.httpx.instrument(httpx.Client(timeout=PATIENT), propagator) as client:
        client.get(url)


def by_async_httpx(propagator: Propagator, url: str) -> None:
    async def fetch() -> None:
        async with towline.httpx.instrument(httpx.AsyncClient(timeout=PATIENT), propagator) as client:
            await client.get(url)

    asyncio.run(fetch())


def by_urllib(propagator: Propagator, url: str) -> None:
    with towline.urllib.build_opener(propagator=propagator).open(url, timeout=PATIENT) as response:
        response.read()


Fetch = Callable[[Propagator, str], None]
OWN = {
    by_requests: requests.Timeout,
    by_httpx: httpx.TimeoutException,
    by_async_httpx: httpx.TimeoutException,
    by_urllib: (urllib.error.URLError, TimeoutError),
}
clients = pytest.mark.parametrize("fetch", OWN)


def fails_in_time(fetch: Fetch, propagator: Propagator, url: str, error: Any, milliseconds: str = "300") -> Context:
    context = serve(propagator, milliseconds)
    start = time.monotonic()
    with pytest.raises(error):
        with_context(context, fetch, propagator, url)
    assert time.monotonic() - start < PATIENT / 3
    return context


@clients
def test_a_call_is_given_up_when_the_time_is_over(fetch: Fetch, propagator: Propagator) -> None:
    with silent() as url:
        fails_in_time(fetch, propagator, url, OWN[fetch])
    assert propagator.counters["call_sent"] == propagator.counters["call_answered"] == 1


@clients
def test_no_call_is_made_without_time(fetch: Fetch, propagator: Propagator) -> None:
    context = serve(propagator, "1")
    while context.remaining():
        threading.Event().wait(0.001)
    with pytest.raises(OWN[fetch]):
        with_context(context, fetch, propagator, "http://127.0.0.1:9/")
    assert (propagator.counters["call_sent"], propagator.counters["timeout/expired"]) == (0, 1)
    assert context.stamp().tick == 1


@pytest.mark.parametrize("fetch", [by_requests, by_httpx, by_async_httpx])
def test_a_body_that_drips_is_given_up_too(fetch: Fetch, propagator: Propagator) -> None:
    # In requests, a timeout inside a body is a ConnectionError.
    error = requests.ConnectionError if fetch is by_requests else httpx.ReadTimeout
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with silent(head, b"1\r\nx\r\n") as url:
        fails_in_time(fetch, propagator, url, error)


def test_retries_of_requests_end_with_the_time(propagator: Propagator) -> None:
    def fetch(propagator: Propagator, url: str) -> None:
        session = towline.requests.instrument(requests.Session(), propagator)
        session.mount("http://", HTTPAdapter(max_retries=Retry(total=1000, backoff_factor=0)))
        session.get(url, timeout=Timeout(read=0.05, total=PATIENT))

    with silent() as url:
        context = fails_in_time(fetch, propagator, url, requests.ConnectTimeout, "400")
    assert propagator.counters["timeout/expired"] == 1
    assert 1 < propagator.counters["call_sent"] == propagator.counters["call_answered"] < 20
    assert context.remaining() == 0


def test_adapters_of_others_are_told_seconds(propagator: Propagator) -> None:
    told: list[Any] = []

    class Canned(requests.adapters.BaseAdapter):
        def send(self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, **_: Any) -> Any:
            told.append(timeout)
            response = requests.Response()
            response.status_code = 200
            response.request = request
            return response

        def close(self) -> None:
            pass

    with towline.requests.instrument(requests.Session(), propagator) as session:
        session.mount("canned://", Canned())
        with_context(serve(propagator, "60000"), session.get, "canned://db", timeout=(500, 400))
        with_context(serve(propagator, "60000"), session.get, "canned://db", timeout=5)
        session.get("canned://db", timeout=7)
    assert 50 < told[0] <= 60
    assert told[1:] == [5, 7]
