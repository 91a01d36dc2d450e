"""ASGI middleware: with plain calls, and in a real server with FastAPI and Starlette."""

import asyncio
import http.client
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from conftest import CLOCK, TRACE_ID, TRACEPARENT, Recorder, propagator_of, wait_for
from towline import Clock, Propagator, TowlineASGI, current, without_health_checks

HEADERS = [(b"traceparent", TRACEPARENT.encode()), (b"raceway-clock", CLOCK.encode())]
SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": HEADERS, "client": ("127.0.0.1", 5)}


class Wire:
    """What an ASGI server sees."""

    def __init__(self, *incoming: dict[str, Any], send_fails: bool = False) -> None:
        self.incoming = list(incoming)
        self.sent: list[Any] = []
        self.send_fails = send_fails

    async def receive(self) -> Any:
        if not self.incoming:
            await asyncio.Event().wait()
        return self.incoming.pop(0)

    async def send(self, message: Any) -> None:
        if self.send_fails:
            raise OSError("gone")
        self.sent.append(message)

    def run(self, app: Any, scope: dict[str, Any] | None = None) -> None:
        asyncio.run(app(SCOPE if scope is None else scope, self.receive, self.send))

    @property
    def clock(self) -> Clock | None:
        fields = [value for name, value in self.sent[0]["headers"] if name.lower() == b"raceway-clock"]
        assert len(fields) <= 1
        return Clock.parse(fields[0].decode()) if fields else None


