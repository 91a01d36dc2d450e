"""Contexts, calls, settings of who is told what: without any server."""

import asyncio
import logging
from typing import Any

import pytest

from conftest import CLOCK, PARENT_ID, TRACE_ID, TRACEPARENT, Recorder, propagator_of
from towline import Clock, ClockV1, Context, Observer, Order, Propagator, Trust, current, with_context
from towline._context import Branch


def serve(propagator: Propagator, clock: str | None = CLOCK, tracestate: str | None = None) -> Context:
    return propagator.serve([TRACEPARENT], [] if tracestate is None else [tracestate], [] if clock is None else [clock])


def v1(vector: dict[str, int], trace_id: str = TRACE_ID) -> str:
    return ClockV1(vector).write(
        trace_id=trace_id, span_id=PARENT_ID, parent_span_id=PARENT_ID, service="up", instance="1"
    )


def answer_to(headers: dict[str, str], end: str = ";e") -> str:
    """What a callee of one event answers to these headers."""
    clock = Clock.parse(headers["raceway-clock"])
    text = clock.format()
    return f"{text[: text.rindex(';x=')]}, callee#1/00000007:2{end}"


def test_a_request_is_continued(propagator: Propagator, recorder: Recorder) -> None:
    context = serve(propagator, tracestate="towline=00000001:1,foo=1")
    assert (context.trace_id, context.parent_id, context.flags) == (TRACE_ID, PARENT_ID, 1)
    assert (context.tracestate, context.kind, context.answers) == ("foo=1", "server", True)
    nonce = context.span_id[8:]
    assert context.stamp().format() == f"v2;t=1c80319c, web#1/69203331:2, shop#1/{nonce}:1"
    (started,) = recorder.of("strand_start")
    assert (started.span_id, started.parent_id, started.kind) == (context.span_id, PARENT_ID, "server")
    assert (started.service, started.instance, started.clock) == ("shop", "1", context.stamp())
    assert propagator.counters.snapshot() == {"strand_start": 1, "continued": 1}


def test_a_request_without_a_trace_begins_one(propagator: Propagator) -> None:
    context = propagator.serve([], ["foo=1"], [CLOCK])
    assert context.parent_id is None
    assert context.flags == 3
    assert len(context.trace_id) == 32
    assert context.tracestate == ""
    assert not context.answers
    assert len(context.stamp().hops) == 1
    assert propagator.counters.snapshot() == {
        "strand_start": 1,
        "traceparent/absent": 1,
        "clock/no_traceparent": 1,
    }
    assert propagator_of(sampled=False).serve([]).flags == 2


@pytest.mark.parametrize(
    ("traceparent", "reason"),
    [
        ([TRACEPARENT, TRACEPARENT], "duplicate"),
        ([TRACEPARENT + "," + TRACEPARENT], "duplicate"),
        (["nonsense"], "malformed"),
        ([f"00-{'0' * 32}-{PARENT_ID}-01"], "zero_id"),
    ],
)
def test_a_bad_traceparent_begins_a_trace(propagator: Propagator, traceparent: list[str], reason: str) -> None:
    assert propagator.serve(traceparent).parent_id is None
    assert propagator.counters["traceparent/" + reason] == 1


@pytest.mark.parametrize(
    ("clocks", "reason"),
    [
        ([CLOCK, CLOCK], "duplicate"),
        ([f"{CLOCK}, {CLOCK}"], "duplicate"),
        ([CLOCK + " " * 5000], "too_long"),
        (["v3;t=1c80319c, a#1/00000001:1"], "version"),
        ([""], "version"),
        ([CLOCK.replace("1c80319c", "1c80319d")], "other_trace"),
        ([CLOCK.replace(":2", ":0")], "malformed"),
        ([CLOCK.replace(":2", ":2147483648")], "over_limits"),
        (["v1;!!"], "malformed"),
        ([v1({"up#1": 1}, "1" * 32)], "other_trace"),
        (["v1;" + "A" * 5000], "too_long"),
        ([v1({f"{n:x}": 1 for n in range(257)})], "over_limits"),
        ([v1({"up#1": 2**31})], "over_limits"),
        ([v1({"up#1": -1})], "malformed"),
    ],
)
def test_a_bad_clock_is_dropped_and_a_first_strand_starts(
    propagator: Propagator, clocks: list[str], reason: str
) -> None:
    context = propagator.serve([TRACEPARENT], ["towline=69203331:2x2"], clocks)
    assert context.trace_id == TRACE_ID
    assert context.parent_id == PARENT_ID
    assert len(context.stamp().hops) == 1, "also where a member came beside it"
    assert not context.answers
    assert propagator.counters.snapshot() == {
        "strand_start": 1,
        "continued": 1,
        "clock/" + reason: 1,
    }


