"""Strands beyond the vectors: differential with the model, costs, threads."""

import random
import threading
import time
from typing import Any

import pytest

from spec_files import TRACE_ID, model
from towline import Clock, ClockError, Limits, Strand, StrandEndedError
from towline._reader import DEFAULT_LIMITS, NO_LIMITS
from towline._strand import Sent

reference = model("strand_clock")


def start(**settings: Any) -> Strand:
    return Strand.start("web", "1", 0xA3F9C21B, trace_id=TRACE_ID, **settings)


def call(strand: Strand, limits: Limits = DEFAULT_LIMITS) -> Sent:
    sent = strand.call(limits)
    assert isinstance(sent, Sent)
    return sent


def callee(sent: Sent, nonce: int = 7) -> Strand:
    return Strand.start("shop", "1", nonce, sender=Clock.parse(sent.clock.format(), limits=NO_LIMITS))


@pytest.mark.parametrize("seed", range(60))
def test_a_call_and_its_answer_do_what_the_model_does(seed: int) -> None:
    """Random strands that talk through headers: the fast ways must give what the whole tree gives."""
    rng = random.Random(seed)
    ours: list[Any] = []
    theirs: list[Any] = []

    def begin(sender: str | None) -> int:
        nonce = rng.getrandbits(32)
        ours.append(Strand.start("s", "1", nonce, sender=Clock.parse(sender) if sender else None, trace_id=TRACE_ID))
        theirs.append(reference.Strand("s", "1", nonce, reference.decode(sender) if sender else None, trace=0x1C80319C))
        return len(ours) - 1

    begin(None)
    calls: list[tuple[int, Sent, int]] = []
    notes: list[str] = []
    for _ in range(120):
        i = rng.randrange(len(ours))
        if ours[i].ended:
            continue
        act = rng.random()
        if act < 0.15:
            notes.append(ours[i].event().format())
            theirs[i].event()
        elif act < 0.45:
            sent = ours[i].call(DEFAULT_LIMITS)
            text = reference.encode(theirs[i].send())
            if isinstance(sent, Sent) and sent.answer_prefix:
                assert sent.clock.format() == text
                calls.append((i, sent, begin(text)))
            else:
                return  # over the limits: the model does not bound its strands
        elif act < 0.55:
            begin(ours[i].send(detached=True).format())
            theirs[i].send(True)
            theirs[-1] = reference.Strand("s", "1", theirs[-1].clock.hops[-1].nonce, theirs[i].clock)
        elif act < 0.85 and calls:
            caller, sent, child = calls.pop(rng.randrange(len(calls)))
            if ours[caller].ended or ours[child].ended:
                continue
            how = rng.random()
            if how < 0.15:
                ours[caller].lost(sent.tick)
                theirs[caller].lost(sent.tick)
                continue
            early = how < 0.3
            answer = (ours[child].event() if early else ours[child].end()).format()
            their_answer = theirs[child].event() if early else theirs[child].end()
            assert answer == reference.encode(their_answer)
            assert ours[caller].answer(sent, answer, NO_LIMITS) is not early
            theirs[caller].receive(their_answer)
            if early:
                calls.append((caller, sent, child))
        elif notes:
            note = rng.choice(notes)
            try:
                theirs[i].receive(reference.decode(note, 1 << 20))
            except reference.ClockError:
                with pytest.raises(ClockError):
                    ours[i].receive(Clock.parse(note, limits=NO_LIMITS))
            else:
                ours[i].receive(Clock.parse(note, limits=NO_LIMITS))
        for mine, model_strand in zip(ours, theirs, strict=True):
            assert mine.stamp.format() == reference.encode(model_strand.clock)


