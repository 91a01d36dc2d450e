"""Every vector of every file in spec/vectors, and every field of it."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from spec_files import vectors
from towline import (
    Clock,
    ClockError,
    ClockV1,
    ClockV1Error,
    Known,
    Order,
    Strand,
    TowlineError,
    TraceContext,
    TraceContextError,
)
from towline._b3 import B3, read_b3
from towline._baggage import read_baggage, read_members
from towline._errors import RefusedError
from towline._known import merge, spine_of
from towline._reader import DEFAULT_LIMITS, TICK_MAX, write_members
from towline._timeout import read_timeout
from towline._trace_context import write_tracestate

TRACE_ID = "0" * 24 + "1c80319c"
FILES = {
    "clock-codec": {"about", "made", "limits", "valid", "deepest", "invalid", "lenient"},
    "clock-tracestate": {"about", "made", "members", "invalid", "gap"},
    "clock-order": {"about", "made", "order", "merge"},
    "clock-scripts": {"about", "made", "scripts", "refused"},
    "clock-cut": {"about", "made", "cut"},
    "clock-v1": {"about", "made", "trace_id", "read", "refused", "send", "write", "compare"},
    "trace-context": {"about", "made", "cases"},
    "carriers": {"about", "timeout", "b3", "baggage"},
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_what_these_tests_read(name: str) -> None:
    assert set(vectors(name)) == FILES[name]


def known_as_data(known: Known) -> dict[str, Any]:
    data: dict[str, Any] = {"tick": known.tick}
    data |= {flag: True for flag in ("ended", "lossy") if getattr(known, flag)}
    attached: dict[int, Any] = {t: known_as_data(k) for t, k in known.open.items()}
    for first, last, lossy in known.bare:
        attached |= {t: {"tick": 0} | ({"lossy": True} if lossy else {}) for t in range(first, last + 1)}
    if attached:
        data["open"] = {str(t): attached[t] for t in sorted(attached)}
    if known.seen:
        data["seen"] = {str(t): known_as_data(known.seen[t]) for t in sorted(known.seen)}
    return data


def as_data(clock: Clock) -> dict[str, Any]:
    hops = [
        {
            "service": hop.service,
            "instance": hop.instance,
            "nonce": f"{hop.nonce:08x}",
            "fork": hop.fork.tick,
            "detached": hop.fork.detached,
            "gap": hop.gap,
        }
        for hop in clock.hops
    ]
    return {"trace": clock.trace, "hops": hops, "root": known_as_data(clock.known)}


def test_codec_limits_are_those_of_the_vectors() -> None:
    assert vectors("clock-codec")["limits"] == {
        "max_header": DEFAULT_LIMITS.header_bytes_max,
        "max_depth": DEFAULT_LIMITS.levels_max,
        "max_tick": TICK_MAX,
        "max_forks": DEFAULT_LIMITS.forks_max,
    }


def rebuilt(clock: Clock) -> str:
    """The text, written anew from the parts that were read."""
    return write_members(clock.trace, clock.members)


def test_valid_clocks_are_read_and_written_back() -> None:
    data = vectors("clock-codec")
    for case in data["valid"]:
        clock = Clock.parse(case["header"])
        assert as_data(clock) == case["clock"], case["header"]
        assert clock.format() == rebuilt(clock) == case["header"]
    deepest = Clock.parse(data["deepest"])
    assert deepest.format() == rebuilt(deepest) == data["deepest"]


def test_invalid_clocks_are_refused_whole() -> None:
    for case in vectors("clock-codec")["invalid"]:
        with pytest.raises(ClockError):
            pytest.fail(f"accepted {Clock.parse(case['header'])}")


def test_lenient_clocks_are_written_canonically() -> None:
    for case in vectors("clock-codec")["lenient"]:
        clock = Clock.parse(case["header"])
        assert clock.format() == rebuilt(clock) == case["canonical"]


def test_tracestate_members() -> None:
    for case in vectors("clock-tracestate")["members"]:
        clock = Clock.parse(case["header"])
        assert clock.to_tracestate() == case["member"], case["header"]
        if case["member"] is not None:
            read = Clock.from_tracestate(case["member"], TRACE_ID)
            assert as_data(read)["root"] == as_data(clock)["root"]
            assert {(hop.service, hop.instance) for hop in read.hops} == {("_", "")}
            assert read.to_tracestate() == case["member"]


def test_tracestate_members_that_are_not_read() -> None:
    for member in vectors("clock-tracestate")["invalid"]:
        with pytest.raises(ClockError):
            pytest.fail(f"accepted {Clock.from_tracestate(member, TRACE_ID)}")


def test_tracestate_over_a_gap() -> None:
    gap = vectors("clock-tracestate")["gap"]
    assert set(gap) == {"sender", "member", "first", "second", "sender_later", "orders"}
    clocks = {name: Clock.parse(gap[name]) for name in ("sender", "first", "second", "sender_later")}
    assert clocks["sender"].to_tracestate() == gap["member"]
    came = Clock.from_tracestate(gap["member"], TRACE_ID)
    for name in ("first", "second"):
        hop = clocks[name].hops[-1]
        started = Strand.start(hop.service, hop.instance, hop.nonce, sender=came, gap=True)
        assert started.stamp.format() == gap[name]
    for a, b, order in gap["orders"]:
        assert clocks[a].compare(clocks[b]) is Order(order), (a, b)


def test_orders() -> None:
    opposite = {Order.BEFORE: Order.AFTER, Order.AFTER: Order.BEFORE}
    for case in vectors("clock-order")["order"]:
        a, b = Clock.parse(case["a"]), Clock.parse(case["b"])
        order = Order(case["order"])
        assert a.compare(b) is order, case
        assert b.compare(a) is opposite.get(order, order), case


def test_merges() -> None:
    for case in vectors("clock-order")["merge"]:
        a, b = Clock.parse(case["a"]), Clock.parse(case["b"])
        spine = spine_of(merge(a.known, b.known), a.path)
        members = [m._replace(known=known) for m, known in zip(a.members, spine, strict=True)]
        assert write_members(a.trace, members) == case["merged"], case


@pytest.mark.parametrize("name", vectors("clock-scripts")["scripts"])
def test_scripts(name: str) -> None:
    strands: dict[str, Strand] = {}
    stamps: dict[str, str] = {}
    for step in vectors("clock-scripts")["scripts"][name]:
        op = step["op"]
        came = Clock.parse(stamps[step["from"]]) if "from" in step else None
        if op == "given":
            stamps[step["as"]] = step["clock"]
            continue
        if op == "start":
            nonce = int(step["nonce"], 16)
            strand = Strand.start(step["service"], step["instance"], nonce, sender=came, trace_id=TRACE_ID)
            strands[step["strand"]] = strand
            clock = strand.stamp
        else:
            strand = strands[step["strand"]]
            if op == "send":
                clock = strand.send(step.get("detached", False))
            elif op == "receive":
                assert came is not None
                clock = strand.receive(came)
            elif op == "lost":
                strand.lost(step["tick"])
                clock = strand.stamp
            else:
                clock = {"event": strand.event, "end": strand.end}[op]()
        assert clock.format() == step["clock"], step
        assert strand.stamp == clock
        if "as" in step:
            stamps[step["as"]] = clock.format()


def test_clocks_that_a_strand_must_not_merge() -> None:
    for case in vectors("clock-scripts")["refused"]:
        strand = Strand.resume(Clock.parse(case["strand"]))
        assert strand.stamp.format() == case["strand"]
        with pytest.raises(TowlineError):
            strand.receive(Clock.parse(case["clock"]))
        assert strand.stamp.format() == case["strand"], "what is refused changes nothing"


def test_cuts() -> None:
    for case in vectors("clock-cut")["cut"]:
        clock = Clock.parse(case["header"])
        if case["cut"] is None:
            with pytest.raises(ClockError):
                clock.cut(case["budget"])
        else:
            cut = clock.cut(case["budget"])
            assert cut.format() == rebuilt(cut) == case["cut"]


def test_v1_clocks_that_are_read() -> None:
    data = vectors("clock-v1")
    for case in data["read"]:
        assert ClockV1.read(case["header"], data["trace_id"]).vector == case["vector"]


def test_v1_clocks_that_are_refused() -> None:
    data = vectors("clock-v1")
    for case in data["refused"]:
        with pytest.raises(ClockV1Error):
            pytest.fail(f"accepted {case['header']}: {ClockV1.read(case['header'], data['trace_id'])}")


def test_v1_clocks_that_are_sent() -> None:
    for case in vectors("clock-v1")["send"]:
        assert ClockV1(case["vector"]).send(case["own"]).vector == case["after"]


def test_v1_clocks_that_are_written() -> None:
    data = vectors("clock-v1")
    for case in data["write"]:
        names = ("span_id", "parent_span_id", "service", "instance")
        header = ClockV1(case["vector"]).write(trace_id=data["trace_id"], **{name: case[name] for name in names})
        assert header.startswith("v1;") and not header.endswith("=")
        raw = header[3:] + "=" * (-len(header[3:]) % 4)
        assert json.loads(base64.urlsafe_b64decode(raw)) == case["payload"]
        assert ClockV1.read(header, data["trace_id"]).vector == case["vector"]


def test_v1_orders() -> None:
    for case in vectors("clock-v1")["compare"]:
        assert ClockV1(case["a"]).compare(ClockV1(case["b"])) is Order(case["order"]), case


@pytest.mark.parametrize("case", vectors("trace-context")["cases"], ids=lambda case: case["name"])
def test_trace_context(case: dict[str, Any]) -> None:
    fields = {name: [v for n, v in case["fields"] if n.lower() == name] for name in ("traceparent", "tracestate")}
    if "restart" in case:
        with pytest.raises(TraceContextError) as refused:
            TraceContext.read(fields["traceparent"], fields["tracestate"])
        assert refused.value.reason == case["restart"].replace(" ", "_")
        return
    want = case["continue"]
    got = TraceContext.read(fields["traceparent"], fields["tracestate"])
    dropped = want["tracestate_dropped"]
    assert {
        "trace_id": got.trace_id,
        "parent_id": got.parent_id,
        "flags_out": f"{got.flags:02x}",
        "own": got.own,
        "tracestate_dropped": got.tracestate_dropped,
        "tracestate_out": write_tracestate(got.tracestate, None) or None,
        "tracestate_out_with_own": write_tracestate(got.tracestate, "77b0e190:4") or None,
    } == want | {"tracestate_dropped": dropped and dropped.replace(" ", "_")}


def read_or_dropped(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RefusedError as error:
        return {"dropped": error.reason}


def test_the_time_that_is_left() -> None:
    for case in vectors("carriers")["timeout"]:
        own, grpc = case["towline-timeout"], case["grpc-timeout"]
        assert read_or_dropped(lambda: read_timeout(own, grpc)) == case["milliseconds"], case["name"]  # noqa: B023


def test_b3() -> None:
    for case in vectors("carriers")["b3"]:
        read = read_or_dropped(lambda: read_b3({"b3": case["b3"]} | case["multi"]))  # noqa: B023
        assert (read._asdict() if isinstance(read, B3) else read) == case["read"], case["name"]


def test_baggage() -> None:
    for case in vectors("carriers")["baggage"]:

        def read() -> Any:
            text = read_baggage(case["baggage"])  # noqa: B023
            return {"text": text, "members": [list(member) for member in read_members(text)]}

        assert read_or_dropped(read) == case["read"], case["name"]
