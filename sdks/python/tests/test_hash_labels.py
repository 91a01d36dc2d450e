"""Labels that are hidden from hosts that only `propagate_to` allows, and what a browser has to be told."""

import hashlib

import pytest

from conftest import CLOCK, TRACE_ID, TRACEPARENT, propagator_of
from towline import Clock, ClockV1, Context, Order, cors_headers


def digest(label: str) -> str:
    return hashlib.sha256(label.encode()).hexdigest()[:8]


def serve(**settings: object) -> Context:
    propagator = propagator_of(hash_labels=True, propagate_to=["example.com"], **settings)
    return propagator.serve([TRACEPARENT], [], [CLOCK])


def test_labels_are_hashed_for_strangers_alone() -> None:
    context = serve(service_name="gehé im")
    inside, outside = context.call("db.internal"), context.call("api.example.com")
    assert "web#1" in inside.headers["raceway-clock"]
    text = outside.headers["raceway-clock"]
    hops = Clock.parse(text, TRACE_ID).hops
    labels = [(digest("web"), digest("1")), (digest("gehé im"), digest("1"))]
    assert [(hop.service, hop.instance) for hop in hops] == labels
    assert outside.headers["tracestate"].startswith("towline=69203331:2/")
    assert text.count(digest("1")) == 2


def test_off_they_are_as_they_are() -> None:
    context = propagator_of(propagate_to=["example.com"]).serve([TRACEPARENT])
    assert "shop#1" in context.call("example.com").headers["raceway-clock"]


@pytest.mark.parametrize("work", ["plain", "news"])
def test_answers_are_joined_as_ever(work: str) -> None:
    context = serve()
    call = context.call("example.com")
    callee = propagator_of(service_name="callee").serve([TRACEPARENT], [], [call.headers["raceway-clock"]])
    if work == "news":
        callee.branch()
        callee.call("db").failed()
    last = callee.end()
    assert last is not None
    call.answered([last.format()], 200)
    assert callee.propagator.counters["clock/malformed"] == 0
    assert context.propagator.counters.summary()["joined"] == 1
    assert last.compare(context.stamp()) is Order.BEFORE
    assert context.stamp().hops[0].service == "web", "nothing of it stays"


def test_a_clock_that_only_its_digests_make_too_long_is_cut() -> None:
    context = serve(header_bytes_max=105)
    for _ in range(12):
        context.call("db").failed()
        context.event()
    assert context.propagator.counters["send/cut"] == 0
    call = context.call("example.com")
    assert len(call.headers["raceway-clock"]) <= 105
    assert context.propagator.counters["send/cut"] == 1
    call.answered([], 200)
    assert context.propagator.counters.summary()["lost"] == {"absent": 1}


def test_one_that_cannot_be_cut_enough_is_not_sent() -> None:
    context = serve(header_bytes_max=70)
    assert "raceway-clock" in context.call("db").headers
    assert "raceway-clock" not in context.call("example.com").headers
    assert context.propagator.counters["send/too_long"] == 1


def test_v1_is_hashed_too() -> None:
    header = serve(clock="v1").call("example.com").headers["raceway-clock"]
    assert ClockV1.read(header, TRACE_ID).vector == {f"{digest('shop')}#{digest('1')}": 1}


def test_a_browser_is_told_what_it_may_send_and_see() -> None:
    allow, expose = cors_headers(propagator_of(deadlines=True))
    assert allow[:4] == ["traceparent", "tracestate", "raceway-clock", "baggage"]
    assert "towline-timeout" in allow
    assert "raceway-clock" in expose
    assert "towline-timeout" not in cors_headers(propagator_of()).allow
