"""Where traces break in real code: streams, events, sockets, uploads, pools, kept connections."""

import asyncio
import gc
import http.client
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor as PlainExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import requests
import uvicorn
from fastapi import FastAPI, WebSocket
from flask import Flask, Response, request, stream_with_context
from starlette.responses import StreamingResponse
from websockets.sync.client import connect

import towline.futures
import towline.httpx
import towline.requests
from conftest import CLOCK, TRACE_ID, TRACEPARENT, Recorder, propagator_of, wait_for
from test_cancelled import serving_waitress
from towline import Clock, Context, Order, Propagator, Towline, TowlineASGI, bind, current, fork, message, with_context

FIELDS = {"traceparent": TRACEPARENT, "raceway-clock": CLOCK}


def here() -> Context:
    context = current()
    assert context is not None
    return context


@contextmanager
def serving_websockets(app: Any) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", ws="websockets-sansio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def test_a_websocket_is_one_strand_and_each_message_one_below_it(propagator: Propagator, recorder: Recorder) -> None:
    app = FastAPI()
    app.add_middleware(TowlineASGI, propagator=propagator)

    @app.websocket("/")
    async def talk(peer: WebSocket) -> None:
        await peer.accept()
        async for text in peer.iter_text():
            with message() as handling:
                assert handling is not None
                await peer.send_text(f"{text} {handling.trace_id} {handling.parent_id} {handling.event()}")
        await asyncio.sleep(0)

    with serving_websockets(app) as url, connect(url + "/", additional_headers=FIELDS, open_timeout=10) as peer:
        answers = []
        for text in ("one", "two"):
            peer.send(text)
            answers.append(str(peer.recv(timeout=10)).split(" ", 3))
        wait_for(lambda: recorder.outcomes() == ["ok", "ok"])  # of the messages; the connection is still open
        peer.close()
        wait_for(lambda: len(recorder.of("strand_end")) == 3)
    connection = recorder.of("strand_start")[0]
    assert connection.kind == "server"
    assert [answer[:3] for answer in answers] == [[text, TRACE_ID, connection.span_id] for text in ("one", "two")]
    first, second = (Clock.parse(answer[3]) for answer in answers)
    assert first.compare(second) is Order.BEFORE
    assert recorder.of("strand_end")[-1].span_id == connection.span_id


def test_server_sent_events_go_out_as_they_happen(
    propagator: Propagator, recorder: Recorder, serve_asgi: Callable[[Any], str]
) -> None:
    app = FastAPI()
    app.add_middleware(TowlineASGI, propagator=propagator)
    more = threading.Event()

    @app.get("/events")
    async def events() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            yield f"data: {here().span_id}\n\n"
            while not more.is_set():
                await asyncio.sleep(0.005)
            yield f"data: {here().event()}\n\n"

        return StreamingResponse(parts(), media_type="text/event-stream")

    with httpx.Client(timeout=10) as client, client.stream("GET", f"{serve_asgi(app)}/events", headers=FIELDS) as got:
        head = Clock.parse(got.headers["raceway-clock"])
        assert not head.ended
        lines = got.iter_lines()
        assert next(lines) == f"data: {recorder.of('strand_start')[0].span_id}"
        assert recorder.outcomes() == []
        more.set()
        last = next(line for line in lines if line.startswith("data: v2"))
        assert head.compare(Clock.parse(last.removeprefix("data: "))) is Order.BEFORE
    wait_for(lambda: recorder.outcomes() == ["ok"])


def test_a_stream_of_flask_has_its_context_and_its_calls_to_the_end(propagator: Propagator, recorder: Recorder) -> None:
    app = Flask("shop")
    app.wsgi_app = Towline(app.wsgi_app, propagator)  # type: ignore[method-assign]

    @app.get("/")
    def stream() -> Response:
        def parts() -> Iterator[str]:
            for _ in range(3):
                call = here().call("localhost")
                yield call.headers["traceparent"].split("-")[1] + "\n"
                call.failed()

        return Response(stream_with_context(parts()))

    with serving_waitress(app) as url:
        response = requests.get(url, headers=FIELDS, timeout=10)
    assert response.text.split() == [TRACE_ID] * 3
    assert recorder.outcomes() == ["ok"]
    assert recorder.of("strand_end")[0].clock.tick == 5
    assert propagator.counters["context/none"] == 0


def test_a_large_upload_is_read_in_its_context(propagator: Propagator, recorder: Recorder) -> None:
    app = Flask("shop")
    app.wsgi_app = Towline(app.wsgi_app, propagator)  # type: ignore[method-assign]

    @app.post("/")
    def upload() -> str:
        size = 0
        while part := request.stream.read(65536):
            size += len(part)
            here().event()
        return str(size)

    with serving_waitress(app) as url, towline.requests.instrument(requests.Session(), propagator) as session:
        body = iter([b"x" * 100_000] * 50)
        response = session.post(url, data=body, headers=FIELDS, timeout=30)
    assert response.text == "5000000"
    assert Clock.parse(response.headers["raceway-clock"]).tick > 70
    assert recorder.outcomes() == ["ok", "ok"], "the upload's, and that of the call without a context"


