"""Beside OpenTelemetry's real SDK: its spans have clocks, its headers carry them, and nobody gets two spans."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import towline.requests
from conftest import CLOCK, PARENT_ID, TRACE_ID, TRACEPARENT, Recorder, propagator_of, serving_wsgi, wait_for
from towline import Clock, Context, Order, Propagator, Towline, _beside, current, set_default, with_context
from towline._propagator import default
from towline.otel import TowlinePropagator, TowlineSpanProcessor, register_metrics
from towline.otel._neighbour import Neighbour
from towline.otel._spans import _states

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parents[1]
EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(TowlineSpanProcessor())
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))
BOTH = CompositePropagator([TraceContextTextMapPropagator(), TowlinePropagator()])
CARRIER = {"traceparent": TRACEPARENT, "tracestate": "foo=1", "raceway-clock": CLOCK}


@pytest.fixture(autouse=True)
def opentelemetry(alone: None, monkeypatch: pytest.MonkeyPatch, propagator: Propagator) -> Iterator[None]:
    """Both in one process, with the settings of the test."""
    trace.set_tracer_provider(PROVIDER) if trace.get_tracer_provider() is not PROVIDER else None
    set_global_textmap(BOTH)
    monkeypatch.setattr(_beside, "installed", Neighbour())
    before = default()
    set_default(propagator)
    EXPORTER.clear()
    yield
    set_default(before)


@pytest.fixture
def tracer() -> trace.Tracer:
    return PROVIDER.get_tracer("test")


def finished(count: int) -> list[ReadableSpan]:
    wait_for(lambda: len(EXPORTER.get_finished_spans()) >= count)
    spans = list(EXPORTER.get_finished_spans())
    assert len(spans) == count
    return spans


def clock_of(span: Any) -> Clock:
    return Clock.parse(span.attributes["towline.clock"])


def span_id(span: Any) -> str:
    return f"{span.get_span_context().span_id:016x}"


def parent_of(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def test_a_root_starts_a_strand_and_its_children_share_it(
    tracer: trace.Tracer, propagator: Propagator, recorder: Recorder
) -> None:
    with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("inner") as inner:
        assert clock_of(root) == clock_of(inner)
        assert clock_of(root).hops[0].nonce == int(span_id(root)[8:], 16)
    (started,) = recorder.of("strand_start")
    assert (started.span_id, started.parent_id, started.kind) == (span_id(root), None, "internal")
    assert recorder.outcomes() == ["ok"]


def test_a_remote_parent_goes_on_from_what_it_sent(tracer: trace.Tracer, recorder: Recorder) -> None:
    context = BOTH.extract(CARRIER)
    with tracer.start_as_current_span("in", context, SpanKind.SERVER) as span:
        assert [hop.service for hop in clock_of(span).hops] == ["web", "shop"]
    started = recorder.of("strand_start")[0]
    assert (started.trace_id, started.parent_id, started.kind) == (TRACE_ID, PARENT_ID, "server")
    member = {"traceparent": TRACEPARENT, "tracestate": "foo=1,towline=69203331:2"}
    with tracer.start_as_current_span("in", BOTH.extract(member), SpanKind.SERVER) as span:
        assert clock_of(span).hops[-1].gap


def test_what_came_without_a_trace_is_counted(tracer: trace.Tracer, propagator: Propagator) -> None:
    with tracer.start_as_current_span("in", BOTH.extract({"raceway-clock": CLOCK}), SpanKind.SERVER):
        pass
    summary = propagator.counters.summary()
    assert (summary["received"], summary["restarted"]) == (1, {"absent": 1})
    assert summary["clock_dropped"] == {"no_traceparent": 1}


def test_a_client_span_is_an_attached_fork_of_which_no_answer_is_seen(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("in", BOTH.extract(CARRIER), SpanKind.SERVER) as server:
        with tracer.start_as_current_span("call", kind=SpanKind.CLIENT) as client:
            carrier: dict[str, str] = {}
            BOTH.inject(carrier)
            assert carrier["traceparent"].split("-")[2] == span_id(client)
            assert carrier["raceway-clock"] == client.attributes["towline.clock"]  # type: ignore[attr-defined]
            assert carrier["raceway-clock"].endswith(':2;x="2"')
            assert carrier["tracestate"].startswith("towline=69203331:2/")
            assert carrier["tracestate"].endswith(",foo=1")
            again: dict[str, str] = {}
            BOTH.inject(again)
            assert again["raceway-clock"].endswith(':3;x="2-3"'), "a retry is a fork of its own"
        with tracer.start_as_current_span("later") as later:
            assert clock_of(later).format().endswith(';x="2-3~"')
    assert clock_of(server).compare(clock_of(later)) is Order.BEFORE


def test_a_producer_span_is_a_detached_fork(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("root"), tracer.start_as_current_span("send", kind=SpanKind.PRODUCER) as producer:
        carrier: dict[str, str] = {}
        BOTH.inject(carrier)
        assert carrier["raceway-clock"] == clock_of(producer).format()
        assert not carrier["raceway-clock"].endswith('"')


@pytest.mark.parametrize("name", ["server.address", "url.full", "http.url"])
def test_a_host_that_is_known_is_judged(tracer: trace.Tracer, propagator: Propagator, name: str) -> None:
    attributes = {name: "example.com" if name == "server.address" else "https://example.com/x"}
    with (
        tracer.start_as_current_span("root"),
        tracer.start_as_current_span("call", kind=SpanKind.CLIENT, attributes=attributes),
    ):
        carrier: dict[str, str] = {}
        BOTH.inject(carrier)
    assert set(carrier) == {"traceparent"}
    assert propagator.counters["send/withheld"] == 1


def test_without_a_processor_the_clock_still_goes_on() -> None:
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("test")
    carriers: list[dict[str, str]] = [{}, {}]
    token = otel_context.attach(BOTH.extract(CARRIER))
    with tracer.start_as_current_span("in", kind=SpanKind.SERVER):
        for carrier in carriers:
            BOTH.inject(carrier)
    otel_context.detach(token)
    first, second = (Clock.parse(carrier["raceway-clock"]) for carrier in carriers)
    assert [hop.service for hop in first.hops] == ["web", "shop"]
    assert first.compare(second) is Order.BEFORE
    assert BOTH.fields == {"traceparent", "tracestate", "raceway-clock"}


def test_off_nothing_is_read_or_written(tracer: trace.Tracer) -> None:
    for settings in ({"clock": "off"}, {"disabled": True}):
        set_default(propagator_of(**settings))
        with tracer.start_as_current_span("in", BOTH.extract(CARRIER), SpanKind.SERVER) as span:
            carrier: dict[str, str] = {}
            BOTH.inject(carrier)
            assert set(carrier) == {"traceparent", "tracestate"}
            assert "towline.clock" not in span.attributes  # type: ignore[attr-defined]


def test_a_propagator_adds_the_processor_to_the_providers_that_it_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    own = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: own)
    extracting = TowlinePropagator()
    context = BOTH.extract(CARRIER)
    extracting.extract(CARRIER)
    extracting.extract(CARRIER)
    with own.get_tracer("test").start_as_current_span("in", context, SpanKind.SERVER) as span:
        assert [hop.service for hop in clock_of(span).hops] == ["web", "shop"]


def answering(seen: list[Context]) -> Any:
    """A WSGI application that remembers where it is."""

    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        context = current()
        assert context is not None
        seen.append(context)
        start_response("200 OK", [("content-length", "2")])
        return [b"hi"]

    return app


@contextmanager
def instrumented_flask(propagator: Propagator, seen: list[Any], *, outside: bool) -> Iterator[str]:
    app = Flask("shop")

    @app.get("/")
    def root() -> str:
        context = current()
        assert context is not None
        seen.append((context, context.span_id, trace.get_current_span()))
        return "hi"

    if outside:
        app.wsgi_app = OpenTelemetryMiddleware(Towline(app.wsgi_app, propagator), tracer_provider=PROVIDER)  # type: ignore
    else:
        FlaskInstrumentor().instrument_app(app, tracer_provider=PROVIDER)
        app.wsgi_app = Towline(app.wsgi_app, propagator)  # type: ignore[method-assign]
    with serving_wsgi(app) as url:
        yield url


@pytest.mark.parametrize("carrier", [CARRIER, {}], ids=["continued", "new"])
@pytest.mark.parametrize("outside", [False, True], ids=["flask's", "wsgi's around ours"])
def test_server_middleware_takes_the_ids_of_opentelemetrys_server_span(
    propagator: Propagator, recorder: Recorder, outside: bool, carrier: dict[str, str]
) -> None:
    seen: list[Any] = []
    with instrumented_flask(propagator, seen, outside=outside) as url, requests.Session() as session:
        for _ in range(2):
            response = session.get(url, headers=carrier, timeout=10)
        (first, second) = finished(2)
    for span, (context, told_id, _) in zip((first, second), seen, strict=True):
        assert span.kind is SpanKind.SERVER
        assert told_id == context.span_id == span_id(span)
        assert context.trace_id == f"{span.get_span_context().trace_id:032x}"
        assert context.parent_id == parent_of(span)
        assert clock_of(span).hops[-1].nonce == int(context.span_id[8:], 16)
    started = recorder.of("strand_start")
    assert [event.span_id for event in started] == [span_id(first), span_id(second)]
    assert recorder.outcomes() == ["ok", "ok"]
    summary = propagator.counters.summary()
    assert (summary["received"], summary["continued"]) == ((2, 2) if carrier else (2, 0))
    assert summary["restarted"] == ({} if carrier else {"absent": 2})
    if carrier:
        answered = Clock.parse(response.headers["raceway-clock"])
        assert answered.ended
        assert answered.hops[-1].nonce == int(span_id(second)[8:], 16)
    else:
        assert "raceway-clock" not in response.headers


def test_another_requests_server_span_is_not_taken(tracer: trace.Tracer, propagator: Propagator) -> None:
    seen: list[Context] = []
    app = Towline(answering(seen), propagator)
    other = {"REQUEST_METHOD": "GET", "HTTP_TRACEPARENT": TRACEPARENT.replace(PARENT_ID, "1" * 16)}
    with tracer.start_as_current_span("in", BOTH.extract(CARRIER), SpanKind.SERVER) as span:
        app(dict(other), lambda *_: lambda _: None)  # type: ignore[arg-type]
    assert seen[0].span_id != span_id(span)
    assert seen[0].parent_id == "1" * 16


def test_a_server_span_is_of_one_request(tracer: trace.Tracer, propagator: Propagator) -> None:
    seen: list[Context] = []
    app = Towline(answering(seen), propagator)
    same = {"REQUEST_METHOD": "GET", "HTTP_TRACEPARENT": TRACEPARENT}
    with tracer.start_as_current_span("in", BOTH.extract(CARRIER), SpanKind.SERVER) as span:
        for _ in range(2):
            app(dict(same), lambda *_: lambda _: None)  # type: ignore[arg-type]
    assert [context.span_id == span_id(span) for context in seen] == [True, False]


def test_without_any_span_the_middleware_is_as_ever(propagator: Propagator, recorder: Recorder) -> None:
    seen: list[Context] = []
    environ = {"REQUEST_METHOD": "GET", "HTTP_TRACEPARENT": TRACEPARENT, "HTTP_RACEWAY_CLOCK": CLOCK}
    heads: list[Any] = []
    Towline(answering(seen), propagator)(dict(environ), lambda *head: heads.append(head))  # type: ignore[arg-type]
    assert recorder.of("strand_start")[0].span_id == seen[0].span_id
    assert Clock.parse(dict(heads[0][1])["raceway-clock"]).ended

    def silent(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return iter([b"hi"])

    body = Towline(silent, propagator)(dict(environ), lambda *head: heads.append(head))  # type: ignore[arg-type]
    assert list(body) == [b"hi"]
    assert not Clock.parse(dict(heads[1][1])["raceway-clock"]).ended
    body.close()  # type: ignore[attr-defined]
    assert recorder.outcomes() == ["ok", "ok"]


class Callee:
    """A Towline service that remembers what came."""

    def __init__(self) -> None:
        self.came: list[dict[str, str]] = []
        self.contexts: list[Context] = []
        self.propagator = propagator_of(service_name="callee")

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        names = ("traceparent", "tracestate", "raceway-clock")
        keys = {name: "HTTP_" + name.upper().replace("-", "_") for name in names}
        self.came.append({name: environ[key] for name, key in keys.items() if key in environ})
        return answering(self.contexts)(environ, start_response)


@pytest.fixture
def callee() -> Callee:
    return Callee()


@pytest.fixture
def url(callee: Callee, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving_wsgi(Towline(callee, callee.propagator)) as url:
        yield url


def test_a_call_under_another_span_is_a_child_of_it(
    tracer: trace.Tracer, propagator: Propagator, recorder: Recorder, callee: Callee, url: str
) -> None:
    with towline.requests.instrument(requests.Session()) as session, tracer.start_as_current_span("work"):
        session.get(url, timeout=10)
        with pytest.raises(requests.ConnectionError):
            session.get("http://127.0.0.1:9/")
    client, failed, work = finished(3)
    assert (client.kind, client.name, parent_of(client)) == (SpanKind.CLIENT, "GET", span_id(work))
    assert callee.came[0]["traceparent"].split("-")[2] == span_id(client)
    assert client.attributes is not None
    assert client.attributes["http.response.status_code"] == 200
    assert clock_of(client).format().endswith(":3"), "when it ended, the answer was joined"
    assert client.status.is_unset
    assert not failed.status.is_ok
    assert parent_of(failed) == span_id(work)
    assert propagator.counters.summary()["joined"] == 1
    assert propagator.counters["context/none"] == 0
    assert len(recorder.of("call_sent")) == 2


def test_a_call_in_a_request_of_both_is_a_child_of_its_server_span(
    tracer: trace.Tracer, propagator: Propagator, callee: Callee, url: str
) -> None:
    app = Flask("shop")

    @app.get("/")
    def root() -> str:
        with towline.requests.instrument(requests.Session()) as session:
            session.get(url, timeout=10)
        return "hi"

    FlaskInstrumentor().instrument_app(app, tracer_provider=PROVIDER)
    app.wsgi_app = Towline(app.wsgi_app, propagator)  # type: ignore[method-assign]
    with serving_wsgi(app) as front, requests.Session() as plain:
        response = plain.get(front, headers=CARRIER, timeout=10)
        client, server = finished(2)
    assert parent_of(client) == span_id(server)
    assert callee.contexts[0].parent_id == span_id(client)
    assert [hop.nonce for hop in callee.contexts[0].stamp().hops][1] == int(span_id(server)[8:], 16)
    assert Clock.parse(response.headers["raceway-clock"]).format().endswith(":4;e"), "the call was joined"


def test_a_client_span_that_is_there_is_used_as_it_is(
    tracer: trace.Tracer, propagator: Propagator, recorder: Recorder, callee: Callee, url: str
) -> None:
    RequestsInstrumentor().instrument(tracer_provider=PROVIDER)
    try:
        with towline.requests.instrument(requests.Session()) as session, tracer.start_as_current_span("work"):
            session.get(url, timeout=10)
            session.get(url, timeout=10)
    finally:
        RequestsInstrumentor().uninstrument()
    first, second, work = finished(3)
    assert [parent_of(first), parent_of(second)] == [span_id(work)] * 2
    assert [came["traceparent"].split("-")[2] for came in callee.came] == [span_id(first), span_id(second)]
    assert [came["raceway-clock"][-2:] for came in callee.came] == ['2"', '4"'], "one fork each"
    assert [event.span_id for event in recorder.of("call_sent")] == [span_id(first), span_id(second)]
    assert propagator.counters.summary()["joined"] == 2


def test_a_second_attempt_under_one_client_span_has_a_span_of_its_own(
    tracer: trace.Tracer, callee: Callee, url: str
) -> None:
    with (
        towline.requests.instrument(requests.Session()) as session,
        tracer.start_as_current_span("call", kind=SpanKind.CLIENT, attributes={"url.full": url}),
    ):
        session.get(url, timeout=10)
        session.get(url, timeout=10)
    second, first = finished(2)
    assert parent_of(second) == span_id(first)
    assert [came["traceparent"].split("-")[2] for came in callee.came] == [span_id(first), span_id(second)]


def test_a_client_span_without_a_processor_is_used_too(propagator: Propagator, callee: Callee, url: str) -> None:
    tracer = TracerProvider().get_tracer("test")
    context = propagator.serve([TRACEPARENT])
    context.settle()
    parent = BOTH.extract({"traceparent": f"00-{TRACE_ID}-{context.span_id}-01"})

    def work() -> str:
        with (
            towline.requests.instrument(requests.Session()) as session,
            tracer.start_as_current_span("call", parent, SpanKind.CLIENT) as span,
        ):
            session.get(url, timeout=10)
        return span_id(span)

    own = with_context(context, work)
    assert callee.contexts[0].parent_id == own
    assert context.stamp().format().endswith(":3"), "joined"


@contextmanager
def middle(propagators: str, tmp_path: Path) -> Iterator[str]:
    """A service in a process of its own, with OpenTelemetry's instrumentation alone."""
    points = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]["entry-points"]
    installed = tmp_path / "towline-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: towline\nVersion: 0.1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in named.items()) for group, named in points.items()]
    (installed / "entry_points.txt").write_text("\n".join(lines))
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TOWLINE_", "OTEL_"))}
    environ = own | {
        "OTEL_PROPAGATORS": propagators,
        "OTEL_SERVICE_NAME": "middle",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(FOLDER / "src")]),
    }
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("otel_service.py")],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            assert port, "it ended before it listened"
            yield f"http://127.0.0.1:{port}"
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                process.kill()