def test_a_bad_tracestate_is_dropped(propagator: Propagator) -> None:
    assert serve(propagator, tracestate="foo=1,bad").tracestate == ""
    assert serve(propagator, tracestate=",".join(f"k{n}=1" for n in range(33))).tracestate == ""
    assert propagator.counters["tracestate/malformed"] == 1
    assert propagator.counters["tracestate/too_many_members"] == 1


def test_the_strand_goes_on_from_the_tracestate_member(propagator: Propagator) -> None:
    context = serve(propagator, clock=None, tracestate="towline=69203331:2x2,foo=1")
    nonce = context.span_id[8:]
    assert context.stamp().format() == f"v2;t=1c80319c, _#/69203331:2, shop#1/{nonce}:1;g"
    assert not context.answers
    assert len(serve(propagator, clock=None, tracestate="towline=nonsense").stamp().hops) == 1
    assert propagator.counters["member/malformed"] == 1
    assert len(serve(propagator, clock=None, tracestate="towline=69203331:99999x1-70000").stamp().hops) == 1
    assert propagator.counters["member/over_limits"] == 1


def test_trust_is_a_function_of_the_peer() -> None:
    def trust(peer: str) -> Trust:
        return {"a": Trust("restart"), "b": Trust("ignore"), "c": Trust(drop_tracestate=True)}.get(peer, Trust())

    propagator = propagator_of(trust=trust)

    def came(peer: str) -> Context:
        return propagator.serve([TRACEPARENT], ["towline=69203331:2,foo=1"], [CLOCK], peer=peer)

    restarted, ignored, dropped, trusted = (came(peer) for peer in "abcd")
    assert restarted.trace_id != TRACE_ID != ignored.trace_id
    assert restarted.links
    assert (restarted.links[0].trace_id, restarted.parent_id, ignored.links) == (TRACE_ID, None, ())
    assert (dropped.trace_id, dropped.tracestate, dropped.answers) == (TRACE_ID, "", True)
    assert (trusted.trace_id, trusted.tracestate) == (TRACE_ID, "foo=1")
    assert propagator.counters.snapshot() == {
        "strand_start": 4,
        "continued": 2,
        "traceparent/untrusted": 2,
        "tracestate/untrusted": 3,
        "clock/untrusted": 2,
    }


def test_trust_that_raises_trusts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def trust(_: str) -> Trust:
        raise RuntimeError("broken")

    assert propagator_of(trust=trust).serve([TRACEPARENT]).trace_id != TRACE_ID
    assert "trust function raised" in caplog.text


def test_a_call_and_its_answer(propagator: Propagator, recorder: Recorder) -> None:
    context = serve(propagator, tracestate="foo=1")
    call = context.call("db.internal")
    nonce = context.span_id[8:]
    assert call.headers == {
        "traceparent": f"00-{TRACE_ID}-{call.span_id}-01",
        "raceway-clock": f'v2;t=1c80319c, web#1/69203331:2, shop#1/{nonce}:2;x="2"',
        "tracestate": f"towline=69203331:2/{nonce}:2x2,foo=1",
    }
    call.answered([answer_to(call.headers)], 200)
    call.answered([answer_to(call.headers)], 200)
    call.failed()
    assert context.stamp().format() == f"v2;t=1c80319c, web#1/69203331:2, shop#1/{nonce}:3"
    (sent,), (answered,) = recorder.of("call_sent"), recorder.of("call_answered")
    assert (sent.span_id, sent.parent_id, sent.host, sent.kind) == (
        call.span_id,
        context.span_id,
        "db.internal",
        "client",
    )
    assert sent.clock.format() == call.headers["raceway-clock"]
    assert (answered.outcome, answered.status, answered.clock) == ("ok", 200, context.stamp())
    assert propagator.counters.snapshot() == {
        "strand_start": 1,
        "continued": 1,
        "call_sent": 1,
        "sent": 1,
        "call_answered": 1,
        "joined": 1,
    }


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([], "absent"),
        (["{ok}", "{ok}"], "duplicate"),
        (["{ok}" + " " * 5000], "too_long"),
        (["v1;e30"], "version"),
        (["v2;t=00000000, a#1/00000001:1"], "other_trace"),
        (["v2;t=1c80319c, a#1/00000001"], "malformed"),
        (["v2;t=1c80319c, a#1/00000001:2147483648"], "over_limits"),
        ([CLOCK], "other_strand"),
    ],
)
def test_an_answer_that_cannot_be_used_is_lost(
    propagator: Propagator, recorder: Recorder, answers: list[str], reason: str
) -> None:
    context = serve(propagator)
    call = context.call("localhost")
    call.answered([answer.replace("{ok}", answer_to(call.headers)) for answer in answers], 200)
    assert context.stamp().format().endswith(':2;x="2~"')
    assert propagator.counters["answer/" + reason] == 1
    assert recorder.outcomes("call_answered") == ["lost"]