def test_an_answer_of_another_strand_is_refused_and_changes_nothing() -> None:
    web = start()
    first, second = call(web), call(web)
    before = web.stamp
    for answer in (
        callee(second).end(),
        callee(first).send(),
        Strand.start("x", "1", 3, sender=callee(first).send()).end(),
        Strand.start("web", "1", 5, trace_id=TRACE_ID).end(),
    ):
        if answer.members[-1].component == "shop#1" and answer.tick == 2 and not answer.ended:
            continue
        with pytest.raises(ClockError) as refused:
            web.answer(first, answer.format(), DEFAULT_LIMITS)
        assert refused.value.reason == "other_strand"
    detached = call(web)
    text = detached.clock.format().replace(f' {detached.tick}"', '"').replace(f"-{detached.tick}", "")
    with pytest.raises(ClockError) as refused:
        web.answer(detached, f"{detached.answer_prefix}, shop#1/00000007:2;d;e", DEFAULT_LIMITS)
    assert refused.value.reason == "other_strand", text
    assert web.stamp.tick == before.tick + 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "version"),
        ("v3", "version"),
        ("v1;e30", "version"),
        ("v2;t=00000000, web#1/a3f9c21b:2, shop#1/00000007:2;e", "other_trace"),
        ("v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/00000007:0;e", "malformed"),
        ("v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/00000007:2147483648;e", "over_limits"),
        ("v2;t=1c80319c, web#1/a3f9c21b:9, shop#1/00000007:2;e", "other_strand"),
        ("v2;t=1c80319c, web#1/a3f9c21b:9;f=2, shop#1/00000007:2;e", "malformed"),
        ('v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/00000007:99999;e;x="1-65537"', "over_limits"),
        ("v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/00000007:2;e" + " " * 5000, "too_long"),
        ("v2;t=1c80319c, web#1/a3f9c21b:2, " + "s" * 5000 + "#1/00000007:2;e", "too_long"),
    ],
)
def test_an_answer_that_cannot_be_used_has_a_reason(answer: str, reason: str) -> None:
    web = start()
    sent = call(web)
    with pytest.raises(ClockError) as refused:
        web.answer(sent, answer, DEFAULT_LIMITS)
    assert refused.value.reason == reason
    assert web.stamp.format() == 'v2;t=1c80319c, web#1/a3f9c21b:2;x="2"'


def test_after_its_end_a_strand_does_nothing_more() -> None:
    web = start()
    sent = call(web)
    answer = callee(sent).end()
    end = web.end()
    for act in (web.event, web.send, web.end, lambda: web.call(DEFAULT_LIMITS), lambda: web.receive(answer)):
        with pytest.raises(StrandEndedError):
            act()
    with pytest.raises(StrandEndedError):
        web.answer(sent, answer.format(), DEFAULT_LIMITS)
    web.lost(sent.tick)
    assert web.stamp == end


def test_what_does_not_fit_is_cut_and_its_answer_is_still_read() -> None:
    web = start()
    open_calls = []
    for _ in range(30):
        open_calls.append(call(web))
        web.event()
    tight = Limits(header_bytes_max=80)
    sent = call(web, tight)
    assert sent.cut
    assert len(sent.clock.format()) <= 80
    assert sent.clock == web.stamp.cut(80)
    assert web.answer(sent, callee(sent).end().format(), DEFAULT_LIMITS)


@pytest.mark.parametrize(
    ("limits", "reason"), [(Limits(header_bytes_max=20), "too_long"), (Limits(levels_max=1), "over_limits")]
)
def test_what_cannot_be_sent_is_a_plain_event(limits: Limits, reason: str) -> None:
    shop = callee(call(start()))
    error = shop.call(limits)
    assert isinstance(error, ClockError)
    assert error.reason == reason
    assert shop.stamp.format() == "v2;t=1c80319c, web#1/a3f9c21b:2, shop#1/00000007:2"


def test_a_range_of_65536_forks_stays_one_range() -> None:
    text = 'v2;t=1c80319c, a#1/00000001:70000;x="1-65536"'
    clock = Clock.parse(text)
    assert len(clock.members[0].known.bare.starts) == 1
    strand = Strand.resume(clock)
    strand.receive(Clock.parse('v2;t=1c80319c, a#1/00000001:70000;x="1-30000 30001~ 30002-65536"'))
    assert len(strand._known.bare.starts) == 3
    with pytest.raises(ClockError):
        Clock.parse('v2;t=1c80319c, a#1/00000001:70000;x="1-65537"')


