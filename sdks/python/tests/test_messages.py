"""Messages: carriers of any form, one context each, one for a batch."""

from collections.abc import Callable
from typing import Any

import pytest

from conftest import CLOCK, PARENT_ID, TRACE_ID, TRACEPARENT, Recorder, propagator_of
from towline import (
    Clock,
    ClockV1,
    HeaderCarrier,
    Order,
    Propagator,
    StrandEvent,
    current,
    message,
    receive_batch,
    receive_message,
    set_default,
    with_context,
)
from towline._propagator import default


class Own:
    """Headers of a client that has a class of its own for them."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.fields.get(name.lower())

    def set(self, name: str, value: str) -> None:
        self.fields[name.lower()] = value


CARRIERS: dict[str, Callable[[], Any]] = {
    "texts": dict,
    "texts, other case": lambda: {"TraceParent": "old", "RACEWAY-CLOCK": "old", "mine": "1"},
    "bytes": lambda: {"mine": b"1"},
    "of two kinds": lambda: {"mine": b"1", "yours": "2"},
    "pairs": list,
    "pairs of bytes": lambda: [("traceparent", b"old"), ("mine", b"1"), ("TRACESTATE", b"old")],
    "pairs of texts": lambda: [("mine", "1"), ("Traceparent", "old")],
    "its own": Own,
}


@pytest.mark.parametrize("kind", CARRIERS)
def test_a_message_carries_the_trace(kind: str, recorder: Recorder) -> None:
    sender, receiver = propagator_of(recorder), propagator_of(service_name="queue")
    context = sender.serve([TRACEPARENT], ["foo=1"])
    carrier = CARRIERS[kind]()
    span_id = context.send_message(carrier)
    with receive_message(carrier, receiver) as handling:
        assert current() is handling
        assert (handling.trace_id, handling.parent_id, handling.kind) == (TRACE_ID, span_id, "consumer")
        assert handling.tracestate == "foo=1"
        assert handling.stamp().path[0].detached
        sent = recorder.of("call_sent")[0]
        assert sent.clock.compare(handling.stamp()) is Order.BEFORE
        assert (sent.kind, sent.span_id, sent.parent_id) == ("producer", span_id, context.span_id)
    assert current() is None
    assert handling.strand.ended
    assert not context.stamp().format().endswith('"'), "nobody waits for it"
    assert sender.counters.summary()["sent"] == 0, "what is sent is asked for an answer"
    if isinstance(carrier, list):
        assert len({name.lower() for name, _ in carrier}) == len(carrier)
        assert {type(value) for _, value in carrier} == ({str} if kind == "pairs of texts" else {bytes})
    elif isinstance(carrier, dict):
        assert len({name.lower() for name in carrier}) == len(carrier)
        assert type(carrier["traceparent"]) is (bytes if kind == "bytes" else str)
    else:
        assert isinstance(carrier, HeaderCarrier)


@pytest.mark.parametrize(
    "carrier",
    [
        {"TRACEPARENT": TRACEPARENT, "Raceway-Clock": [CLOCK.encode()], "n": 5},
        [("Traceparent", TRACEPARENT.encode()), (b"raceway-clock", CLOCK.encode()), ("other", None)],
        (("traceparent", TRACEPARENT), ("RACEWAY-CLOCK", CLOCK)),
    ],
)
def test_names_are_found_in_any_case(propagator: Propagator, carrier: Any) -> None:
    context = receive_message(carrier, propagator)
    assert (context.parent_id, len(context.stamp().hops)) == (PARENT_ID, 2)
    assert not context.answers
    assert propagator.counters.summary()["continued"] == 1


@pytest.mark.parametrize(
    ("carrier", "reason"),
    [
        ({}, "absent"),
        (None, "absent"),
        ([("traceparent", b"\xff\xfe")], "malformed"),
        ([("traceparent", TRACEPARENT), ("Traceparent", TRACEPARENT)], "duplicate"),
        ({"traceparent": 5}, "malformed"),
    ],
)
def test_a_bad_message_begins_a_new_trace(propagator: Propagator, carrier: Any, reason: str) -> None:
    assert receive_message(carrier, propagator).parent_id is None
    assert propagator.counters.summary()["restarted"] == {reason: 1}


def test_baggage_and_b3_of_a_message_are_read_as_of_a_request() -> None:
    propagator = propagator_of(propagators=["tracecontext", "baggage", "b3"])
    context = receive_message({"B3": f"{TRACE_ID}-{PARENT_ID}-1", "Baggage": "a=1"}, propagator)
    assert (context.parent_id, context.baggage) == (PARENT_ID, "a=1")
    batch = receive_batch([{"B3": f"{TRACE_ID}-{PARENT_ID}-1"}], propagator)
    assert [link.parent_id for link in batch.links] == [PARENT_ID]


def test_a_batch_begins_a_trace_that_is_linked_to_each(propagator: Propagator, recorder: Recorder) -> None:
    other = TRACEPARENT.replace("0af7", "1af7")
    with receive_batch(
        [{"traceparent": TRACEPARENT}, {}, None, [("TraceParent", other.encode())]], propagator
    ) as batch:
        assert [link.trace_id[:4] for link in batch.links] == ["0af7", "1af7"]
        assert (batch.parent_id, batch.kind) == (None, "consumer")
        assert batch.trace_id not in (link.trace_id for link in batch.links)
    assert recorder.outcomes() == ["ok"]
    summary = propagator.counters.summary()
    assert (summary["received"], summary["continued"], summary["restarted"]) == (4, 2, {"absent": 2})


@pytest.mark.parametrize(("error", "outcome"), [(ValueError, "error"), (KeyboardInterrupt, "cancelled")])
def test_how_the_handling_ends(
    propagator: Propagator, recorder: Recorder, error: type[BaseException], outcome: str
) -> None:
    with pytest.raises(error), receive_message({}, propagator):
        raise error
    assert recorder.outcomes() == [outcome]
    assert current() is None


def test_after_the_end_a_message_is_of_the_work_after_the_answer(propagator: Propagator, recorder: Recorder) -> None:
    context = propagator.serve([TRACEPARENT])
    context.end()
    headers: dict[str, str] = {}
    context.send_message(headers)
    started: list[StrandEvent] = recorder.of("strand_start")
    assert recorder.of("call_sent")[0].parent_id == started[1].span_id


def test_a_clock_that_is_off_or_of_v1_or_too_long() -> None:
    off: dict[str, str] = {}
    propagator_of(clock="off").serve([TRACEPARENT]).send_message(off)
    assert set(off) == {"traceparent"}
    first: dict[str, str] = {}
    propagator_of(clock="v1").serve([TRACEPARENT]).send_message(first)
    assert ClockV1.read(first["raceway-clock"], TRACE_ID).vector == {"shop#1": 1}
    short = propagator_of(header_bytes_max=20)
    none: dict[str, str] = {}
    short.serve([TRACEPARENT]).send_message(none)
    assert set(none) == {"traceparent"}
    assert short.counters["send/too_long"] == 1
    disabled: dict[str, str] = {}
    propagator_of(disabled=True).new_trace().send_message(disabled)
    assert disabled == {}


def test_the_settings_are_those_of_the_process_where_none_are_given() -> None:
    before, own = default(), propagator_of(service_name="own")
    set_default(own)
    try:
        assert receive_message({}).propagator is own
        assert receive_batch([]).propagator is own
    finally:
        set_default(before)


def test_a_message_of_a_connection_is_a_strand_of_its_own(propagator: Propagator, recorder: Recorder) -> None:
    context = propagator.serve([TRACEPARENT], [], [CLOCK])

    def connection() -> list[Clock]:
        stamps = []
        for _ in range(2):
            with message() as handling:
                assert handling is not None
                assert current() is handling
                assert handling.parent_id == context.span_id
                stamps.append(handling.event())
            assert current() is context
        with pytest.raises(ValueError, match="bad"), message():
            raise ValueError("bad")
        return stamps

    first, second = with_context(context, connection)
    assert first.compare(second) is Order.BEFORE, "one after the other"
    assert context.stamp().format().endswith(":7"), "all are joined"
    assert recorder.outcomes() == ["ok", "ok", "error"]


def test_a_message_without_a_context() -> None:
    with message() as context:
        assert context is None
        assert current() is None


def test_disabled_no_message_is_read() -> None:
    propagator = propagator_of(disabled=True)
    assert receive_message({"traceparent": TRACEPARENT}, propagator).trace_id != TRACE_ID
    assert receive_batch([{"traceparent": TRACEPARENT}], propagator).links == ()
    assert propagator.counters.summary()["received"] == 0
