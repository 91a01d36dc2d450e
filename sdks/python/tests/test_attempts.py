"""Retries and redirects: each attempt is a call of its own, judged for the host that it goes to."""

import asyncio
import base64
import copy
import pickle
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth
from requests.structures import CaseInsensitiveDict
from urllib3.util.retry import Retry

import towline.httpx
import towline.requests
import towline.urllib
from conftest import TRACEPARENT, Recorder, propagator_of
from towline import Context, Propagator, with_context

OURS = ("traceparent", "tracestate", "raceway-clock", "baggage", "b3", "towline-timeout", "towline-probe")
ALWAYS = {"traceparent", "b3"}


class Callee:
    """Remembers what came; redirects, refuses and challenges as its path says."""

    def __init__(self) -> None:
        self.came: list[dict[str, str]] = []
        self.hosts: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        keys = {name: "HTTP_" + name.upper().replace("-", "_") for name in OURS}
        self.came.append({name: environ[key] for name, key in keys.items() if key in environ})
        self.hosts.append(environ["HTTP_HOST"].split(":")[0])
        path = environ["PATH_INFO"]
        if path == "/redirect":
            start_response("302 Found", [("location", environ["QUERY_STRING"]), ("content-length", "0")])
            return []
        if path == "/digest" and "HTTP_AUTHORIZATION" not in environ:
            challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
            start_response("401 Who", [("www-authenticate", challenge), ("content-length", "0")])
            return []
        if path == "/basic" and "HTTP_AUTHORIZATION" not in environ:
            start_response("401 Who", [("www-authenticate", 'Basic realm="r"'), ("content-length", "0")])
            return []
        if path == "/flaky" and len(self.came) < 3:
            start_response("503 Busy", [("content-length", "0")])
            return []
        start_response("200 OK", [("content-length", "2")])
        return [b"hi"]

    @property
    def parents(self) -> list[str]:
        return [headers["traceparent"].split("-")[2] for headers in self.came]


@pytest.fixture
def callee() -> Callee:
    return Callee()


@pytest.fixture
def url(callee: Callee, serve_wsgi: Callable[[Any], str]) -> str:
    return serve_wsgi(callee)


@pytest.fixture
def propagator(recorder: Recorder) -> Propagator:
    """One that has all to say, and to 127.0.0.1 alone."""
    propagator = propagator_of(recorder, propagators=["tracecontext", "baggage", "b3"], deadlines=True)
    propagator.config.propagate_to._remembered["localhost"] = False
    return propagator


@pytest.fixture
def context(propagator: Propagator) -> Context:
    more = {"baggage": ["a=1"], "towline-timeout": ["60000"], "towline-probe": ["1"]}
    return propagator.serve([TRACEPARENT], peer="127.0.0.1", more=more)


Get = Callable[..., None]


def by_requests(propagator: Propagator) -> Get:
    def get(url: str, **headers: str) -> None:
        with towline.requests.instrument(requests.Session(), propagator) as session:
            assert session.get(url, headers=headers, timeout=10).content == b"hi"

    return get


def by_httpx(propagator: Propagator) -> Get:
    def get(url: str, **headers: str) -> None:
        with towline.httpx.instrument(httpx.Client(follow_redirects=True), propagator) as client:
            assert client.get(url, headers=headers).content == b"hi"

    return get


def by_async_httpx(propagator: Propagator) -> Get:
    async def fetch(url: str, headers: dict[str, str]) -> None:
        async with towline.httpx.instrument(httpx.AsyncClient(follow_redirects=True), propagator) as client:
            assert (await client.get(url, headers=headers)).content == b"hi"

    return lambda url, **headers: asyncio.run(fetch(url, headers))


def by_urllib(propagator: Propagator) -> Get:
    def get(url: str, **headers: str) -> None:
        request = urllib.request.Request(url, headers=headers)
        with towline.urllib.build_opener(propagator=propagator).open(request, timeout=10) as response:
            assert response.read() == b"hi"

    return get


clients = pytest.mark.parametrize("client", [by_requests, by_httpx, by_async_httpx, by_urllib])
Client = Callable[[Propagator], Get]


def resends(recorder: Recorder, kind: str = "call_sent") -> list[int]:
    return [event.resend_count for event in recorder.of(kind)]


@clients
def test_nothing_of_ours_follows_a_redirect_to_a_host_that_may_not_have_it(
    client: Client, callee: Callee, url: str, propagator: Propagator, context: Context, recorder: Recorder
) -> None:
    elsewhere = url.replace("127.0.0.1", "localhost")
    with_context(context, client(propagator), f"{url}/redirect?{url}/redirect?{elsewhere}/there")
    assert [set(came) for came in callee.came] == [set(OURS), set(OURS), ALWAYS]
    assert callee.hosts == ["127.0.0.1", "127.0.0.1", "localhost"]
    assert callee.parents == [event.span_id for event in recorder.of("call_sent")]
    assert [came["b3"].split("-")[1] for came in callee.came] == callee.parents
    assert resends(recorder) == resends(recorder, "call_answered") == [0, 1, 2]
    assert (propagator.counters["send/withheld"], propagator.counters["baggage/withheld"]) == (1, 1)


