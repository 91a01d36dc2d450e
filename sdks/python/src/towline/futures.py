"""Pools of threads whose work belongs to the trace (api.md, "What an application calls": `fork`)."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from towline._context import current
from towline._fork import ForkedFuture, _context_with, run_detached

P = ParamSpec("P")
T = TypeVar("T")


class ThreadPoolExecutor(concurrent.futures.ThreadPoolExecutor):
    """As in `concurrent.futures`; what is submitted runs as a child strand, forked when it is submitted and joined
    when its `result()` is taken. All context variables of the submitter are carried along.

    Example:
        >>> with ThreadPoolExecutor(max_workers=2) as pool:
        ...     list(pool.map(abs, [-1, 2]))
        [1, 2]
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[T]:
        """Forks, and runs the function when a thread is free."""
        context = current()
        future: ForkedFuture[T] = ForkedFuture(None if context is None else context.branch())
        try:
            queued = super().submit(future.run, fn, args, kwargs)
        except RuntimeError:  # shut down
            future.give_up()
            raise
        queued.add_done_callback(lambda f: future.give_up() if f.cancelled() else None)
        return future

    def detach(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[T]:
        """Runs the function as a detached child strand: nobody joins it."""
        context = current()
        branch = None if context is None else context.branch(detached=True)
        return super().submit(run_detached, branch, _context_with(branch), fn, args, kwargs)


async def run_in_executor(
    executor: concurrent.futures.Executor | None, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """`loop.run_in_executor`, forked: the function runs as a child strand, which is joined when it is awaited.

    Args:
        executor: any; None: the loop's own.
        fn: the function.
        args: for it.
        kwargs: for it.
    """
    context = current()
    branch = None if context is None else context.branch()
    copied = _context_with(branch)

    def work() -> T:
        return run_detached(branch, copied, fn, args, kwargs)

    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
    finally:
        if branch is not None:
            branch.join()


__all__ = ["ForkedFuture", "ThreadPoolExecutor", "run_in_executor"]
