"""WSGI middleware: with plain calls, and in a real server with Flask."""

import http.client
import io
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit
from wsgiref.util import FileWrapper

import pytest
from flask import Flask, Response, stream_with_context

from conftest import CLOCK, TRACE_ID, TRACEPARENT, Recorder, propagator_of, wait_for
from towline import Clock, Context, Propagator, Towline, current, without_health_checks

REQUEST = {"HTTP_TRACEPARENT": TRACEPARENT, "HTTP_RACEWAY_CLOCK": CLOCK, "PATH_INFO": "/", "REQUEST_METHOD": "GET"}


class Answer:
    """What a WSGI server sees."""

    def __init__(self, app: Any, environ: dict[str, Any] | None = None) -> None:
        self.heads: list[tuple[str, list[tuple[str, str]], Any]] = []
        self.written: list[bytes] = []
        self.body: Any = app(dict(REQUEST if environ is None else environ), self.start)

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        self.heads.append((status, headers, exc_info))
        return self.written.append

    def fields(self, name: str) -> list[str]:
        return [value for n, value in self.heads[-1][1] if n.lower() == name]

    @property
    def clock(self) -> Clock | None:
        fields = self.fields("raceway-clock")
        assert len(fields) <= 1
        return Clock.parse(fields[0]) if fields else None


def replying(headers: list[tuple[str, str]], body: Iterable[bytes], status: str = "200 OK") -> Any:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, headers)
        return body

    return app


SIZED = [("Content-Length", "2")]


@pytest.mark.parametrize(
    ("headers", "body"),
    [(SIZED, [b"hi"]), ([], [b"hi"]), ([], []), ([], (b"h", b"i")), (SIZED, iter([b"hi"]))],
    ids=["length and list", "one element", "empty", "tuple", "length and iterator"],
)
def test_a_body_of_known_length_has_the_end_on_its_head(
    propagator: Propagator, headers: list[tuple[str, str]], body: Iterable[bytes]
) -> None:
    answer = Answer(Towline(replying(headers, body), propagator))
    assert answer.clock is not None
    assert answer.clock.ended
    assert answer.clock.tick == 2
    assert b"".join(answer.body) == b"".join(body) or isinstance(body, Iterator)


def test_a_body_that_is_produced_has_the_clock_so_far(propagator: Propagator, recorder: Recorder) -> None:
    seen: list[Context | None] = []

    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        seen.append(current())
        yield b"a"
        seen.append(current())
        yield b"b"

    answer = Answer(Towline(app, propagator))
    assert answer.heads == []
    assert next(answer.body) == b"a"
    assert answer.clock is not None
    assert not answer.clock.ended
    assert current() is None, "nothing leaks between the steps"
    assert list(answer.body) == [b"b"]
    assert recorder.outcomes() == []
    answer.body.close()
    answer.body.close()
    assert recorder.outcomes() == ["ok"]
    assert seen[0] is seen[1] is not None


def test_a_caller_that_goes_ends_the_strand(propagator: Propagator, recorder: Recorder) -> None:
    closed: list[Context | None] = []

    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(current())

    answer = Answer(Towline(app, propagator))
    next(answer.body)
    answer.body.close()
    assert recorder.outcomes() == ["cancelled"]
    assert closed[0] is not None


def test_a_handler_that_fails_ends_the_strand(propagator: Propagator, recorder: Recorder) -> None:
    def app(_: Any, __: Any) -> Iterable[bytes]:
        raise ValueError("handler")

    with pytest.raises(ValueError, match="handler"):
        Answer(Towline(app, propagator))
    assert recorder.outcomes() == ["error"]
    assert current() is None


def test_a_body_that_fails_ends_the_strand(propagator: Propagator, recorder: Recorder) -> None:
    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        raise ValueError("body")

    answer = Answer(Towline(app, propagator))
    next(answer.body)
    with pytest.raises(ValueError, match="body"):
        next(answer.body)
    answer.body.close()
    assert recorder.outcomes() == ["error"]


def test_a_server_error_is_an_error(propagator: Propagator, recorder: Recorder) -> None:
    Answer(Towline(replying(SIZED, [b"no"], "503 Busy"), propagator))
    Answer(Towline(replying(SIZED, [b"no"], "404 Not Found"), propagator))
    assert recorder.outcomes() == ["error", "ok"]


def test_what_is_written_goes_out_after_the_head(propagator: Propagator) -> None:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"a")
        write(b"b")
        return []

    answer = Answer(Towline(app, propagator))
    assert answer.written == [b"a", b"b"]
    assert answer.clock is not None
    assert not answer.clock.ended


def test_a_head_can_be_replaced_before_it_went_out(propagator: Propagator) -> None:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError("late")
        except ValueError as error:
            start_response("500 Oops", SIZED, (ValueError, error, error.__traceback__))
        return [b"no"]

    answer = Answer(Towline(app, propagator))
    ((status, _, exc_info),) = answer.heads
    assert status == "500 Oops"
    assert exc_info[0] is ValueError