def test_no_answer_leaves_the_fork_open(propagator: Propagator, recorder: Recorder) -> None:
    context = serve(propagator)
    context.call("localhost").failed()
    context.call("localhost").failed(cancelled=True)
    assert context.stamp().format().endswith(':3;x="2-3"')
    assert recorder.outcomes("call_answered") == ["error", "cancelled"]


def test_an_answer_without_the_end_is_lost_when_the_body_ends(propagator: Propagator, recorder: Recorder) -> None:
    context = serve(propagator)
    call = context.call("localhost")
    call.answered([answer_to(call.headers, end="")], 200, body_follows=True)
    assert context.stamp().format().endswith(':3;x="2.2"')
    assert not call.done
    call.body_ended(200)
    call.body_ended(200)
    assert context.stamp().format().endswith(':3;x="2.2~"')
    at_once = context.call("localhost")
    at_once.answered([answer_to({"raceway-clock": at_once.headers["raceway-clock"]}, end="")], 200)
    assert recorder.outcomes("call_answered") == ["lost", "lost"]


def test_a_clock_is_withheld_from_hosts_that_are_not_listed(
    propagator: Propagator, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    context = serve(propagator, tracestate="foo=1")
    with caplog.at_level(logging.INFO, "towline"):
        call = context.call("api.example.com")
        context.call("api.example.com").answered([], 200)
    assert set(call.headers) == {"traceparent", "tracestate"}
    assert call.headers["tracestate"] == "foo=1"
    assert context.stamp().tick == 3
    assert propagator.counters["send/withheld"] == 2
    assert propagator.counters["answer/absent"] == 0
    assert caplog.text.count("api.example.com") == 1, "logged the first time"
    assert recorder.of("call_sent")[0].clock is None
    assert recorder.outcomes("call_answered") == ["lost"]


def test_a_host_to_which_no_traceparent_goes_gets_nothing() -> None:
    propagator = propagator_of(traceparent_to=["example.com"], propagate_to=["*"])
    context = serve(propagator, tracestate="foo=1")
    assert context.call("other.net").headers == {}
    assert set(context.call("a.example.com").headers) == {"traceparent", "tracestate", "raceway-clock"}
    assert context.stamp().tick == 3


def test_off_sends_no_clocks_and_counts_nothing_for_it() -> None:
    propagator = propagator_of(clock="off")
    context = serve(propagator, tracestate="towline=69203331:2,foo=1")
    assert not context.answers
    call = context.call("localhost")
    assert call.headers == {"traceparent": f"00-{TRACE_ID}-{call.span_id}-01", "tracestate": "foo=1"}
    assert propagator.counters.snapshot() == {
        "strand_start": 1,
        "continued": 1,
        "call_sent": 1,
    }


def test_tracestate_off_leaves_our_member_unwritten() -> None:
    call = serve(propagator_of(tracestate=False), tracestate="towline=69203331:2,foo=1").call("localhost")
    assert call.headers["tracestate"] == "foo=1"
    assert "raceway-clock" in call.headers


def test_a_member_that_does_not_fit_is_left_out(propagator: Propagator) -> None:
    others = ",".join(f"k{n}={'v' * 50}" for n in range(9))
    assert serve(propagator, tracestate=others).call("localhost").headers["tracestate"] == others
    full = ",".join(f"k{n}=1" for n in range(32))
    assert serve(propagator, tracestate=full).call("localhost").headers["tracestate"] == full
    deep = CLOCK.replace(';x="2"', "") + "".join(f", a#{n}/{n:08x}:1" for n in range(30))
    assert "tracestate" not in serve(propagator, clock=deep).call("localhost").headers
    assert propagator.counters["tracestate/too_long"] == 3


def test_a_clock_over_the_limits_is_not_sent() -> None:
    small = propagator_of(header_bytes_max=60)
    context = small.serve([TRACEPARENT])
    for _ in range(30):
        context.call("localhost").failed()
        context.event()
    assert len(context.call("localhost").headers["raceway-clock"]) <= 60
    assert small.counters["send/cut"] > 0
    tiny = propagator_of(header_bytes_max=20)
    assert "raceway-clock" not in tiny.serve([TRACEPARENT]).call("localhost").headers
    assert tiny.counters["send/too_long"] == 1
    flat = propagator_of(levels_max=1)
    context = flat.serve([TRACEPARENT], [], ["v2;t=1c80319c, a#1/00000001:2"])
    assert "raceway-clock" not in context.call("localhost").headers
    assert flat.counters["send/over_limits"] == 1


def test_v1_is_gone_on_with_inside_a_request_that_came_with_it(propagator: Propagator) -> None:
    context = serve(propagator, clock=v1({"up#1": 3}), tracestate="foo=1")
    assert not context.answers
    assert len(context.stamp().hops) == 1
    for count in (1, 2):
        call = context.call("localhost")
        assert ClockV1.read(call.headers["raceway-clock"], TRACE_ID).vector == {"up#1": 3, "shop#1": count}
        assert call.headers["tracestate"] == "foo=1"
    assert context.stamp().format().endswith(":3")
    assert (
        serve(propagator_of(clock="v2"), clock=v1({"up#1": 3})).call("localhost").headers["raceway-clock"][:3] == "v2;"
    )


def test_v1_that_was_asked_for() -> None:
    propagator = propagator_of(clock="v1")
    context = serve(propagator)
    assert context.answers, "the caller sent v2"
    call = context.call("localhost")
    assert ClockV1.read(call.headers["raceway-clock"], TRACE_ID).vector == {"shop#1": 1}
    full = serve(propagator, clock=v1({f"s{n}#1": 1 for n in range(40)}))
    assert ClockV1.read(full.call("localhost").headers["raceway-clock"], TRACE_ID)
    context.vector = ClockV1({f"s{n}#1": 1 for n in range(256)})
    assert "raceway-clock" not in context.call("localhost").headers
    assert propagator.counters["send/over_limits"] == 1
    context.vector = ClockV1({f"s{n}{'x' * 20}#1": 1 for n in range(200)})
    assert "raceway-clock" not in context.call("localhost").headers
    assert propagator.counters["send/too_long"] == 1


def test_a_call_without_a_context_begins_a_trace(propagator: Propagator, recorder: Recorder) -> None:
    assert current() is None
    for end, outcome in (
        (lambda call: call.answered([answer_to(call.headers)], 200), "ok"),
        (lambda call: call.failed(), "error"),
        (lambda call: call.failed(cancelled=True), "cancelled"),
    ):
        call = propagator.call("localhost")
        assert call.headers["traceparent"] == f"00-{call.context.trace_id}-{call.span_id}-03"
        end(call)
        assert recorder.outcomes()[-1] == outcome
    assert [event.kind for event in recorder.of("strand_start")] == ["client"] * 3
    assert propagator.counters["context/none"] == 3


def test_work_after_the_answer_is_one_strand_of_its_own(propagator: Propagator, recorder: Recorder) -> None:
    context = serve(propagator)
    end = context.end()
    assert end is not None
    assert context.end() is None
    event, call = context.event(), context.call("localhost")
    started = recorder.of("strand_start")[1]
    assert (started.kind, started.parent_id) == ("internal", context.span_id)
    nonce = started.span_id[8:]
    assert event.format() == f"{end.format()}, shop#1/{nonce}:2;d"
    assert call.headers["raceway-clock"] == f'{end.format()}, shop#1/{nonce}:3;d;x="3"'
    assert recorder.of("call_sent")[0].parent_id == started.span_id
    assert context.stamp().tick == 3
    assert context.branch().parent.span_id == started.span_id
    assert context.receive(end).tick == 5
    assert end.compare(event) is Order.BEFORE
    assert len(recorder.of("strand_start")) == 3
    assert propagator.counters["strand_end"] == 1


def test_a_call_that_is_answered_after_the_end_changes_nothing(propagator: Propagator, recorder: Recorder) -> None:
    context = serve(propagator)
    call = context.call("localhost")
    end = context.end()
    call.answered([answer_to(call.headers)], 200)
    assert context.stamp() == end
    assert recorder.outcomes("call_answered") == ["ok"]


def test_a_branch_is_joined_once(propagator: Propagator) -> None:
    context = serve(propagator)
    branch = context.branch()
    branch.join()
    assert context.stamp().format().endswith(':2;x="2"'), "it has not ended"
    inner = branch.context.call("localhost")
    inner.answered([answer_to(inner.headers)], 200)
    branch.end()
    branch.join()
    branch.join()
    assert context.stamp().format().endswith(":3")
    assert branch.context.parent_id == context.span_id


def test_a_detached_branch_is_joined_by_nobody(propagator: Propagator) -> None:
    context = serve(propagator)
    branch = context.branch(detached=True)
    branch.end()
    branch.join()
    assert context.stamp().tick == 2
    assert branch.context.stamp().format().endswith(":2;d;e")


def test_branches_beyond_the_levels_are_only_linked(propagator: Propagator) -> None:
    context = serve(propagator)
    levels: list[Branch] = []
    for _ in range(200):
        levels.append(context.branch())
        context = levels[-1].context
        assert len(context.stamp().hops) <= 64
    assert propagator.counters["send/over_limits"] == 3
    for branch in reversed(levels):
        branch.end()
        branch.join()
    late = serve(propagator)
    for _ in range(200):
        late.end()
        late.event()
        assert late._later is not None
        late = late._later
    assert len(late.stamp().hops) <= 64


def test_a_message_is_learned_from(propagator: Propagator) -> None:
    context = serve(propagator)
    branch = context.branch(detached=True)
    note = branch.context.event()
    assert context.receive(note).format().endswith(':3;x="+2.2"')


class Broken(Observer):
    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            return self.fail
        return super().__getattribute__(name)

    def fail(self, *_: Any) -> None:
        raise RuntimeError("observer is broken")


def test_an_observer_that_raises_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    propagator = propagator_of(Broken())
    context = serve(propagator, clock="nonsense")
    context.call("localhost").answered([], 200)
    context.end()
    assert propagator.counters.snapshot() == {
        "clock/version": 1,
        "strand_start": 1,
        "continued": 1,
        "call_sent": 1,
        "sent": 1,
        "answer/absent": 1,
        "call_answered": 1,
        "strand_end": 1,
    }
    assert caplog.text.count("an observer raised") == 1


def test_an_observer_needs_only_the_methods_that_it_wants() -> None:
    class Plain:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def on_dropped(self, what: str, reason: str) -> None:
            self.seen.append(f"{what}/{reason}")

    plain = Plain()
    propagator = propagator_of(plain)  # type: ignore[arg-type]
    propagator.serve([]).end()
    assert plain.seen == ["traceparent/absent"]


def test_a_foreign_task_is_counted(propagator: Propagator) -> None:
    async def shares() -> None:
        context = current()
        assert context is not None
        context.event()
        await asyncio.sleep(0)
        context.event()

    async def main() -> None:
        context = serve(propagator)
        await with_context(context, shares())
        assert propagator.counters["context/shared_strand"] == 0
        await with_context(context, both())

    async def both() -> None:
        await asyncio.gather(shares(), shares())

    asyncio.run(main())
    assert propagator.counters["context/shared_strand"] > 0


def test_one_line_is_logged_when_it_is_made(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "towline"):
        propagator_of()
    (record,) = caplog.records
    for part in ("extracts traceparent", "injects traceparent", "shop", "instance 1", "clock auto"):
        assert part in record.getMessage()


def test_an_observer_may_itself_make_events() -> None:
    class Curious(Observer):
        def on_strand_start(self, event: Any) -> None:
            context = current()
            if context is not None:
                context.event()

        def on_dropped(self, what: str, reason: str) -> None:
            context = current()
            if context is not None and context.strand.depth < 5:
                context.branch().end()

    propagator = propagator_of(Curious(), clock="v1")
    context = serve(propagator)
    context.vector = ClockV1({f"s{n}#1": 1 for n in range(256)})

    def work() -> None:
        context.call("localhost").failed()
        context.end()
        context.event()

    with_context(context, work)
    assert propagator.counters["send/over_limits"] == 1


def test_what_a_forked_child_is_told_is_bounded(propagator: Propagator) -> None:
    context = serve(propagator)
    branches = []
    for n in range(3000):
        branches.append(context.branch(detached=n % 10 == 0))
        context.strand.tick()
    assert max(len(branch.context.stamp().format()) for branch in branches) < 4200
    for branch in branches:
        branch.end()
        branch.join()
    assert len(context.stamp().format()) < 100


def test_children_of_the_smallest_limits_are_still_joined() -> None:
    propagator = propagator_of(header_bytes_max=1)
    context = serve(propagator, clock=None)
    branch = context.branch()
    branch.end()
    branch.join()
    assert context.stamp().tick == 3


def test_a_filter_that_raises_serves(caplog: pytest.LogCaptureFixture) -> None:
    def broken(method: str, path: str) -> bool:
        raise RuntimeError(method + path)

    assert propagator_of(filter=broken).serves("GET", "/")
    assert "filter raised" in caplog.text