def sending(*messages: dict[str, Any]) -> Any:
    async def app(_: Any, __: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        for message in messages:
            await send(message)

    return app


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: bytes = b"hi", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


LENGTH = (b"Content-Length", b"4")


@pytest.mark.parametrize(
    "messages",
    [
        [start(LENGTH), body(more=True), body()],
        [start(), body()],
        [start(status=204), body(b"")],
        [{"type": "http.response.start", "status": 200}, {"type": "http.response.body"}],
        [start(), {"type": "http.response.pathsend", "path": "/x"}],
    ],
    ids=["length", "one part", "no body", "bare messages", "path"],
)
def test_a_body_of_known_length_has_the_end_on_its_head(propagator: Propagator, messages: list[Any]) -> None:
    wire = Wire()
    wire.run(TowlineASGI(sending(*messages), propagator))
    assert wire.clock is not None
    assert wire.clock.ended
    assert [m["type"] for m in wire.sent] == [m["type"] for m in messages]
    assert wire.sent[1:] == messages[1:]


def test_a_body_that_is_produced_has_the_clock_so_far(propagator: Propagator, recorder: Recorder) -> None:
    wire = Wire()
    wire.run(TowlineASGI(sending(start(), body(more=True), body()), propagator))
    assert wire.clock is not None
    assert not wire.clock.ended
    assert recorder.outcomes() == ["ok"]


TRAILERS = {**SCOPE, "http_version": "2", "extensions": {"http.response.trailers": {}}}


def test_where_there_are_trailers_the_end_is_one(propagator: Propagator) -> None:
    wire = Wire()
    wire.run(TowlineASGI(sending(start(), body(more=True), body()), propagator), TRAILERS)
    head, *_, trailers = wire.sent
    assert head["trailers"] is True
    ((name, value),) = trailers["headers"]
    assert (name, trailers["type"], trailers["more_trailers"]) == (b"raceway-clock", "http.response.trailers", False)
    assert Clock.parse(value.decode()).ended
    assert wire.clock is not None
    assert not wire.clock.ended


@pytest.mark.parametrize(
    ("scope", "head"),
    [
        ({**TRAILERS, "http_version": "1.1"}, start()),
        ({**TRAILERS, "extensions": None}, start()),
        ({**TRAILERS, "headers": HEADERS[:1]}, start()),
        (TRAILERS, start(LENGTH)),
        (TRAILERS, start((b"cache-control", b"public"))),
        (TRAILERS, start() | {"trailers": True}),
    ],
    ids=["HTTP/1.1", "no extension", "no clock came", "length", "shared", "its own trailers"],
)
def test_there_is_no_trailer_where_none_is_wanted(
    propagator: Propagator, scope: dict[str, Any], head: dict[str, Any]
) -> None:
    wire = Wire()
    wire.run(TowlineASGI(sending(head, body(more=True), body()), propagator), scope)
    assert [message["type"] for message in wire.sent] == ["http.response.start"] + ["http.response.body"] * 2
    assert wire.sent[0].get("trailers") == head.get("trailers")


def test_the_head_is_held_back_until_there_is_a_body(propagator: Propagator) -> None:
    wire = Wire({"type": "http.request"})

    async def app(_: Any, receive: Any, send: Any) -> None:
        await send(start())
        assert wire.sent == []
        await receive()
        assert len(wire.sent) == 1, "who waits for the caller must not keep it waiting"
        await send(body())

    wire.run(TowlineASGI(app, propagator))
    events = Wire()
    events.run(TowlineASGI(sending(start((b"content-type", b"text/event-stream"))), propagator))
    assert len(events.sent) == 1
    bare = Wire()
    bare.run(TowlineASGI(sending(start()), propagator))
    assert len(bare.sent) == 1


def test_an_application_that_fails_ends_the_strand(propagator: Propagator, recorder: Recorder) -> None:
    async def app(_: Any, __: Any, send: Any) -> None:
        await send(start())
        raise ValueError("handler")

    wire = Wire()
    with pytest.raises(ValueError, match="handler"):
        wire.run(TowlineASGI(app, propagator))
    assert wire.sent == [], "the server can still answer 500"
    assert recorder.outcomes() == ["error"]


def test_a_task_that_is_cancelled_ends_the_strand(propagator: Propagator, recorder: Recorder) -> None:
    async def app(*_: Any) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        Wire().run(TowlineASGI(app, propagator))
    assert recorder.outcomes() == ["cancelled"]


def test_a_caller_that_goes_ends_the_strand(propagator: Propagator, recorder: Recorder) -> None:
    async def app(_: Any, receive: Any, __: Any) -> None:
        await receive()

    Wire({"type": "http.disconnect"}).run(TowlineASGI(app, propagator))
    with pytest.raises(OSError, match="gone"):
        Wire(send_fails=True).run(TowlineASGI(sending(start(), body(more=True), body()), propagator))
    assert recorder.outcomes() == ["cancelled", "cancelled"]


def test_a_server_error_is_an_error(propagator: Propagator, recorder: Recorder) -> None:
    Wire().run(TowlineASGI(sending(start(status=500), body()), propagator))
    assert recorder.outcomes() == ["error"]


def test_what_a_shared_cache_may_keep_has_no_clock(propagator: Propagator) -> None:
    wire = Wire()
    own = (b"Raceway-Clock", b"of another")
    wire.run(TowlineASGI(sending(start((b"Cache-Control", b"public"), own), body()), propagator))
    assert wire.clock is None


def test_trace_response_is_added() -> None:
    wire = Wire()
    wire.run(TowlineASGI(sending(start(), body()), propagator_of(trace_response=True)))
    names = [name for name, _ in wire.sent[0]["headers"]]
    assert names == [b"raceway-clock", b"traceresponse", b"server-timing"]


def test_what_is_not_a_request_is_untouched(propagator: Propagator) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    wire = Wire()
    lifespan = {"type": "lifespan"}
    app_of_one = TowlineASGI(app, propagator)
    asyncio.run(app_of_one(lifespan, wire.receive, wire.send))
    asyncio.run(TowlineASGI(app, propagator_of(disabled=True))(SCOPE, wire.receive, wire.send))
    asyncio.run(
        TowlineASGI(app, propagator_of(filter=without_health_checks))(
            {**SCOPE, "path": "/livez"}, wire.receive, wire.send
        )
    )
    assert [scope for scope, _, _ in seen] == [lifespan, SCOPE, {**SCOPE, "path": "/livez"}]
    assert seen[0][0] is lifespan
    assert all(receive == wire.receive and send == wire.send for _, receive, send in seen)
    assert propagator.counters.snapshot() == {}


def test_a_websocket_is_a_strand_from_its_handshake(propagator: Propagator, recorder: Recorder) -> None:
    async def app(_: Any, __: Any, send: Any) -> None:
        context = current()
        assert context is not None
        assert context.trace_id == TRACE_ID
        await send({"type": "websocket.accept"})

    wire = Wire()
    wire.run(TowlineASGI(app, propagator), {**SCOPE, "type": "websocket"})
    assert wire.sent == [{"type": "websocket.accept"}]
    assert recorder.outcomes() == ["ok"]


def test_middleware_around_middleware_makes_one_span(propagator: Propagator) -> None:
    wire = Wire()
    wire.run(TowlineASGI(TowlineASGI(sending(start(), body()), propagator_of()), propagator))
    assert wire.clock is not None
    assert len(wire.clock.hops) == 2


class Adding(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["x-span"] = str(current() and current().span_id)  # type: ignore[union-attr]
        return response


def fastapi_app(propagator: Propagator, *, inside: bool) -> FastAPI:
    app = FastAPI()
    if inside:
        app.add_middleware(Adding)
    app.add_middleware(TowlineASGI, propagator=propagator)
    if not inside:
        app.add_middleware(Adding)

    def span() -> str:
        context = current()
        assert context is not None
        return context.span_id

    @app.get("/async")
    async def asynchronous() -> PlainTextResponse:
        await asyncio.sleep(0)
        return PlainTextResponse(span())

    @app.get("/sync")
    def synchronous() -> PlainTextResponse:
        return PlainTextResponse(span())

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for _ in range(3):
                await asyncio.sleep(0)
                yield span() + "\n"

        return StreamingResponse(parts())

    @app.get("/sync-stream")
    def sync_stream() -> StreamingResponse:
        def parts() -> Iterator[str]:
            for _ in range(3):
                yield span() + "\n"

        return StreamingResponse(parts())

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0)
                yield b"x" * 65536

        return StreamingResponse(parts())

    @app.get("/fails")
    async def fails() -> None:
        raise ValueError("handler")

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> PlainTextResponse:
        def later() -> None:
            context = current()
            assert context is not None
            context.event()

        tasks.add_task(later)
        return PlainTextResponse(span(), background=tasks)

    return app


def get(url: str, path: str) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers={"traceparent": TRACEPARENT, "raceway-clock": CLOCK})
        response = connection.getresponse()
        return response, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("inside", [True, False], ids=["base middleware inside", "base middleware outside"])
