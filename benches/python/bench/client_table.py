"""Clients over a transport that answers at once: no network. Each call belongs to a request, two calls to each.

Every variant's transport does the same work: it makes a callee's answer of what was sent, and answers with it where
the request carried a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from bench.inbound import NONCES, Inbound, answer, inbound
from bench.job import Job, WrongOutputError, expect, expect_child
from towline import Config, Propagator
from towline._context import set_current

URL = "http://stock.internal/items/7"
NO_CLOCK = 'v2;t=1c80319c, typescript#ts-1/a3f9c21b:2, python#py-1/77b0e190:4;x="4"'
CALLS = 2
BY_HAND = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03",
    "tracestate": "towline=a3f9c21b:2/77b0e190:4x4",
    "raceway-clock": NO_CLOCK,
}


class Wire:
    """What the transport saw last, and what it answers."""

    def __init__(self, variant: str) -> None:
        self.by_hand = BY_HAND if variant == "fields by hand" else {}
        self.sent: dict[str, str | None] = {}
        self.calls = 0

    def answer(self, headers: Any) -> dict[str, str]:
        """The fields of the answer."""
        for name, value in self.by_hand.items():
            headers[name] = value
        self.calls += 1
        self.sent["traceparent"] = headers.get("traceparent")
        sent = self.sent["raceway-clock"] = headers.get("raceway-clock")
        clock = answer(sent or NO_CLOCK, NONCES[self.calls % len(NONCES)])
        fields = {"content-length": "6", "content-type": "text/plain"}
        if sent is not None:
            fields["raceway-clock"] = clock
        return fields


def requests_client(variant: str, wire: Wire) -> tuple[Callable[[], None], Any]:
    """A call, and the rival behind it if there is one."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPResponse

    class Transport(HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
            fields = wire.answer(request.headers)
            raw = HTTPResponse(body=BytesIO(b"a body"), headers=fields, status=200, preload_content=False)
            return self.build_response(request, raw)

    session = requests.Session()
    session.trust_env = False
    session.mount("http://", Transport())
    rival = None
    if variant.startswith("otel"):
        from opentelemetry.instrumentation.requests import RequestsInstrumentor

        from bench.rivals import OpenTelemetry

        rival = OpenTelemetry(variant)
        RequestsInstrumentor().instrument(tracer_provider=rival.provider)
    elif variant.startswith("towline"):
        import towline.requests

        towline.requests.instrument(session)

    def call() -> None:
        if session.get(URL).content != b"a body":
            raise WrongOutputError("another body")

    return call, rival


def httpx_client(variant: str, wire: Wire) -> tuple[Callable[[], None], Any]:
    """As `requests_client`."""
    import httpx

    class Transport(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers=wire.answer(request.headers), content=b"a body")

    client = httpx.Client(transport=Transport(), trust_env=False)
    rival = None
    if variant.startswith("otel"):
        from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

        from bench.rivals import OpenTelemetry

        rival = OpenTelemetry(variant)
        HTTPXClientInstrumentor.instrument_client(client, tracer_provider=rival.provider)
    elif variant.startswith("towline"):
        import towline.httpx

        towline.httpx.instrument(client)

    def call() -> None:
        if client.get(URL).content != b"a body":
            raise WrongOutputError("another body")

    return call, rival


def make(variant: str, client: Callable[[str, Wire], tuple[Callable[[], None], Any]]) -> Job:
    """One variant of a client."""
    wire = Wire(variant)
    call, rival = client(variant, wire)
    off = variant.endswith("no clock")
    propagator = Propagator(Config(service_name="bench", clock="off" if off else "v2", environ={}))
    hops = int(variant.split()[1]) - 1 if variant.endswith("hops") else 0  # the caller's own is the last
    came = inbound(hops)
    within = _rival_requests if rival else _towline_requests if variant.startswith("towline") else _no_requests

    def check() -> None:
        counts: list[int] = []

        def checked(request: Inbound) -> Callable[[], None]:
            def one() -> None:
                call()
                if variant == "bare" or wire.by_hand:
                    expect("traceparent", wire.sent["traceparent"], wire.by_hand.get("traceparent"))
                else:
                    expect_child("traceparent", wire.sent["traceparent"], request.trace_id, request.parent_id)
                clock = wire.sent["raceway-clock"]
                expect("a clock is sent", clock is not None, variant.endswith("hops") or bool(wire.by_hand))
                if clock is not None and not wire.by_hand:
                    expect("levels", clock.count(","), hops + 1)
                counts.append(1)

            return one

        within(propagator, came, checked)()
        expect("calls", len(counts), len(came) * CALLS)
        if variant.endswith("hops"):
            drops = {key: n for key, n in propagator.counters.snapshot().items() if "/" in key}
            expect("drops", drops, {})
        if rival:
            expect("exported", rival.exported(), True)

    return Job(check, lambda: within(propagator, came, lambda _: call), len(came) * CALLS, 1)


Calls = Callable[[Inbound], Callable[[], None]]


def _no_requests(propagator: Propagator, came: list[Inbound], calls: Calls) -> Callable[[], None]:
    made = [calls(request) for request in came]

    def run() -> None:
        for call in made:
            for _ in range(CALLS):
                call()

    return run


def _towline_requests(propagator: Propagator, came: list[Inbound], calls: Calls) -> Callable[[], None]:
    def served(request: Inbound) -> Any:
        fields = dict(request.fields)
        return propagator.serve(
            [fields["traceparent"]],
            [fields["tracestate"]] if "tracestate" in fields else [],
            [fields["raceway-clock"]] if "raceway-clock" in fields else [],
        )

    made = [(served(request), calls(request)) for request in came]

    def run() -> None:
        for context, call in made:
            before = set_current(context)
            for _ in range(CALLS):
                call()
            set_current(before)

    return run


def _rival_requests(propagator: Propagator, came: list[Inbound], calls: Calls) -> Callable[[], None]:
    from bench.rivals import attach, detach, extract

    made = [(extract(dict(request.fields)), calls(request)) for request in came]

    def run() -> None:
        for context, call in made:
            token = attach(context)
            for _ in range(CALLS):
                call()
            detach(token)

    return run
