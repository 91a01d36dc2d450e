"""Code that runs at once: tasks, threads, pools."""

import asyncio
import concurrent.futures
import contextvars
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import CLOCK, TRACEPARENT, Recorder
from towline import Clock, Context, Order, Propagator, bind, current, detach, fork, with_context
from towline.futures import ThreadPoolExecutor, run_in_executor


@pytest.fixture
def context(propagator: Propagator) -> Context:
    return propagator.serve([TRACEPARENT], [], [CLOCK])


def here() -> Context:
    context = current()
    assert context is not None
    return context


def event() -> Clock:
    return here().event()


async def event_later() -> Clock:
    await asyncio.sleep(0)
    return event()


def text(context: Context) -> str:
    """The context's own hop."""
    return context.stamp().format().split(":", 2)[2]


def test_a_forked_coroutine_is_a_child_that_is_joined_when_awaited(context: Context, recorder: Recorder) -> None:
    async def work() -> tuple[Context, Clock]:
        return here(), event()

    async def main() -> Clock:
        forked = fork(work())
        assert here() is context
        before = event()
        assert text(context) == '3;x="2"'
        child, stamp = await forked
        assert text(context) == "4"
        await forked
        assert text(context) == "4", "joined once"
        assert child.parent_id == context.span_id
        assert child.span_id.endswith(f"{stamp.hops[-1].nonce:08x}")
        assert before.compare(stamp) is Order.CONCURRENT
        return stamp

    stamp = asyncio.run(with_context(context, main()))
    assert stamp.compare(context.stamp()) is Order.BEFORE
    assert [e.kind for e in recorder.of("strand_start")] == ["server", "internal"]
    assert recorder.outcomes() == ["ok"]


def test_forks_that_are_gathered_are_concurrent(context: Context) -> None:
    async def main() -> list[Clock]:
        return await asyncio.gather(*(fork(event_later) for _ in range(4)))

    stamps = asyncio.run(with_context(context, main()))
    assert all(a.compare(b) is Order.CONCURRENT for a in stamps for b in stamps if a is not b)
    assert text(context) == "9"


def test_a_forked_coroutine_that_fails_or_is_cancelled(context: Context, recorder: Recorder) -> None:
    async def fails() -> None:
        raise ValueError("work")

    async def main() -> None:
        with pytest.raises(ValueError, match="work"):
            await fork(fails)
        never = fork(event_later())
        assert never.cancel()
        with pytest.raises(asyncio.CancelledError):
            await never
        assert never.done()

    asyncio.run(with_context(context, main()))
    assert recorder.outcomes() == ["error", "cancelled"]
    assert text(context) == "5"


def test_a_detached_coroutine_is_joined_by_nobody(context: Context, recorder: Recorder) -> None:
    async def main() -> Clock:
        task = detach(event_later())
        assert text(context) == "2"
        return await task

    stamp = asyncio.run(with_context(context, main()))
    assert text(context) == "2"
    assert stamp.format().endswith(":2;d")
    assert recorder.outcomes() == ["ok"]
    assert stamp.compare(context.event()) is Order.CONCURRENT


def test_a_detached_coroutine_that_fails_is_reported(context: Context, recorder: Recorder) -> None:
    reported: list[str] = []

    async def fails() -> None:
        raise ValueError("nobody waits")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(str(told["exception"])))
        task = detach(fails)
        while not task.done():
            await asyncio.sleep(0)
        del task
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(with_context(context, main()))
    assert reported == ["nobody waits"]
    assert recorder.outcomes() == ["error"]


def test_a_forked_function_is_joined_when_its_result_is_taken(context: Context, recorder: Recorder) -> None:
    def main() -> None:
        forked = fork(event)
        stamp = forked.result(10)
        forked.result(10)
        assert text(context) == "3"
        assert stamp.compare(context.stamp()) is Order.BEFORE

    with_context(context, main)
    assert recorder.outcomes() == ["ok"]


def test_a_forked_function_that_fails(context: Context, recorder: Recorder) -> None:
    def fails(number: int, *, word: str) -> None:
        raise ValueError(f"{word} {number}")

    def main() -> None:
        forked = fork(fails, 5, word="work")
        assert str(forked.exception(10)) == "work 5"
        with pytest.raises(ValueError, match="work 5"):
            forked.result()

    with_context(context, main)
    assert recorder.outcomes() == ["error"]
    assert text(context) == "3"


def test_a_result_that_is_not_there_yet_is_not_joined(context: Context) -> None:
    go = threading.Event()
    forked = with_context(context, fork, go.wait, 10)
    with pytest.raises(concurrent.futures.TimeoutError):
        forked.result(0.01)
    assert text(context) == '2;x="2"'
    go.set()
    assert forked.result(10)
    assert text(context) == "3"


def test_a_detached_function_runs_in_a_thread(context: Context, recorder: Recorder) -> None:
    stamps: list[Clock] = []
    thread = with_context(context, detach, lambda: stamps.append(event()))
    thread.join(10)
    assert stamps[0].format().endswith(":2;d")
    assert recorder.outcomes() == ["ok"]


