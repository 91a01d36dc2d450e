"""B3 and baggage: what comes, what goes on, and to whom."""

import logging
from typing import Any

import pytest

from conftest import CLOCK, PARENT_ID, TRACE_ID, TRACEPARENT, propagator_of
from towline import Config, Propagator, Towline, Trust, fork, with_context

B3 = f"{TRACE_ID}-{PARENT_ID}-1"
BAGGAGE = "user=ann%20a;p=1,b=2"


@pytest.mark.parametrize("names", [["b3"], ["tracecontext", "b3multi"]])
@pytest.mark.parametrize(
    "more",
    [
        {"b3": [B3]},
        {"x-b3-traceid": [TRACE_ID], "x-b3-spanid": [PARENT_ID], "x-b3-sampled": ["true"]},
        {"x-b3-traceid": [TRACE_ID], "x-b3-spanid": [PARENT_ID], "x-b3-flags": ["1"]},
    ],
    ids=["single", "multi", "debug"],
)
def test_a_trace_goes_on_by_b3(names: list[str], more: Any) -> None:
    propagator = propagator_of(propagators=names)
    context = propagator.serve([], ["foo=1"], [CLOCK], more=more)
    assert (context.trace_id, context.parent_id, context.flags, context.tracestate) == (TRACE_ID, PARENT_ID, 1, "")
    assert len(context.stamp().hops) == 1
    assert {key for key in propagator.counters.snapshot() if "/" in key} == {"clock/no_traceparent"}
    assert propagator.counters.summary()["continued"] == 1


@pytest.mark.parametrize(("default", "flags"), [(True, 1), (False, 0)])
def test_without_a_decision_it_is_that_of_a_new_trace(default: bool, flags: int) -> None:
    propagator = propagator_of(propagators=["b3"], sampled=default)
    assert propagator.serve([], more={"b3": [B3[:-2]]}).flags == flags


@pytest.mark.parametrize(("b3", "flags"), [("0", 2), ("1", 3)])
def test_a_decision_alone_is_that_of_the_new_trace(b3: str, flags: int) -> None:
    propagator = propagator_of(propagators=["b3"])
    context = propagator.serve([], more={"b3": [b3]})
    assert (context.parent_id, context.flags) == (None, flags)
    assert propagator.counters.summary()["restarted"] == {"absent": 1}


def test_b3_that_cannot_be_read_begins_a_new_trace() -> None:
    propagator = propagator_of(propagators=["b3"])
    assert propagator.serve([], more={"b3": ["nonsense"]}).trace_id != TRACE_ID
    assert propagator.counters.summary()["restarted"] == {"b3_malformed": 1}


def test_b3_counts_only_where_it_is_named_and_there_is_no_traceparent() -> None:
    other = B3.replace("0af7", "1af7")
    assert propagator_of().serve([], more={"b3": [other]}).parent_id is None
    propagator = propagator_of(propagators=["b3"])
    assert propagator.serve([TRACEPARENT], more={"b3": [other]}).trace_id == TRACE_ID
    assert propagator.serve(["nonsense"], more={"b3": [other]}).parent_id is None
    untrusting = propagator_of(propagators=["b3"], trust=lambda _: Trust("restart"))
    restarted = untrusting.serve([], more={"b3": [B3]})
    assert restarted.parent_id is None
    assert [link.trace_id for link in restarted.links] == [TRACE_ID]
    assert untrusting.counters["traceparent/untrusted"] == 1


def test_b3_is_written_beside_traceparent() -> None:
    context = propagator_of(propagators=["b3", "b3multi"]).serve([TRACEPARENT])
    call = context.call("example.com")
    assert call.headers["traceparent"] == f"00-{TRACE_ID}-{call.span_id}-01"
    assert call.headers["b3"] == f"{TRACE_ID}-{call.span_id}-1"
    assert [call.headers[f"x-b3-{n}"] for n in ("traceid", "spanid", "sampled")] == [TRACE_ID, call.span_id, "1"]
    quiet = propagator_of(propagators=["b3"], traceparent_to=["db"]).serve([TRACEPARENT]).call("example.com")
    assert quiet.headers == {}


def test_baggage_goes_to_hosts_of_the_list_and_to_no_other(propagator: Propagator, recorder: Any) -> None:
    context = propagator.serve([TRACEPARENT], more={"baggage": [" user = ann%20a;p=1 ", "b=2,,b=3"]})
    assert context.baggage == "user = ann%20a;p=1,b=2,b=3"
    assert (context.baggage_value("user"), context.baggage_value("b"), context.baggage_value("c")) == (
        "ann a",
        "2",
        None,
    )
    assert context.call("localhost").headers["baggage"] == context.baggage
    assert "baggage" not in context.call("example.com").headers
    assert propagator.counters["baggage/withheld"] == 1
    assert "baggage/withheld" in recorder.of("dropped")
    assert with_context(context, lambda: fork(lambda: context.call("db").headers["baggage"]).result())
    child = context.branch(detached=True).context
    assert child.call("db").headers["baggage"] == context.baggage


@pytest.mark.parametrize(
    ("values", "reason"),
    [(["a=" + "x" * 8200], "too_long"), (["a=1"] * 65, "too_many_members"), (["nonsense"], "malformed")],
)
def test_bad_baggage_is_dropped_whole(propagator: Propagator, values: list[str], reason: str) -> None:
    context = propagator.serve([TRACEPARENT], more={"baggage": values})
    assert context.baggage == ""
    assert "baggage" not in context.call("localhost").headers
    assert propagator.counters["baggage/" + reason] == 1


@pytest.mark.parametrize("settings", [{"trust": lambda _: Trust("restart")}, {"propagators": ["tracecontext"]}])
def test_baggage_is_dropped_with_the_trace_and_read_only_where_named(settings: Any) -> None:
    environ = {"HTTP_TRACEPARENT": TRACEPARENT, "HTTP_BAGGAGE": BAGGAGE, "PATH_INFO": "/", "REQUEST_METHOD": "GET"}
    propagator = propagator_of(**settings)
    seen: list[str] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ["towline.context"].baggage)
        start_response("200 OK", [])
        return [b""]

    Towline(app, propagator)(dict(environ), lambda *_: lambda _: None)
    Towline(app, propagator_of())(dict(environ), lambda *_: lambda _: None)
    assert seen == ["", BAGGAGE]


def test_the_words_are_those_of_opentelemetry(caplog: pytest.LogCaptureFixture) -> None:
    def read(text: str) -> tuple[str, ...]:
        return Config(environ={"OTEL_PROPAGATORS": text}).propagators

    assert read("") == read(" TraceContext , baggage,baggage ") == ("tracecontext", "baggage")
    assert caplog.text == ""
    assert read("tracecontext,jaeger,towline") == ("tracecontext", "towline")
    assert "jaeger" in caplog.text
    caplog.clear()
    assert read("b3") == ("b3",)
    assert read("none,b3") == ()
    assert caplog.text.count("read and sent anyway") == 2
    assert Config(environ={"OTEL_PROPAGATORS": "b3"}, propagators=["tracecontext"]).propagators == ("tracecontext",)


def test_the_first_line_says_what_is_read_and_sent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "towline"):
        propagator_of(propagators=["tracecontext", "b3"], deadlines=True)
    assert "x-b3-traceid" in caplog.text
    assert "towline-timeout" in caplog.text
