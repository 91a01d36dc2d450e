"""Clients on real wires: requests, httpx and urllib against a server that tells what it got."""

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

import towline.httpx
import towline.requests
import towline.urllib
from conftest import TRACE_ID, TRACEPARENT, Recorder, propagator_of, wait_for
from towline import Clock, ClockV1, Context, Propagator, Towline, current, set_default, with_context
from towline._propagator import default

HEADERS = ("traceparent", "tracestate", "raceway-clock")


class Callee:
    """A server that remembers what came, and answers as its path says."""

    def __init__(self) -> None:
        self.came: list[dict[str, str]] = []
        self.propagator = propagator_of(service_name="callee")

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        keys = {name: "HTTP_" + name.upper().replace("-", "_") for name in HEADERS}
        self.came.append({name: environ[key] for name, key in keys.items() if key in environ})
        path = environ["PATH_INFO"]
        if path == "/flaky" and len(self.came) < 3:
            start_response("503 Busy", [("content-length", "0")])
            return []
        if path == "/redirect":
            start_response("302 Found", [("location", environ["QUERY_STRING"]), ("content-length", "0")])
            return []
        if path == "/stream":
            start_response("200 OK", [])
            return iter([b"a", b"b"])
        start_response("404 Not Found" if path == "/missing" else "200 OK", [("content-length", "2")])
        return [b"hi"]

    @property
    def parents(self) -> list[str]:
        return [headers["traceparent"].split("-")[2] for headers in self.came]


@pytest.fixture
def callee() -> Callee:
    return Callee()


@pytest.fixture
def url(callee: Callee, serve_wsgi: Callable[[Any], str]) -> str:
    return serve_wsgi(Towline(callee, callee.propagator))


@pytest.fixture
def context(propagator: Propagator) -> Context:
    return propagator.serve([TRACEPARENT], ["foo=1"])


Get = Callable[..., tuple[int, bytes]]


def by_requests(propagator: Propagator | None) -> Get:
    def get(url: str, **headers: str) -> tuple[int, bytes]:
        with towline.requests.instrument(requests.Session(), propagator) as session:
            response = session.get(url, headers=headers, timeout=10)
        return response.status_code, response.content

    return get


def by_httpx(propagator: Propagator | None) -> Get:
    def get(url: str, **headers: str) -> tuple[int, bytes]:
        with towline.httpx.instrument(httpx.Client(follow_redirects=True), propagator) as client:
            response = client.get(url, headers=headers)
        return response.status_code, response.content

    return get