def spans_of(url: str) -> tuple[Any, Any]:
    """Its server span and its client span."""
    server, client = None, None
    for span in requests.get(f"{url}/spans", timeout=10).json():
        if span["kind"] == "SpanKind.SERVER":
            server = span
        else:
            client = span
    return server, client


def chain(middle_url: str, url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Context, str]:
    """Towline, then the service in the middle, then Towline: the first one's context, and its client span."""
    monkeypatch.setattr(_beside, "installed", None)
    recorder = Recorder()
    front = propagator_of(recorder, service_name="front").serve([TRACEPARENT], ["foo=1"])
    with towline.requests.instrument(requests.Session()) as session:
        response = with_context(front, session.get, middle_url, params={"next": url}, timeout=20)
    assert response.status_code == 200
    return front, recorder.of("call_sent")[0].span_id


def test_a_plain_opentelemetry_service_keeps_trace_parents_and_the_clock(
    callee: Callee, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with middle("tracecontext,baggage", tmp_path) as between:
        front, sent = chain(between, url, monkeypatch)
        server, client = spans_of(between)
    assert server["parent_id"] == f"0x{sent}"
    assert client["parent_id"] == server["context"]["span_id"]
    (last,) = callee.contexts
    assert (last.trace_id, f"0x{last.parent_id}") == (TRACE_ID, client["context"]["span_id"])
    assert last.tracestate == "foo=1"
    hops = last.stamp().hops
    assert [(hop.nonce, hop.gap) for hop in hops] == [
        (int(front.span_id[8:], 16), False),
        (int(last.span_id[8:], 16), True),
    ]
    assert "towline.clock" not in server["attributes"]
    assert callee.came[0].get("raceway-clock") is None


def test_one_setting_gives_such_a_service_its_clock(
    callee: Callee, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with middle("tracecontext,baggage,towline", tmp_path) as between:
        front, sent = chain(between, url, monkeypatch)
        server, client = spans_of(between)
    assert server["parent_id"] == f"0x{sent}"
    (last,) = callee.contexts
    assert (last.trace_id, f"0x{last.parent_id}") == (TRACE_ID, client["context"]["span_id"])
    hops = last.stamp().hops
    assert [(hop.service, hop.gap) for hop in hops] == [("front", False), ("middle", False), ("callee", False)]
    assert hops[1].nonce == int(server["context"]["span_id"][-8:], 16)
    in_middle = Clock.parse(server["attributes"]["towline.clock"])
    assert Clock.parse(client["attributes"]["towline.clock"]).format() == callee.came[0]["raceway-clock"]
    assert in_middle.compare(last.stamp()) is Order.BEFORE
    assert last.tracestate == "foo=1"
    assert front.propagator.counters.summary()["lost"] == {"absent": 1}


def test_the_counters_are_metrics(propagator: Propagator) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    register_metrics(propagator, provider)
    propagator.serve([TRACEPARENT, TRACEPARENT])
    propagator.serve([]).settle()
    data = reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: {point.attributes.get("reason"): point.value for point in metric.data.data_points}
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert found["towline.restarted"] == {"absent": 1, "duplicate": 1}
    assert found["towline.sent"] == {None: 0}
    provider.shutdown()


def test_spans_that_are_gone_are_forgotten(tracer: trace.Tracer) -> None:
    def work(ready: Callable[[], object]) -> None:
        for _ in range(50):
            with tracer.start_as_current_span("root"), tracer.start_as_current_span("call", kind=SpanKind.CLIENT):
                ready()

    before = len(_states)
    work(lambda: None)
    thread = threading.Thread(target=work, args=(lambda: None,))
    thread.start()
    thread.join()
    EXPORTER.clear()
    assert len(_states) <= before + 2
