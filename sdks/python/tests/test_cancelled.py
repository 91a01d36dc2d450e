"""The caller goes before the answer is complete: seen, counted, and told to the handler."""

import asyncio
import http.client
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from waitress import wasyncore
from waitress.server import create_server

from conftest import TRACEPARENT, Recorder, wait_for
from towline import Cancelled, Propagator, Towline, TowlineASGI, current, fork


@contextmanager
def serving_waitress(app: Any, **settings: Any) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server: Any = create_server(app, sockets=[listener], threads=4, clear_untrusted_proxy_headers=True, **settings)
    running = threading.Event()

    def run() -> None:
        while not running.is_set():
            server.asyncore.loop(timeout=0.02, count=1, map=server._map, use_poll=server.adj.asyncore_use_poll)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        running.set()
        thread.join()
        server.task_dispatcher.shutdown()
        wasyncore.close_all(server._map)


def ask(url: str, path: str = "/", body: bytes | None = None) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET" if body is None else "POST", path, body, headers={"traceparent": TRACEPARENT})
    return connection


def cancelled() -> Cancelled:
    context = current()
    assert context is not None
    return context.cancelled


def test_waitress_tells_a_handler_that_looks(propagator: Propagator, recorder: Recorder) -> None:
    entered, told = threading.Event(), threading.Event()

    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        entered.set()
        if cancelled().wait(10) and fork(cancelled).result():
            told.set()
        start_response("200 OK", [("content-length", "0")])
        return []

    with serving_waitress(Towline(app, propagator), channel_request_lookahead=1) as url:
        connection = ask(url)
        assert entered.wait(10)
        connection.close()
        assert told.wait(10)
        wait_for(lambda: recorder.outcomes()[-1:] == ["cancelled"])
    assert propagator.counters.summary()["cancelled"] == 1


def test_waitress_closes_a_body_whose_caller_goes(propagator: Propagator, recorder: Recorder) -> None:
    sources: list[Cancelled] = []

    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        sources.append(cancelled())
        while True:
            yield b"x" * 65536

    with serving_waitress(Towline(app, propagator)) as url:
        connection = ask(url)
        assert connection.getresponse().read(1000)
        connection.close()
        wait_for(lambda: recorder.outcomes() == ["cancelled"])
    assert sources[0].is_set()
    assert propagator.counters.summary()["cancelled"] == 1


def test_where_nobody_tells_it_is_never_set(propagator: Propagator) -> None:
    context = propagator.serve([TRACEPARENT])
    assert context.cancelled is context.cancelled
    assert not context.cancelled
    assert not context.cancelled.wait(0)
    context.end()
    assert not context.cancelled.is_set()


def test_a_poll_is_waited_for_no_longer_than_was_said() -> None:
    asked: list[int] = []

    def poll() -> bool:
        asked.append(1)
        return len(asked) > 3

    source = Cancelled(poll)
    assert not source.wait(0)
    assert source.wait()
    assert source.wait(0)
    count = len(asked)
    assert source, "once it has gone, it is not asked again"
    assert len(asked) == count


@pytest.fixture
def seen() -> list[str]:
    return []


async def gone(source: Cancelled) -> None:
    for _ in range(2000):
        if source:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody told")


def fastapi_app(propagator: Propagator, entered: threading.Event, seen: list[str]) -> FastAPI:
    app = FastAPI()
    app.add_middleware(TowlineASGI, propagator=propagator)

    @app.get("/async")
    async def asynchronous() -> Response:
        source = cancelled()
        entered.set()
        await gone(source)
        seen.append("async")
        return PlainTextResponse("late")

    @app.get("/sync")
    def synchronous() -> Response:
        source = cancelled()
        entered.set()
        if source.wait(10):
            seen.append("sync")
        return PlainTextResponse("late")

    @app.post("/body")
    async def body(request: Request) -> Response:
        source = cancelled()
        data = await request.body()
        seen.append(str(len(data)))
        entered.set()
        await gone(source)
        seen.append("body")
        return PlainTextResponse("late")

    @app.get("/stream")
    async def stream() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            source = cancelled()
            yield b"first"
            entered.set()
            try:
                await asyncio.Event().wait()  # Starlette cancels it
            finally:
                if source:
                    seen.append("stream")

        return StreamingResponse(parts())

    @app.post("/answered")
    async def answered(request: Request) -> Response:
        source = cancelled()
        seen.append((await request.body()).decode())
        seen.append(str(source.is_set()))
        return PlainTextResponse("ok")

    return app


@pytest.mark.parametrize("path", ["/async", "/sync", "/stream"])
def test_asgi_tells_a_handler_that_looks(
    propagator: Propagator, recorder: Recorder, serve_asgi: Callable[[Any], str], seen: list[str], path: str
) -> None:
    entered = threading.Event()
    connection = ask(serve_asgi(fastapi_app(propagator, entered, seen)), path)
    assert entered.wait(10)
    connection.close()
    wait_for(lambda: recorder.outcomes() == ["cancelled"])
    assert seen == [path[1:]]
    assert propagator.counters.summary()["cancelled"] == 1


def test_a_large_upload_is_received_while_the_caller_is_watched(
    propagator: Propagator, recorder: Recorder, serve_asgi: Callable[[Any], str], seen: list[str]
) -> None:
    entered = threading.Event()
    connection = ask(serve_asgi(fastapi_app(propagator, entered, seen)), "/body", b"x" * 3_000_000)
    assert entered.wait(10)
    connection.close()
    wait_for(lambda: recorder.outcomes() == ["cancelled"])
    assert seen == ["3000000", "body"]


def test_a_caller_that_stays_is_answered(
    propagator: Propagator, recorder: Recorder, serve_asgi: Callable[[Any], str], seen: list[str]
) -> None:
    connection = ask(serve_asgi(fastapi_app(propagator, threading.Event(), seen)), "/answered", b"hello")
    try:
        for _ in range(2):  # on the same connection
            assert connection.getresponse().read() == b"ok"
            connection.request("POST", "/answered", b"hello")
        assert connection.getresponse().read() == b"ok"
    finally:
        connection.close()
    assert seen == ["hello", "False"] * 3
    wait_for(lambda: recorder.outcomes() == ["ok"] * 3)


def test_a_disconnect_after_the_answer_is_none(propagator: Propagator, recorder: Recorder) -> None:
    sources: list[Cancelled] = []

    async def app(_: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hi"})
        assert (await receive())["type"] == "http.disconnect"
        sources.append(cancelled())

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(TowlineASGI(app, propagator)(scope, receive, send))
    assert not sources[0]
    assert recorder.outcomes() == ["ok"]


def test_a_task_that_the_server_cancels_is_told(propagator: Propagator) -> None:
    sources: list[Cancelled] = []

    async def app(*_: Any) -> None:
        sources.append(cancelled())
        raise asyncio.CancelledError

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(_: Any) -> None:
        raise AssertionError

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(TowlineASGI(app, propagator)(scope, receive, send))
    assert sources[0].is_set()
