"""Properties that hold for every input, with the reference models as oracles."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec_files import TRACE_ID, model, vectors
from towline import Clock, ClockError, ClockV1, ClockV1Error, Limits, Strand, TraceContext, TraceContextError
from towline._known import merge, spine_of
from towline._labels import quote, unquote
from towline._ranges import FOREVER, Ranges, union
from towline._reader import read_call, read_members, write_members

reference = model("strand_clock")
trace_reference = model("trace_context")
HEADERS = [case["header"] for case in vectors("clock-codec")["valid"]]
REFUSED = [case["header"] for case in vectors("clock-codec")["invalid"]]


def read(header: str) -> str | None:
    try:
        return Clock.parse(header).format()
    except ClockError:
        return None


def read_by_model(header: str) -> str | None:
    try:
        written: str = reference.encode(reference.decode(header))
    except reference.ClockError:
        return None
    return written


@st.composite
def mangled(draw: st.DrawFn, texts: list[str]) -> str:
    """A text of the vectors with a few edits, or two of them spliced."""
    text = draw(st.sampled_from(texts))
    if draw(st.booleans()):
        other = draw(st.sampled_from(texts))
        text = text[: draw(st.integers(0, len(text)))] + other[draw(st.integers(0, len(other))) :]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        gone = draw(st.integers(0, 3))
        put = draw(st.text(alphabet=' \t0123456789abcdef#/:;,.!~()+-"=xdgel%', max_size=3))
        text = text[:at] + put + text[at + gone :]
    return text


@given(mangled(HEADERS + REFUSED))
@settings(max_examples=2000)
def test_a_clock_is_read_as_the_model_reads_it(header: str) -> None:
    assert read(header) == read_by_model(header)


CALLS = [
    'v2;t=1c80319c, a#1/00000001:2;x="2"',
    'v2;t=1c80319c, a#1/00000001:9;x="3 5 9"',
    'v2;t=1c80319c, a#1/00000001:5;f=2;x="4", b#/00000002:5;x="3 5"',
    'v2;t=1c80319c, a#1/00000001:12;f=3;x="5 12", b#/00000002:7, c#2/00000003:999999999;x="999999999"',
]


@given(mangled(CALLS), st.sampled_from([Limits(), Limits(levels_max=2), Limits(forks_max=1), Limits(40)]))
@settings(max_examples=2000)
def test_a_call_that_is_read_at_once_says_what_its_parts_say(header: str, limits: Limits) -> None:
    above = read_call(header, None, limits)
    if above is None:
        assert header not in CALLS or limits != Limits()
        return
    _, text, _ = read_members(header, None, limits)
    assert text == header
    child = Strand.after("d#/00000004", Clock(text), False)  # of its members: such a clock was not parsed
    assert child.stamp.format() == f"{above.text}, d#/00000004:1"
    assert (child.depth, child.forks_above) == (above.depth + 1, above.forks)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_no_text_breaks_a_reader(text: str) -> None:
    for header in (text, f"v2;t=1c80319c, {text}", f'v2;t=1c80319c, a#1/00000001:9;x="{text}"', f"v1;{text}"):
        assert read(header) == read_by_model(header)
        try:
            ClockV1.read(header, TRACE_ID)
        except ClockV1Error as error:
            assert error.reason
    try:
        Clock.from_tracestate(text, TRACE_ID)
    except ClockError as error:
        assert error.reason


@given(mangled([case["member"] for case in vectors("clock-tracestate")["members"] if case["member"]]))
@settings(max_examples=500)
def test_a_tracestate_member_is_read_as_the_model_reads_it(member: str) -> None:
    try:
        expected = reference.encode(reference.from_tracestate(member, int(TRACE_ID[-8:], 16)))
    except reference.ClockError:
        expected = None
    try:
        got = Clock.from_tracestate(member, TRACE_ID).format()
    except ClockError:
        got = None
    assert got == expected


ALPHABET = "0123456789abcdefABCDEFg-_,= \tü"
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["traceparent", "tracestate"]),
        st.text(alphabet=ALPHABET, max_size=80)
        | st.sampled_from([f"00-{TRACE_ID}-b7ad6b7169203331-01", "foo=1,bar=2", "towline=a3f9c21b:2"]),
    ),
    max_size=4,
)


@given(FIELDS)
@settings(max_examples=1000)
def test_a_trace_context_is_read_as_the_model_reads_it(fields: list[tuple[str, str]]) -> None:
    expected = trace_reference.read(fields)
    parts = {name: [v for n, v in fields if n == name] for name in ("traceparent", "tracestate")}
    try:
        got = TraceContext.read(parts["traceparent"], parts["tracestate"])
    except TraceContextError as error:
        assert error.reason == expected.reason.replace(" ", "_")
    else:
        dropped = expected.tracestate_dropped
        assert got == TraceContext(
            expected.trace_id,
            expected.parent_id,
            expected.flags,
            ",".join(expected.tracestate),
            expected.own,
            dropped and dropped.replace(" ", "_"),
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.integers(0, 40), st.sampled_from(["[", '{"a":']))
def test_a_v1_clock_is_read_as_the_model_reads_it(value: Any, depth: int, opening: str) -> None:
    import base64
    import json

    uuid = f"{TRACE_ID[:8]}-{TRACE_ID[8:12]}-{TRACE_ID[12:16]}-{TRACE_ID[16:20]}-{TRACE_ID[20:]}"
    nested = opening * depth + json.dumps(value) + ("]" if opening == "[" else "}") * depth
    text = f'{{"trace_id":"{uuid}","clock":[["a#1",3]],"more":{nested}}}'
    header = "v1;" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    try:
        expected = trace_reference.read_v1(header, TRACE_ID)
    except trace_reference.ClockV1Error:
        expected = None
    try:
        got = dict(ClockV1.read(header, TRACE_ID).vector)
    except ClockV1Error:
        got = None
    assert got == expected


@given(st.sampled_from(HEADERS), st.sampled_from(HEADERS))
@settings(max_examples=500)
def test_comparing_is_the_models(first: str, second: str) -> None:
    order = Clock.parse(first).compare(Clock.parse(second))
    assert order.value == reference.compare(reference.decode(first), reference.decode(second)).value


@given(st.sampled_from(HEADERS), st.sampled_from(HEADERS))
@settings(max_examples=500)
def test_merging_is_the_models(first: str, second: str) -> None:
    a, b = Clock.parse(first), Clock.parse(second)
    merged = reference.merge(reference.decode(first).root, reference.decode(second).root)
    ours = merge(a.known, b.known)
    try:
        expected = reference.encode(reference.Clock(0x1C80319C, reference.decode(first).hops, merged))
    except KeyError:  # the first one's own way is known completely, and so not listed
        return
    members = [m._replace(known=k) for m, k in zip(a.members, spine_of(ours, a.path), strict=True)]
    assert write_members("1c80319c", members) == expected


@given(st.sampled_from(HEADERS), st.integers(10, 300))
@settings(max_examples=500)
def test_cutting_is_the_models(header: str, budget: int) -> None:
    try:
        expected = reference.cut(reference.decode(header), budget)
    except reference.ClockError:
        with pytest.raises(ClockError):
            Clock.parse(header).cut(budget)
    else:
        assert Clock.parse(header).cut(budget).format() == expected


@given(st.text(), st.text())
def test_every_label_can_be_written_and_is_read_back_cleaned(service: str, instance: str) -> None:
    stamp = Strand.start(service, instance, 1, trace_id=TRACE_ID).stamp
    hop = Clock.parse(stamp.format(), limits=Limits(header_bytes_max=1 << 20)).hops[0]
    assert hop.service == (unquote(quote(service)) or "_")
    assert hop.instance == unquote(quote(instance))


TICKS = st.sets(st.integers(1, 60))


def ranges(ticks: set[int], lossy: set[int]) -> Ranges:
    out = Ranges()
    for tick in sorted(ticks):
        out.append(tick, tick, tick in lossy)
    return out


def listed(r: Ranges) -> dict[int, bool]:
    return {tick: lossy for first, last, lossy in r for tick in range(first, last + 1)}


def canonical(r: Ranges) -> bool:
    rows = list(r)
    return r.count == len(listed(r)) and all(
        x[1] < y[0] and not (x[1] + 1 == y[0] and x[2] == y[2]) for x, y in pairwise(rows)
    )


@given(TICKS, TICKS, TICKS, TICKS, st.integers(0, 60) | st.just(FOREVER), st.integers(0, 60) | st.just(FOREVER))
def test_ranges_unite_like_sets(
    a: set[int], a_lossy: set[int], b: set[int], b_lossy: set[int], a_knows: int, b_knows: int
) -> None:
    out = union(ranges(a, a_lossy), a_knows, ranges(b, b_lossy), b_knows)
    expected = {
        tick: (tick in a and tick in a_lossy) or (tick in b and tick in b_lossy)
        for tick in a | b
        if tick in a & b or (tick in a and tick > b_knows) or (tick in b and tick > a_knows)
    }
    assert listed(out) == expected
    assert canonical(out)


@given(
    TICKS,
    TICKS,
    st.lists(st.tuples(st.sampled_from(["remove", "lossy", "lossy below"]), st.integers(0, 61)), max_size=30),
)
def test_ranges_change_like_sets(ticks: set[int], lossy: set[int], acts: list[tuple[str, int]]) -> None:
    r, expected = ranges(ticks, lossy), {tick: tick in lossy for tick in ticks}
    for act, tick in acts:
        if act == "remove":
            r.remove(tick)
            expected.pop(tick, None)
        elif act == "lossy below":
            r.remove(tick)
            r.mark_lossy_below(tick)
            expected = {t: lossy or t < tick for t, lossy in expected.items() if t != tick}
        else:
            r.mark_lossy(tick)
            if tick in expected:
                expected[tick] = True
        assert listed(r) == expected
        assert r.mark(tick) == expected.get(tick)
        assert canonical(r)