@clients
def test_and_comes_back_where_it_may(
    client: Client, callee: Callee, url: str, propagator: Propagator, context: Context
) -> None:
    elsewhere = url.replace("127.0.0.1", "localhost")
    with_context(context, client(propagator), f"{elsewhere}/redirect?{url}/there")
    assert [set(came) for came in callee.came] == [ALWAYS, set(OURS)]
    assert callee.came[1]["baggage"] == "a=1"


@clients
def test_baggage_that_the_application_set_stays_where_it_was_meant_to_go(
    client: Client, callee: Callee, url: str, propagator: Propagator, context: Context
) -> None:
    elsewhere = url.replace("127.0.0.1", "localhost")
    with_context(context, client(propagator), f"{url}/redirect?{url}/redirect?{elsewhere}/there", Baggage="own=1")
    assert [came.get("baggage") for came in callee.came] == ["own=1", "own=1", None]
    with_context(context, client(propagator), f"{elsewhere}/there", Baggage="own=2")
    assert callee.came[-1]["baggage"] == "own=2"


@clients
def test_a_question_goes_on_only_where_it_was_answered_or_begins(
    client: Client, callee: Callee, url: str, propagator: Propagator
) -> None:
    client(propagator)(url, **{"towline-probe": "s3cret"})
    assert callee.came[0]["towline-probe"] == "s3cret", "a program that asks"
    with_context(propagator.serve([TRACEPARENT]), client(propagator), url, **{"Towline-Probe": "1"})
    assert "towline-probe" not in callee.came[1], "a proxy that copies"


def test_retries_of_requests_are_numbered(
    callee: Callee, url: str, propagator: Propagator, context: Context, recorder: Recorder
) -> None:
    session = towline.requests.instrument(requests.Session(), propagator)
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=5, status_forcelist=[503], backoff_factor=0)))
    response = with_context(context, session.get, f"{url}/flaky", timeout=10)
    session.close()
    assert resends(recorder) == [0, 1, 2]
    assert callee.parents == [event.span_id for event in recorder.of("call_sent")]
    assert [came["b3"].split("-")[1] for came in callee.came] == callee.parents
    assert {came["baggage"] for came in callee.came} == {"a=1"}
    assert response.request.headers["traceparent"].split("-")[2] == callee.parents[-1]


def test_an_answer_to_a_challenge_is_an_attempt(
    callee: Callee, url: str, propagator: Propagator, context: Context, recorder: Recorder
) -> None:
    with towline.requests.instrument(requests.Session(), propagator) as session:
        response = with_context(context, session.get, f"{url}/digest", auth=HTTPDigestAuth("u", "p"), timeout=10)
    assert response.status_code == 200
    with towline.httpx.instrument(httpx.Client(), propagator) as client:
        assert with_context(context, client.get, f"{url}/digest", auth=httpx.DigestAuth("u", "p")).status_code == 200
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, "u", "p")
    opener = towline.urllib.build_opener(urllib.request.HTTPBasicAuthHandler(passwords), propagator=propagator)
    with with_context(context, opener.open, f"{url}/basic", timeout=10) as answer:
        assert answer.status == 200
    assert base64.b64encode(b"u:p")
    assert callee.parents == [event.span_id for event in recorder.of("call_sent")]
    assert len(set(callee.parents)) == 6
    assert resends(recorder) == [0, 1] * 3


def test_a_request_can_be_pickled_and_copied_as_before(url: str, propagator: Propagator) -> None:
    with towline.requests.instrument(requests.Session(), propagator) as session:
        response = session.get(url, timeout=10)
    headers = response.request.headers
    for again in (pickle.loads(pickle.dumps(response)).request.headers, copy.deepcopy(headers), copy.copy(headers)):
        assert type(again) is CaseInsensitiveDict
        assert again == headers


def test_the_late_answer_of_an_attempt_that_was_given_up_is_not_joined(context: Context) -> None:
    lost, again = context.call("db"), context.call("db", resend_count=1)
    lost.failed(cancelled=True)
    answer = lost.headers["raceway-clock"].replace(';x="2"', ", callee#1/00000001:2;e")
    before = context.stamp()
    lost.answered([answer], 200)
    assert context.stamp() == before
    assert again.headers["raceway-clock"].endswith('x="2-3"')


def test_sessions_of_threads_do_not_mix_attempts_up(
    callee: Callee, url: str, propagator: Propagator, context: Context, recorder: Recorder
) -> None:
    session = towline.requests.instrument(requests.Session(), propagator)
    threads = [
        threading.Thread(target=with_context, args=(context, session.get, f"{url}/redirect?{url}/x")) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()
    assert sorted(resends(recorder)) == [0] * 8 + [1] * 8
    assert sorted(callee.parents) == sorted(event.span_id for event in recorder.of("call_sent"))