@pytest.mark.parametrize("path", ["/async", "/sync"])
def test_fastapi_answers_with_the_end(
    propagator: Propagator, recorder: Recorder, serve_asgi: Callable[[Any], str], path: str, inside: bool
) -> None:
    response, text = get(serve_asgi(fastapi_app(propagator, inside=inside)), path)
    clock = Clock.parse(response.headers["raceway-clock"])
    assert clock.ended
    assert text == recorder.of("strand_start")[0].span_id
    assert response.headers["x-span"] == (text if inside else "None")
    assert response.headers["content-length"] == "16"
    assert recorder.outcomes() == ["ok"]


@pytest.mark.parametrize("inside", [True, False], ids=["base middleware inside", "base middleware outside"])
@pytest.mark.parametrize("path", ["/stream", "/sync-stream"])
def test_fastapi_streams_in_its_context(
    propagator: Propagator, recorder: Recorder, serve_asgi: Callable[[Any], str], path: str, inside: bool
) -> None:
    response, text = get(serve_asgi(fastapi_app(propagator, inside=inside)), path)
    assert not Clock.parse(response.headers["raceway-clock"]).ended
    assert text.split() == [recorder.of("strand_start")[0].span_id] * 3
    wait_for(lambda: recorder.outcomes() == ["ok"])


def test_fastapi_errors_end_the_strand(
    propagator: Propagator, recorder: Recorder, serve_asgi: Callable[[Any], str]
) -> None:
    response, _ = get(serve_asgi(fastapi_app(propagator, inside=False)), "/fails")
    assert response.status == 500
    assert recorder.outcomes() == ["error"]


def test_a_background_task_is_work_after_the_answer(
    propagator: Propagator, recorder: Recorder, serve_asgi: Callable[[Any], str]
) -> None:
    _, span = get(serve_asgi(fastapi_app(propagator, inside=False)), "/background")
    wait_for(lambda: len(recorder.of("strand_start")) == 2)
    later = recorder.of("strand_start")[1]
    assert (later.parent_id, later.kind) == (span, "internal")


def test_a_connection_that_breaks_ends_the_strand(
    propagator: Propagator, recorder: Recorder, serve_asgi: Callable[[Any], str]
) -> None:
    connection = http.client.HTTPConnection(urlsplit(serve_asgi(fastapi_app(propagator, inside=True))).netloc)
    connection.request("GET", "/endless", headers={"traceparent": TRACEPARENT, "raceway-clock": CLOCK})
    response = connection.getresponse()
    assert len(response.read(1000)) == 1000
    response.close()
    connection.close()
    wait_for(lambda: recorder.outcomes() == ["cancelled"])


def test_two_fields_of_one_name_are_seen(propagator: Propagator) -> None:
    wire = Wire()
    wire.run(TowlineASGI(sending(start(), body()), propagator), {**SCOPE, "headers": [*HEADERS, *HEADERS[1:]]})
    assert wire.clock is None
    assert propagator.counters["clock/duplicate"] == 1