def spent(count: int, order: str) -> float:
    """Seconds for `count` calls in flight at once, joined in some order."""
    web = start()
    began = time.perf_counter()
    sent = [call(web, NO_LIMITS) for _ in range(count)]
    answers = [(s, f"{s.answer_prefix}, shop#1/00000007:2;e") for s in sent]
    if order == "last first":
        answers.reverse()
    elif order == "any":
        random.Random(count).shuffle(answers)
    for s, answer in answers:
        assert web.answer(s, answer, NO_LIMITS)
    assert web.stamp.format() == f"v2;t=1c80319c, web#1/a3f9c21b:{1 + 2 * count}"
    return time.perf_counter() - began


@pytest.mark.parametrize("order", ["first first", "last first", "any"])
def test_many_calls_in_flight_cost_no_more_each(order: str) -> None:
    spent(1000, order)
    small = min(spent(1000, order) for _ in range(3))
    assert spent(10_000, order) < 10 * 8 * small


def test_ten_thousand_calls_one_after_the_other_cost_no_more_each() -> None:
    web = start()
    took = []
    for _ in range(10):
        began = time.perf_counter()
        for _ in range(1000):
            sent = call(web)
            assert web.answer(sent, f"{sent.answer_prefix}, shop#1/00000007:2;e", DEFAULT_LIMITS)
        took.append(time.perf_counter() - began)
    assert web.stamp.format() == "v2;t=1c80319c, web#1/a3f9c21b:20001"
    assert min(took[5:]) < 4 * min(took[:5])


def test_calls_that_stay_in_flight_cost_no_more_each() -> None:
    """Every other tick stays open, so that no two are one range: the header is soon too long, and is cut."""
    web = start()
    took = []
    sent = []
    for _ in range(8):
        began = time.perf_counter()
        for _ in range(1000):
            sent.append(call(web))
            assert len(sent[-1].clock.format()) <= 4096
            web.tick()
        took.append(time.perf_counter() - began)
    assert min(took[4:]) < 4 * min(took[:4]), took
    random.Random(1).shuffle(sent)
    joins = []
    for part in range(8):
        began = time.perf_counter()
        for s in sent[part * 1000 : part * 1000 + 1000]:
            assert web.answer(s, f"{s.answer_prefix}, shop#1/00000007:2;e", NO_LIMITS)
        joins.append(time.perf_counter() - began)
    assert web.stamp.format() == f"v2;t=1c80319c, web#1/a3f9c21b:{1 + 3 * 8000}"
    assert sum(joins) < 10, joins


@pytest.mark.parametrize("seed", range(30))
def test_cut_calls_and_their_answers_do_what_the_model_does(seed: int) -> None:
    rng = random.Random(seed)
    web, model_web = start(), reference.Strand("web", "1", 0xA3F9C21B, trace=0x1C80319C)
    limits = Limits(header_bytes_max=rng.choice([60, 80, 120]))
    in_flight: list[tuple[Sent, str]] = []
    for _ in range(150):
        act = rng.random()
        if act < 0.3:
            web.event()
            model_web.event()
        elif act < 0.65:
            sent = call(web, limits)
            text = reference.cut(model_web.send(), limits.header_bytes_max)
            assert sent.clock.format() == text
            in_flight.append((sent, text))
        elif in_flight:
            sent, text = in_flight.pop(rng.randrange(len(in_flight)))
            shop = reference.Strand("shop", "1", 7, reference.decode(text))
            early = rng.random() < 0.2
            if rng.random() < 0.2:
                shop.send()
            answer = shop.event() if early else shop.end()
            assert web.answer(sent, reference.encode(answer), DEFAULT_LIMITS) is not early
            model_web.receive(answer)
        assert web.stamp.format() == reference.encode(model_web.clock)


def test_a_strand_may_be_shared_by_threads() -> None:
    web = start()

    def work() -> None:
        for _ in range(300):
            sent = call(web)
            assert web.answer(sent, callee(sent).end().format(), DEFAULT_LIMITS)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert web.stamp.format() == f"v2;t=1c80319c, web#1/a3f9c21b:{1 + 2 * 8 * 300}"