def test_without_a_context_work_runs_just_the_same() -> None:
    async def main() -> tuple[Any, ...]:
        loop_value = await run_in_executor(None, current)
        return await fork(here_or_none()), await detach(here_or_none()), loop_value

    async def here_or_none() -> Context | None:
        return current()

    assert asyncio.run(main()) == (None, None, None)
    assert fork(current).result(10) is None
    detach(current).join(10)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(current).result(10) is None
        assert pool.detach(current).result(10) is None


def test_bind_carries_the_context_without_forking(context: Context) -> None:
    bound = with_context(context, bind, here)
    bound_coroutine = with_context(context, bind, event_later)
    assert bound() is context
    asyncio.run(bound_coroutine())
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(bound).result(10) is context
    assert current() is None
    assert text(context) == "2"
    assert bound.__name__ == "here"


def test_a_context_is_held_by_value(context: Context) -> None:
    """It may be entered in one task or generator step and left in another: there is no token to give back."""

    def steps() -> Iterator[Context | None]:
        yield with_context(context, current)
        yield current()

    generator = steps()
    assert contextvars.copy_context().run(next, generator) is context
    assert contextvars.copy_context().run(next, generator) is None

    async def main() -> None:
        work = with_context(context, event_later())
        task = asyncio.create_task(work)
        await task
        assert current() is None

    asyncio.run(main())


def test_a_context_is_made_current_for_all_kinds_of_work(context: Context) -> None:
    async def work(extra: int = 0) -> tuple[Context, int]:
        await asyncio.sleep(0)
        return here(), extra

    assert with_context(context, here) is context
    assert asyncio.run(with_context(context, work())) == (context, 0)
    assert asyncio.run(with_context(context, work, extra=5)) == (context, 5)
    assert with_context(context, with_context, None, current) is None


def test_plain_tasks_and_threads_keep_the_context(context: Context) -> None:
    async def main() -> None:
        async def inner() -> Context:
            return here()

        assert await asyncio.create_task(inner()) is context
        assert await asyncio.to_thread(here) is context

    asyncio.run(with_context(context, main()))
    carried = with_context(context, contextvars.copy_context)
    thread_saw: list[Context] = []
    thread = threading.Thread(target=carried.run, args=(lambda: thread_saw.append(here()),))
    thread.start()
    thread.join(10)
    assert thread_saw == [context]


def test_a_pool_forks_what_is_submitted(context: Context, recorder: Recorder) -> None:
    def main() -> list[Clock]:
        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(event) for _ in range(3)]
            assert text(context) == '4;x="2-4"'
            done = [future.result(10) for future in concurrent.futures.as_completed(futures)]
            return done + list(pool.map(lambda _: event(), range(3)))

    stamps = with_context(context, main)
    assert text(context) == "13"
    for group in (stamps[:3], stamps[3:]):
        assert all(a.compare(b) is Order.CONCURRENT for a in group for b in group if a is not b)
    assert stamps[0].compare(stamps[3]) is Order.BEFORE
    assert recorder.outcomes() == ["ok"] * 6


def test_a_pool_carries_all_context_variables(context: Context) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("carried")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(variable.get).result(10) == "carried"


def test_a_pool_detaches(context: Context, recorder: Recorder) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert with_context(context, pool.detach, event).result(10).format().endswith(":2;d")
        with pytest.raises(ZeroDivisionError):
            with_context(context, pool.detach, divmod, 1, 0).result(10)
    assert text(context) == "3"
    assert recorder.outcomes() == ["ok", "error"]


def test_work_of_a_pool_that_is_cancelled(context: Context, recorder: Recorder) -> None:
    go = threading.Event()
    pool = ThreadPoolExecutor(1)

    def main() -> None:
        running = pool.submit(go.wait, 10)
        cancelled, dropped = pool.submit(event), pool.submit(event)
        assert cancelled.cancel()
        pool.shutdown(wait=False, cancel_futures=True)
        assert concurrent.futures.wait([cancelled, dropped], 10).not_done == set()
        go.set()
        assert running.result(10)
        with pytest.raises(RuntimeError):
            pool.submit(event)

    with_context(context, main)
    pool.shutdown()
    assert sorted(recorder.outcomes()) == ["cancelled", "cancelled", "cancelled", "ok"]


def test_the_loops_executor_is_forked(context: Context, recorder: Recorder) -> None:
    async def main() -> None:
        first, second = await asyncio.gather(run_in_executor(None, event), run_in_executor(None, event))
        assert first.compare(second) is Order.CONCURRENT
        with pytest.raises(ZeroDivisionError):
            await run_in_executor(None, divmod, 1, 0)
        with ThreadPoolExecutor(1) as pool:
            assert (await asyncio.get_running_loop().run_in_executor(pool, here)).parent_id == context.span_id

    asyncio.run(with_context(context, main()))
    assert recorder.outcomes() == ["ok", "ok", "error", "ok"]
    assert text(context) == "9"


def test_work_that_is_joined_after_the_end_changes_nothing(context: Context) -> None:
    forked = with_context(context, fork, event)
    end = context.end()
    forked.result(10)
    assert context.stamp() == end


@pytest.mark.parametrize("count", [1000, 10_000])
def test_many_forks_in_flight_stay_one_range(context: Context, count: int) -> None:
    branches = [context.branch() for _ in range(count)]
    assert text(context) == f'{count + 1};x="2-{count + 1}"'
    for branch in reversed(branches):
        branch.end()
        branch.join()
    assert text(context) == str(2 * count + 1)
