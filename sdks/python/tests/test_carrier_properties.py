"""What is read at the edge, beside the reference model, and with hostile input."""

import json
import time
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import TRACEPARENT, propagator_of
from spec_files import model, vectors
from test_properties import mangled
from towline._b3 import MULTI, read_b3
from towline._baggage import read_baggage, read_members
from towline._errors import RefusedError
from towline._probe import BYTES_MAX
from towline._timeout import read_timeout

reference = model("carriers")
CARRIERS = vectors("carriers")


def texts_of(kind: str, *names: str) -> list[str]:
    return [text for case in CARRIERS[kind] for name in names for text in case[name]]


TIMEOUTS = texts_of("timeout", "towline-timeout", "grpc-timeout")
SINGLES = texts_of("b3", "b3")
MULTIS = [text for case in CARRIERS["b3"] for values in case["multi"].values() for text in values]
BAGGAGE = [text for text in texts_of("baggage", "baggage") if len(text) < 300]


def fields(texts: list[str], most: int = 2) -> st.SearchStrategy[list[str]]:
    return st.lists(st.one_of(mangled(texts), st.sampled_from(texts), st.text(max_size=20)), max_size=most)


def read(reader: Callable[[], Any]) -> Any:
    try:
        return reader()
    except RefusedError as error:
        return "dropped", error.reason


def by_model(reader: Callable[[], Any]) -> Any:
    try:
        return reader()
    except reference.Dropped as error:
        return "dropped", str(error)


@given(fields(TIMEOUTS), fields(TIMEOUTS))
@settings(max_examples=500)
def test_a_timeout_is_read_as_the_model_reads_it(own: list[str], grpc: list[str]) -> None:
    assert read(lambda: read_timeout(own, grpc)) == by_model(lambda: reference.read_timeout(own, grpc))


@given(fields(SINGLES), st.dictionaries(st.sampled_from(MULTI), fields(MULTIS)))
@settings(max_examples=500)
def test_b3_is_read_as_the_model_reads_it(single: list[str], multi: dict[str, list[str]]) -> None:
    found = read(lambda: read_b3({"b3": single} | multi))
    expected = by_model(lambda: reference.read_b3(single, multi))
    assert (found and tuple(found)) == (expected and tuple(expected))


@given(fields(BAGGAGE, 3))
@settings(max_examples=500)
def test_baggage_is_read_as_the_model_reads_it(values: list[str]) -> None:
    def own() -> Any:
        text = read_baggage(values)
        return text, read_members(text)

    assert read(own) == by_model(lambda: reference.read_baggage(values))


def test_blanks_without_end_take_no_time() -> None:
    hostile = "a=b;c=" + " " * 8000 + '"bad'
    start = time.process_time()
    for _ in range(100):
        assert read(lambda: read_baggage([hostile])) == ("dropped", "malformed")
    assert time.process_time() - start < 5


ANY = st.lists(st.one_of(st.text(max_size=30), mangled(BAGGAGE + SINGLES + TIMEOUTS)), max_size=3)
NAMES = ("baggage", "b3", *MULTI, "towline-timeout", "grpc-timeout", "towline-probe")


@given(ANY, ANY, ANY, st.dictionaries(st.sampled_from(NAMES), ANY), st.text(max_size=20))
@settings(max_examples=500)
def test_no_request_is_failed_by_what_it_brings(
    traceparent: list[str], tracestate: list[str], clock: list[str], more: dict[str, list[str]], peer: str
) -> None:
    propagator = propagator_of(propagators=["baggage", "b3", "b3multi"], deadlines=True, probe="1")
    context = propagator.serve(traceparent or [TRACEPARENT], tracestate, clock, peer=peer, more=more)
    call = context.call("db")
    call.answered(clock, 200, hops=tracestate)
    summary = propagator.counters.summary()
    assert summary["received"] == 1
    assert all(value.isascii() and value.isprintable() for value in call.headers.values())
    if context.along and context.along.probe:
        record = context.along.probe.record(context)
        assert record is not None
        assert len(record) <= BYTES_MAX
        assert json.loads(record)["service"] == "shop"
    context.end()


@given(st.lists(st.tuples(st.one_of(st.text(max_size=12), st.binary(max_size=12)), st.one_of(st.text(), st.binary()))))
def test_no_message_breaks_its_reader(pairs: list[Any]) -> None:
    propagator = propagator_of(propagators=["baggage", "b3"])
    propagator.receive_message(pairs).end()
    propagator.receive_message(dict(pairs)).end()
    assert propagator.counters.summary()["received"] == 2