def test_a_head_that_went_out_is_the_servers_to_judge(propagator: Propagator) -> None:
    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", SIZED)
        yield b"a"
        try:
            raise ValueError("late")
        except ValueError as error:
            start_response("500 Oops", SIZED, (ValueError, error, error.__traceback__))
        yield b"b"

    answer = Answer(Towline(app, propagator))
    assert list(answer.body) == [b"a", b"b"]
    assert [status for status, _, _ in answer.heads] == ["200 OK", "500 Oops"]
    assert answer.clock is not None
    assert answer.clock.ended


def test_a_second_head_without_an_error_is_refused_as_servers_do(propagator: Propagator) -> None:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    with pytest.raises(AssertionError, match="twice"):
        Answer(Towline(app, propagator))


def test_a_file_is_left_to_the_server(propagator: Propagator, recorder: Recorder) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"hi"))

    answer = Answer(Towline(app, propagator), {**REQUEST, "wsgi.file_wrapper": FileWrapper})
    assert isinstance(answer.body, FileWrapper)
    assert answer.clock is not None
    assert answer.clock.ended
    assert recorder.outcomes() == ["ok"]
    answer.body.close()


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK", [("Cache-Control", "Public, max-age=5")]),
        ("200 OK", [("cache-control", "max-age=5"), ("cache-control", "S-MaxAge=5")]),
        ("304 Not Modified", []),
    ],
)
def test_what_a_shared_cache_may_keep_has_no_clock(
    propagator: Propagator, recorder: Recorder, status: str, headers: list[tuple[str, str]]
) -> None:
    headers = [*headers, ("Raceway-Clock", "of another")]
    assert Answer(Towline(replying(headers, [b""], status), propagator)).clock is None
    assert recorder.outcomes() == ["ok"]
    private = [("Cache-Control", "private, max-age=5")]
    assert Answer(Towline(replying(private, [b""]), propagator)).clock is not None


def test_what_a_shared_cache_may_keep_has_no_trace_response() -> None:
    app = Towline(replying([("Cache-Control", "public")], [b""]), propagator_of(trace_response=True))
    assert Answer(app).fields("traceresponse") == Answer(app).fields("server-timing") == []


@pytest.mark.parametrize(
    "missing", [{"HTTP_RACEWAY_CLOCK": "nonsense"}, {"HTTP_RACEWAY_CLOCK": None}, {"HTTP_TRACEPARENT": None}]
)
def test_only_who_sent_a_clock_gets_one(propagator: Propagator, missing: dict[str, str | None]) -> None:
    environ = {name: value for name, value in {**REQUEST, **missing}.items() if value is not None}
    assert Answer(Towline(replying(SIZED, [b"hi"]), propagator), environ).clock is None


def test_a_clock_that_the_application_passed_on_is_replaced(propagator: Propagator) -> None:
    answer = Answer(Towline(replying([*SIZED, ("RACEWAY-CLOCK", CLOCK)], [b"hi"]), propagator))
    assert answer.clock is not None
    assert answer.clock.hops[-1].service == "shop"


def test_an_answer_that_is_too_long_is_cut_or_left_out() -> None:
    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        context = current()
        assert context is not None
        for _n in range(30):
            context.call("localhost").failed()
            context.event()
        start_response("200 OK", SIZED)
        return [b"hi"]

    cutting = propagator_of(header_bytes_max=110)
    answer = Answer(Towline(app, cutting))
    assert len(answer.fields("raceway-clock")[0]) <= 110
    assert cutting.counters["send/cut"] > 0
    refusing = propagator_of(header_bytes_max=50)
    assert Answer(Towline(app, refusing)).clock is None
    assert refusing.counters["send/too_long"] > 0


def test_trace_response_is_added_to_what_the_application_set() -> None:
    propagator = propagator_of(trace_response=True)
    answer = Answer(Towline(replying([*SIZED, ("Server-Timing", "db;dur=5")], [b"hi"]), propagator))
    (traceresponse,) = answer.fields("traceresponse")
    assert traceresponse.startswith(f"00-{TRACE_ID}-")
    assert answer.fields("server-timing") == ["db;dur=5", f"trace;desc={traceresponse}"]


def test_a_status_that_is_none_is_the_servers_to_judge(propagator: Propagator) -> None:
    answer = Answer(Towline(replying(SIZED, [b"hi"], "Fine"), propagator))
    assert answer.heads[0][0] == "Fine"