def by_async_httpx(propagator: Propagator | None) -> Get:
    async def fetch(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
        async with towline.httpx.instrument(httpx.AsyncClient(follow_redirects=True), propagator) as client:
            response = await client.get(url, headers=headers)
        return response.status_code, response.content

    return lambda url, **headers: asyncio.run(fetch(url, headers))


def by_urllib(propagator: Propagator | None) -> Get:
    def get(url: str, **headers: str) -> tuple[int, bytes]:
        request = urllib.request.Request(url, headers=headers)
        try:
            with towline.urllib.build_opener(propagator=propagator).open(request, timeout=10) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    return get


CLIENTS = [by_requests, by_httpx, by_async_httpx, by_urllib]
clients = pytest.mark.parametrize("client", CLIENTS)
Client = Callable[[Propagator | None], Get]


@clients
def test_a_call_carries_the_trace_and_learns_from_the_answer(
    client: Client, callee: Callee, url: str, context: Context, recorder: Recorder
) -> None:
    assert with_context(context, client(None), url) == (200, b"hi")
    (came,) = callee.came
    (sent,), (answered,) = recorder.of("call_sent"), recorder.of("call_answered")
    assert came["traceparent"] == f"00-{TRACE_ID}-{sent.span_id}-01"
    assert came["tracestate"].endswith(",foo=1") and came["tracestate"].startswith("towline=")
    assert came["raceway-clock"] == sent.clock.format()
    assert (sent.host, sent.parent_id) == ("127.0.0.1", context.span_id)
    assert (answered.outcome, answered.status) == ("ok", 200)
    assert context.stamp().format() == f"v2;t=1c80319c, shop#1/{context.span_id[8:]}:3"


@clients
def test_a_call_without_a_context_carries_a_new_trace(
    client: Client, callee: Callee, url: str, propagator: Propagator, recorder: Recorder
) -> None:
    client(propagator)(url)
    assert callee.came[0]["traceparent"].endswith("-03")
    assert propagator.counters["context/none"] == 1
    assert recorder.outcomes() == ["ok"]
    assert current() is None


@clients
def test_what_was_set_by_hand_is_replaced(client: Client, callee: Callee, url: str, context: Context) -> None:
    by_hand = {"TraceParent": TRACEPARENT, "tracestate": "mine=1", "RACEWAY-CLOCK": "mine"}
    with_context(context, client(None), url, **by_hand)
    (came,) = callee.came
    assert "," not in came["traceparent"]
    assert came["traceparent"] != TRACEPARENT
    assert "mine" not in came["tracestate"] + came["raceway-clock"]


@clients
def test_a_redirect_is_another_attempt_decided_anew(
    client: Client, callee: Callee, url: str, recorder: Recorder
) -> None:
    propagator = propagator_of(recorder)
    propagator.config.propagate_to._remembered["localhost"] = False
    context = propagator.serve([TRACEPARENT])
    elsewhere = url.replace("127.0.0.1", "localhost")
    assert with_context(context, client(None), f"{url}/redirect?{elsewhere}/there") == (200, b"hi")
    assert [set(came) for came in callee.came] == [set(HEADERS), {"traceparent"}]
    assert callee.parents == [event.span_id for event in recorder.of("call_sent")]
    assert len(set(callee.parents)) == 2
    assert recorder.outcomes("call_answered") == ["ok", "lost"]


@clients
def test_no_answer_leaves_the_fork_open(client: Client, context: Context, recorder: Recorder) -> None:
    with pytest.raises(OSError if client in (by_requests, by_urllib) else httpx.HTTPError):
        with_context(context, client(None), "http://127.0.0.1:9/")
    assert recorder.outcomes("call_answered") == ["error"]
    assert context.stamp().format().endswith(':2;x="2"')


@clients
def test_a_status_is_told(client: Client, url: str, context: Context, recorder: Recorder) -> None:
    assert with_context(context, client(None), url + "/missing")[0] == 404
    assert [event.status for event in recorder.of("call_answered")] == [404]


@clients
def test_an_answer_without_the_end_is_lost(client: Client, url: str, context: Context, recorder: Recorder) -> None:
    assert with_context(context, client(None), url + "/stream") == (200, b"ab")
    assert recorder.outcomes("call_answered") == ["lost"]
    assert context.stamp().format().endswith(':3;x="2.1~"')


@clients
def test_disabled_is_truly_pass_through(client: Client, callee: Callee, url: str) -> None:
    propagator = propagator_of(disabled=True)
    client(propagator)(url, traceparent=TRACEPARENT)
    assert callee.came == [{"traceparent": TRACEPARENT}]
    assert propagator.counters.snapshot() == {}


@clients
def test_the_default_propagator_serves_who_gave_none(client: Client, callee: Callee, url: str) -> None:
    before, own = default(), propagator_of(service_name="own")
    set_default(own)
    try:
        client(None)(url)
    finally:
        set_default(before)
    assert Clock.parse(callee.came[0]["raceway-clock"]).hops[0].service == "own"


def test_instrumenting_twice_makes_one_span_for_each_attempt(
    callee: Callee, url: str, context: Context, recorder: Recorder
) -> None:
    session = towline.requests.instrument(towline.requests.instrument(requests.Session()))
    with_context(context, session.get, url)
    session.close()
    client = towline.httpx.instrument(
        towline.httpx.instrument(httpx.Client(transport=towline.httpx.Transport(towline.httpx.Transport())))
    )
    with_context(context, client.get, url)
    client.close()
    assert len(recorder.of("call_sent")) == 2
    assert callee.parents == [event.span_id for event in recorder.of("call_sent")]


def test_requests_retries_are_attempts(callee: Callee, url: str, context: Context, recorder: Recorder) -> None:
    session = towline.requests.instrument(requests.Session())
    retry = Retry(total=5, status_forcelist=[503], backoff_factor=0)
    session.mount("http://", HTTPAdapter(max_retries=retry))
    response = with_context(context, session.get, url + "/flaky", timeout=10)
    session.close()
    assert response.status_code == 200
    assert callee.parents == [event.span_id for event in recorder.of("call_sent")]
    assert len(set(callee.parents)) == 3
    assert [(e.outcome, e.status) for e in recorder.of("call_answered")] == [("ok", 503), ("ok", 503), ("ok", 200)]
    assert context.stamp().format().endswith(":7")


def test_a_retry_policy_keeps_its_own_class_and_behaviour(url: str, context: Context, recorder: Recorder) -> None:
    class Patient(Retry):
        slept = 0

        def sleep(self, response: Any = None) -> None:
            Patient.slept += 1

    session = towline.requests.instrument(requests.Session())
    session.mount("http://", HTTPAdapter(max_retries=Patient(connect=2)))
    with pytest.raises(requests.ConnectionError):
        with_context(context, session.get, "http://127.0.0.1:9/")
    adapter = session.get_adapter("http://127.0.0.1:9/")
    assert isinstance(adapter.max_retries, Patient)
    assert Patient.slept == 2
    assert recorder.outcomes("call_answered") == ["error"] * 3
    session.close()


def test_a_custom_adapter_is_an_adapter_still(context: Context, recorder: Recorder) -> None:
    class Canned(requests.adapters.BaseAdapter):
        closed = False

        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            response = requests.Response()
            response.status_code = 200
            response.request = request
            response.headers["raceway-clock"] = "nonsense"
            return response

        def close(self) -> None:
            self.closed = True

    canned = Canned()
    session = towline.requests.instrument(requests.Session())
    session.mount("canned://", canned)
    with_context(context, session.get, "canned://db/x")
    session.close()
    assert canned.closed
    assert recorder.outcomes("call_answered") == ["lost"]


def test_interrupting_a_call_is_giving_it_up(context: Context, recorder: Recorder) -> None:
    class Interrupted(httpx.BaseTransport):
        def handle_request(self, _: httpx.Request) -> httpx.Response:
            raise KeyboardInterrupt

    client = httpx.Client(transport=towline.httpx.Transport(Interrupted()))
    with pytest.raises(KeyboardInterrupt):
        with_context(context, client.get, "http://db/")
    client.close()
    assert recorder.outcomes("call_answered") == ["cancelled"]


def test_cancelling_a_task_is_giving_its_call_up(context: Context, recorder: Recorder) -> None:
    class Endless(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

    async def main() -> None:
        async with httpx.AsyncClient(transport=towline.httpx.AsyncTransport(Endless())) as client:
            task = asyncio.ensure_future(with_context(context, client.get("http://db/")))
            while not recorder.of("call_sent"):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert recorder.outcomes("call_answered") == ["cancelled"]
    assert context.stamp().format().endswith(':2;x="2"')


def test_httpx_tells_the_end_of_a_streamed_body(url: str, context: Context, recorder: Recorder) -> None:
    def work() -> None:
        with (
            towline.httpx.instrument(httpx.Client()) as client,
            client.stream("GET", url + "/stream") as response,
        ):
            assert recorder.outcomes("call_answered") == []
            assert list(response.iter_raw()) == [b"a", b"b"]

    with_context(context, work)
    assert recorder.outcomes("call_answered") == ["lost"]


def test_httpx_keeps_the_mounts_of_a_client(context: Context, recorder: Recorder) -> None:
    mounts = {"http://own": httpx.MockTransport(lambda _: httpx.Response(204)), "http://none": None}
    with towline.httpx.instrument(httpx.Client(mounts=mounts)) as client:
        assert with_context(context, client.get, "http://own/").status_code == 204
    assert len(recorder.of("call_sent")) == 1


def test_https_goes_through_its_handler(context: Context, recorder: Recorder) -> None:
    opener = towline.urllib.build_opener()
    with pytest.raises(urllib.error.URLError):
        with_context(context, opener.open, "https://127.0.0.1:9/", timeout=5)
    assert len(recorder.of("call_sent")) == 1


def test_v1_goes_over_the_wire(callee: Callee, url: str) -> None:
    context = propagator_of(clock="v1").serve([TRACEPARENT])
    with_context(context, by_requests(None), url)
    assert ClockV1.read(callee.came[0]["raceway-clock"], TRACE_ID).vector == {"shop#1": 1}


@pytest.mark.parametrize("served", ["wsgi", "asgi"])
def test_a_thousand_requests_fifty_at_once_are_never_mixed_up(
    served: str, callee: Callee, url: str, serve_wsgi: Callable[[Any], str], serve_asgi: Callable[[Any], str]
) -> None:
    """Each request calls on and says which trace it saw; the callee says which one came."""
    front = propagator_of(service_name="front")
    if served == "wsgi":
        session = towline.requests.instrument(requests.Session())
        session.mount("http://", HTTPAdapter(pool_maxsize=50))

        def app(_: Any, start_response: Any) -> Iterator[bytes]:
            context = current()
            assert context is not None
            session.get(url, timeout=30).close()
            start_response("200 OK", [])
            yield f"{context.trace_id} {context.span_id} ".encode()
            assert current() is context
            yield context.stamp().format().encode()

        base = serve_wsgi(Towline(app, front))
    else:
        client = towline.httpx.instrument(httpx.AsyncClient(limits=httpx.Limits(max_connections=50), timeout=30))

        async def asgi(scope: Any, receive: Any, send: Any) -> None:
            context = current()
            assert context is not None
            await client.get(url)
            assert current() is context
            text = f"{context.trace_id} {context.span_id} {context.stamp().format()}"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": text.encode()})

        base = serve_asgi(towline.TowlineASGI(asgi, front))
    asked = [f"{n + 1:032x}" for n in range(1000)]
    todo, answers, lock = list(asked), dict[str, str](), threading.Lock()

    def work() -> None:
        with requests.Session() as plain:
            while True:
                with lock:
                    if not todo:
                        return
                    trace_id = todo.pop()
                headers = {"traceparent": f"00-{trace_id}-{trace_id[16:]}-01"}
                text = plain.get(base, headers=headers, timeout=30).text
                with lock:
                    answers[trace_id] = text

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 1000
    came = {headers["traceparent"].split("-")[1]: headers for headers in callee.came}
    assert sorted(came) == sorted(asked)
    for trace_id, text in answers.items():
        seen, span_id, stamp = text.split(" ", 2)
        assert seen == trace_id
        assert stamp == f"v2;t={trace_id[-8:]}, front#1/{span_id[8:]}:3", "one call, sent and joined"
        assert Clock.parse(came[trace_id]["raceway-clock"]).hops[0].nonce == int(span_id[8:], 16)
    if served == "wsgi":
        session.close()
    assert front.counters["strand_start"] == 1000
    wait_for(lambda: front.counters["strand_end"] == 1000)  # a body ends a moment after its caller has all of it
    assert not [key for key in front.counters.snapshot() if key.startswith(("answer/", "context/", "clock/"))]
