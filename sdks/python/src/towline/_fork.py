"""Code that runs at once: forked, detached, bound (api.md, "What an application calls")."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, ParamSpec, TypeVar, cast, overload

from towline._context import Branch, Context, current, set_current

P = ParamSpec("P")
T = TypeVar("T")


class ForkedTask(Awaitable[T]):
    """A task that runs as a child strand. To await it is to join it.

    It is already running; it may be awaited in any order, and given to `asyncio.gather`.
    """

    def __init__(self, task: asyncio.Task[T], branch: Branch | None) -> None:
        self.task = task
        """The task itself. What is awaited here instead is not joined."""
        self._branch = branch

    def __await__(self) -> Generator[Any, None, T]:
        try:
            return (yield from self.task.__await__())
        finally:
            if self._branch is not None and self.task.done():
                self._branch.end("cancelled")  # where it never began
                self._branch.join()

    def cancel(self) -> bool:
        """Asks the task to stop."""
        return self.task.cancel()

    def done(self) -> bool:
        """Has it ended?"""
        return self.task.done()


class ForkedFuture(concurrent.futures.Future[T]):
    """The result of a function that runs as a child strand in another thread. To take it is to join it."""

    def __init__(self, branch: Branch | None) -> None:
        super().__init__()
        self._branch = branch
        self._context = _context_with(branch)

    def result(self, timeout: float | None = None) -> T:
        """Its value, or what it raised; waits at most `timeout` seconds."""
        try:
            return super().result(timeout)
        finally:
            self._join()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What it raised, if anything; waits at most `timeout` seconds."""
        try:
            return super().exception(timeout)
        finally:
            self._join()

    def run(self, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Runs the function, in the thread that calls this."""
        if not self.set_running_or_notify_cancel():
            self._end(cancelled=True)
            return
        try:
            value = self._context.run(function, *args, **kwargs)
        except BaseException as error:
            self._end(failed=True)
            self.set_exception(error)
        else:
            self._end()
            self.set_result(value)

    def give_up(self) -> None:
        """It will not be run."""
        self.cancel()
        self._end(cancelled=True)
        self.set_running_or_notify_cancel()

    def _end(self, *, failed: bool = False, cancelled: bool = False) -> None:
        if self._branch is not None:
            self._branch.end("cancelled" if cancelled else "error" if failed else "ok")

    def _join(self) -> None:
        if self._branch is not None and self.done():
            self._branch.join()


@overload
def fork(work: Coroutine[Any, Any, T]) -> ForkedTask[T]: ...
@overload
def fork(  # type: ignore[overload-overlap]  # a coroutine function is a function too; the first that fits counts
    work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
) -> ForkedTask[T]: ...
@overload
def fork(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> ForkedFuture[T]: ...
def fork(work: Any, *args: Any, **kwargs: Any) -> Any:
    """Runs work as a child strand, in a context of its own, at the same time as what follows here.

    A coroutine runs as a task: `await fork(work())`. A function runs in a thread of its own: `fork(work).result()`;
    for a pool see `towline.futures`. The child is joined when its result is taken. Where there is no current context
    the work runs just the same.

    Args:
        work: a coroutine, a coroutine function or a function.
        args: for the function.
        kwargs: for the function.

    Example:
        >>> fork(max, 2, 3).result()
        3
    """
    branch = _branch(detached=False)
    coroutine = _coroutine(work, args, kwargs)
    if coroutine is not None:
        return ForkedTask(_task(coroutine, branch), branch)
    future: ForkedFuture[Any] = ForkedFuture(branch)
    threading.Thread(target=future.run, args=(work, args, kwargs), name=_name(work)).start()
    return future


@overload
def detach(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]: ...
@overload
def detach(  # type: ignore[overload-overlap]  # as for fork
    work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
) -> asyncio.Task[T]: ...
@overload
def detach(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> threading.Thread: ...
def detach(work: Any, *args: Any, **kwargs: Any) -> Any:
    """Runs work in the background, as a detached child strand that nobody joins.

    A coroutine runs as a task, which is kept alive until it is done; a function in a thread of its own, which has
    been started. What they raise is reported as for any task or thread.

    Args:
        work: a coroutine, a coroutine function or a function.
        args: for the function.
        kwargs: for the function.
    """
    branch = _branch(detached=True)
    coroutine = _coroutine(work, args, kwargs)
    if coroutine is not None:
        task = _task(coroutine, branch)
        _detached.add(task)
        task.add_done_callback(_detached.discard)
        return task
    thread = threading.Thread(
        target=run_detached, args=(branch, _context_with(branch), work, args, kwargs), name=_name(work)
    )
    thread.start()
    return thread


def bind(function: Callable[P, T]) -> Callable[P, T]:
    """A function that runs with the context that is current now: for callbacks and pools that call back later, one at
    a time. It shares the strand; what runs at once is forked instead.

    Args:
        function: any function or coroutine function.
    """
    context = current()
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def bound_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            before = set_current(context)
            try:
                return await function(*args, **kwargs)
            finally:
                set_current(before)

        return cast(Callable[P, T], bound_coroutine)

    @functools.wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> T:
        before = set_current(context)
        try:
            return function(*args, **kwargs)
        finally:
            set_current(before)

    return bound


@overload
def with_context(context: Context | None, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]: ...
@overload
def with_context(context: Context | None, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...
def with_context(context: Context | None, work: Any, *args: Any, **kwargs: Any) -> Any:
    """Runs work with that context current, here and now: `with_context(c, function, …)`,
    `await with_context(c, coroutine)`, `await with_context(c, coroutine_function, …)`.

    Args:
        context: to be current; None: none.
        work: a function, a coroutine or a coroutine function.
        args: for the function.
        kwargs: for the function.
    """
    coroutine = _coroutine(work, args, kwargs)
    if coroutine is not None:
        return _awaited_with(context, coroutine)
    before = set_current(context)
    try:
        return work(*args, **kwargs)
    finally:
        set_current(before)


async def _awaited_with(context: Context | None, work: Coroutine[Any, Any, T]) -> T:
    before = set_current(context)
    try:
        return await work
    finally:
        set_current(before)


def run_detached(
    branch: Branch | None,
    context: contextvars.Context,
    work: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> T:
    """Runs a function in a context that `_context_with` made, and ends its strand."""
    try:
        value = context.run(work, *args, **kwargs)
    except BaseException:
        if branch is not None:
            branch.end("error")
        raise
    if branch is not None:
        branch.end()
    return value


_detached: set[asyncio.Task[Any]] = set()


def _branch(*, detached: bool) -> Branch | None:
    context = current()
    return None if context is None else context.branch(detached=detached)


def _context_with(branch: Branch | None) -> contextvars.Context:
    """A copy of all context variables, with the branch's context current."""
    copied = contextvars.copy_context()
    if branch is not None:
        copied.run(set_current, branch.context)
    return copied


def _coroutine(work: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Coroutine[Any, Any, Any] | None:
    if inspect.iscoroutine(work):
        return work
    if inspect.iscoroutinefunction(work):
        return cast(Coroutine[Any, Any, Any], work(*args, **kwargs))
    return None


def _task(coroutine: Coroutine[Any, Any, T], branch: Branch | None) -> asyncio.Task[T]:
    create = asyncio.get_running_loop().create_task
    if branch is None:
        return create(coroutine)

    def ended(_: asyncio.Task[T]) -> None:
        coroutine.close()
        branch.end("cancelled")  # where it never began

    task = _context_with(branch).run(create, _ending(coroutine, branch))
    task.add_done_callback(ended)
    return task


async def _ending(coroutine: Coroutine[Any, Any, T], branch: Branch) -> T:
    try:
        value = await coroutine
    except asyncio.CancelledError:
        branch.end("cancelled")
        raise
    except BaseException:
        branch.end("error")
        raise
    branch.end()
    return value


def _name(work: Callable[..., object]) -> str:
    return f"towline-{getattr(work, '__name__', 'work')}"