def test_disabled_is_truly_pass_through() -> None:
    propagator = propagator_of(disabled=True)
    body = [b"hi"]
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        seen.append((environ, start_response, current()))
        start_response("200 OK", [("raceway-clock", "the application's own")])
        return body

    answer = Answer(Towline(app, propagator))
    assert answer.body is body
    assert answer.heads[0][1] == [("raceway-clock", "the application's own")]
    assert seen == [(REQUEST, answer.start, None)]
    assert propagator.counters.snapshot() == {}


def test_a_filter_leaves_requests_out() -> None:
    propagator = propagator_of(filter=without_health_checks)
    app = Towline(replying(SIZED, [b"hi"]), propagator)
    assert Answer(app, {**REQUEST, "PATH_INFO": "/healthz"}).clock is None
    assert propagator.counters.snapshot() == {}
    assert Answer(app).clock is not None


def test_middleware_around_middleware_makes_one_span(propagator: Propagator) -> None:
    answer = Answer(Towline(Towline(Towline(replying(SIZED, [b"hi"]), propagator), propagator_of()), propagator))
    assert answer.clock is not None
    assert len(answer.clock.hops) == 2
    assert propagator.counters["strand_start"] == 1


def flask_app(propagator: Propagator) -> Flask:
    app = Flask(__name__)
    app.wsgi_app = Towline(app.wsgi_app, propagator)  # type: ignore[method-assign]
    released = threading.Event()

    @app.get("/plain")
    def plain() -> str:
        context = current()
        assert context is not None
        return context.span_id

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[str]:
            for _ in range(3):
                context = current()
                yield f"{context.span_id if context else None}\n"

        return Response(stream_with_context(parts()))

    @app.get("/endless")
    def endless() -> Response:
        def parts() -> Iterator[bytes]:
            while True:
                yield b"x" * 65536

        return Response(parts())

    @app.get("/fails")
    def fails() -> str:
        raise ValueError("flask turns this into a 500")

    app.extensions["released"] = released
    return app


def get(url: str, path: str, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


HEADERS = {"traceparent": TRACEPARENT, "raceway-clock": CLOCK}


def test_flask_answers_with_the_end(propagator: Propagator, serve_wsgi: Callable[[Any], str]) -> None:
    url = serve_wsgi(flask_app(propagator))
    response, body = get(url, "/plain", HEADERS)
    clock = Clock.parse(response.headers["raceway-clock"])
    assert clock.ended
    assert f"{clock.hops[-1].nonce:08x}" == body.decode()[8:]
    assert response.headers["content-length"] == "16"


def test_flask_streams_in_its_context(
    propagator: Propagator, recorder: Recorder, serve_wsgi: Callable[[Any], str]
) -> None:
    url = serve_wsgi(flask_app(propagator))
    response, body = get(url, "/stream", HEADERS)
    spans = set(body.decode().split())
    assert len(spans) == 1
    assert not Clock.parse(response.headers["raceway-clock"]).ended
    wait_for(lambda: recorder.outcomes() == ["ok"])
    assert recorder.of("strand_end")[0].span_id == spans.pop()


def test_flask_errors_end_the_strand(
    propagator: Propagator, recorder: Recorder, serve_wsgi: Callable[[Any], str]
) -> None:
    response, _ = get(serve_wsgi(flask_app(propagator)), "/fails", HEADERS)
    assert response.status == 500
    assert Clock.parse(response.headers["raceway-clock"]).ended
    assert recorder.outcomes() == ["error"]


def test_a_connection_that_breaks_ends_the_strand(
    propagator: Propagator, recorder: Recorder, serve_wsgi: Callable[[Any], str]
) -> None:
    connection = http.client.HTTPConnection(urlsplit(serve_wsgi(flask_app(propagator))).netloc, timeout=10)
    connection.request("GET", "/endless", headers=HEADERS)
    response = connection.getresponse()
    assert len(response.read(1000)) == 1000
    response.close()
    connection.close()
    wait_for(lambda: recorder.outcomes() == ["cancelled"])


def test_keep_alive_does_not_leak_a_context(propagator: Propagator, serve_wsgi: Callable[[Any], str]) -> None:
    url = serve_wsgi(flask_app(propagator))
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    spans = []
    for _ in range(5):
        connection.request("GET", "/plain", headers=HEADERS)
        spans.append(connection.getresponse().read())
    connection.close()
    assert len(set(spans)) == 5
    assert propagator.counters["strand_start"] == propagator.counters["strand_end"] == 5


def test_two_fields_of_one_name_are_seen(propagator: Propagator, serve_wsgi: Callable[[Any], str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(serve_wsgi(flask_app(propagator))).netloc, timeout=10)
    connection.putrequest("GET", "/plain")
    connection.putheader("traceparent", TRACEPARENT)
    connection.putheader("raceway-clock", CLOCK)
    connection.putheader("raceway-clock", CLOCK)
    connection.endheaders()
    assert connection.getresponse().headers["raceway-clock"] is None
    connection.close()
    assert propagator.counters["clock/duplicate"] == 1