@pytest.mark.parametrize("served", ["waitress", "uvicorn"])
def test_a_kept_connection_keeps_nobodys_context(served: str, serve_asgi: Callable[[Any], str]) -> None:
    propagator = propagator_of()
    seen: list[tuple[str, str]] = []
    alive: weakref.WeakSet[Context] = weakref.WeakSet()

    def note() -> None:
        seen.append((here().trace_id, here().span_id))
        alive.add(here())

    def wsgi(_: Any, start_response: Any) -> Iterable[bytes]:
        note()
        start_response("200 OK", [("content-length", "2")])
        return [b"hi"]

    async def asgi(_: Any, __: Any, send: Any) -> None:
        note()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"hi"})

    def converse(url: str) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        try:
            for n in range(3):
                headers = {"traceparent": f"00-{n + 1:032x}-{n + 1:016x}-01"} if n != 1 else {}
                connection.request("GET", "/", headers=headers)
                assert connection.getresponse().read() == b"hi"
            wait_for(lambda: gc.collect() >= 0 and len(alive) <= 1)
        finally:
            connection.close()

    if served == "waitress":
        with serving_waitress(Towline(wsgi, propagator)) as url:
            converse(url)
    else:
        converse(serve_asgi(TowlineASGI(asgi, propagator)))
    assert [trace_id[-1] for trace_id, _ in seen][::2] == ["1", "3"]
    assert len(set(seen)) == 3
    assert propagator.counters.summary()["restarted"] == {"absent": 1}


@pytest.mark.parametrize("kind", ["requests", "httpx"])
def test_a_pool_of_connections_keeps_nobodys_context(kind: str, serve_wsgi: Callable[[Any], str]) -> None:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("content-length", "2")])
        return [b"hi"]

    url = serve_wsgi(app)
    propagator = propagator_of()
    alive: list[weakref.ref[Context]] = []
    client: Any = (
        towline.requests.instrument(requests.Session())
        if kind == "requests"
        else towline.httpx.instrument(httpx.Client())
    )

    def work() -> None:
        for _ in range(3):
            context = propagator.serve([TRACEPARENT])
            alive.append(weakref.ref(context))
            with_context(context, client.get, url)

    work()
    gc.collect()
    assert [ref() for ref in alive] == [None] * 3
    client.close()


def test_threads_and_executors_keep_the_context_by_one_line(propagator: Propagator, recorder: Recorder) -> None:
    context = propagator.serve([TRACEPARENT])

    def work() -> tuple[str | None, str | None, str | None]:
        def who() -> str | None:
            found = current()
            return found and found.trace_id

        with PlainExecutor(1) as pool:
            bare = pool.submit(who).result()
            bound = pool.submit(bind(who)).result()
        return bare, bound, fork(who).result()

    assert with_context(context, work) == (None, TRACE_ID, TRACE_ID)


def test_asyncio_keeps_the_context_by_itself(propagator: Propagator) -> None:
    context = propagator.serve([TRACEPARENT])

    async def who() -> str:
        await asyncio.sleep(0)
        return here().trace_id

    async def parts() -> AsyncIterator[str]:
        for _ in range(2):
            await asyncio.sleep(0)
            yield here().trace_id

    async def main() -> list[str]:
        found = [await asyncio.create_task(who())]
        found += await asyncio.gather(who(), fork(who()))
        found += [await asyncio.to_thread(lambda: here().trace_id)]
        found += [await towline.futures.run_in_executor(None, lambda: here().trace_id)]
        found += [part async for part in parts()]
        found.append(await asyncio.wait_for(who(), 10))
        return found

    assert set(asyncio.run(with_context(context, main()))) == {TRACE_ID}


def test_a_call_without_a_context_is_counted_and_traced_all_the_same(propagator: Propagator) -> None:
    with PlainExecutor(1) as pool:
        call = with_context(propagator.serve([TRACEPARENT]), lambda: pool.submit(propagator.call, "db").result())
    call.failed()
    assert call.headers["traceparent"].split("-")[1] != TRACE_ID
    assert propagator.counters.summary()["no_context"] == 1


def test_a_generator_that_is_closed_in_another_thread_ends_its_strand(
    propagator: Propagator, recorder: Recorder
) -> None:
    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield b"a"
            yield b"b"
        finally:
            here().event()

    environ = {"REQUEST_METHOD": "GET", "HTTP_TRACEPARENT": TRACEPARENT}
    body: Any = Towline(app, propagator)(environ, lambda *_: lambda _: None)  # type: ignore[arg-type]
    assert next(body) == b"a"
    thread = threading.Thread(target=body.close)
    thread.start()
    thread.join()
    assert recorder.outcomes() == ["cancelled"]
    assert recorder.of("strand_end")[0].clock.tick == 3
    assert current() is None
