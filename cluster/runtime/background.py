"""Background tasks: periodic work of a process, and work that is detached from a request.

A task copies the context in which it is created. Ray Serve keeps the request in the context, and
when the request's client disconnects, it cancels every deployment call of that context, even if
other requests wait for the call (ray/serve/_private/replica.py, `_on_request_cancelled`).
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from cluster.runtime.problems import Problem

T = TypeVar("T")

log = logging.getLogger("mobula.background")

_running: set[asyncio.Task[Any]] = set()


def create_detached_task(
    work: Coroutine[Any, Any, T],
    *,
    name: str | None = None,
    loop: asyncio.AbstractEventLoop | None = None,
) -> asyncio.Task[T]:
    """A task in an empty context, on the running event loop or on `loop`. Keep a reference, as the
    loop does not."""
    return (loop or asyncio.get_running_loop()).create_task(work, name=name, context=Context())


def is_cancelled_here() -> bool:
    """Whether the current task was cancelled, and not only an awaitable that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def acquire(
    acquisition: Coroutine[Any, Any, T], release: Callable[[T], Awaitable[object]]
) -> T:
    """The result of `acquisition` (a lock, a lease, a row), or its exception.

    It runs to its end even if the caller is cancelled, because a cancelled write may or may not be
    committed. Then `release` is called with the result; its exceptions are logged.
    """
    task = create_detached_task(acquisition)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await run_to_end(_undo(task, release))
        raise


async def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. A cancellation of the caller takes effect after its end."""
    task = create_detached_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


async def end_tasks(
    tasks: Collection[asyncio.Task[None]], timeout_s: float
) -> list[asyncio.Task[None]]:
    """Wait `timeout_s` for tasks, cancel the others; returns those that were cancelled."""
    if not tasks:
        return []
    _, slow = await asyncio.wait(tasks, timeout=timeout_s)
    for task in slow:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [task for task in slow if task.cancelled()]


async def _undo(task: asyncio.Task[T], release: Callable[[T], Awaitable[object]]) -> None:
    await asyncio.wait((task,))
    if task.cancelled() or task.exception() is not None:
        return
    try:
        await release(task.result())
    except Exception:
        log.warning("a resource of a cancelled request could not be released", exc_info=True)


class PeriodicTask:
    """Runs `action` again and again in a background task; failures are logged only.

    `interval_s` is the pause between two runs, or returns it after each run. The first run is at
    `start`, or with `delayed` one interval later. `name` says in the log what failed. Failures of
    the types `expected` are logged as warnings, others as errors with their traceback.
    """

    def __init__(
        self,
        action: Callable[[], Awaitable[object]],
        interval_s: float | Callable[[], float],
        name: str,
        *,
        delayed: bool = False,
        expected: tuple[type[Exception], ...] = (Problem,),
    ) -> None:
        self._action, self._interval_s, self._name = action, interval_s, name
        self._delayed, self._expected = delayed, expected
        self._woken = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins on the running event loop, outside of the caller's context."""
        self._closing = False
        self._woken.clear()
        self._task = create_detached_task(self._run(), name=self._name)

    def wake(self) -> None:
        """Starts the next run now instead of at the end of the interval."""
        self._woken.set()

    async def close(self, timeout_s: float | None = 0.0) -> None:
        """Waits `timeout_s` (None: without limit) for a run in progress, then cancels it."""
        self._closing = True
        self._woken.set()
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=timeout_s)
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None

    async def _run(self) -> None:
        if self._delayed:
            await self._pause()
        while not self._closing:
            self._woken.clear()
            try:
                await self._action()
            except self._expected as error:
                reason = error.detail if isinstance(error, Problem) else repr(error)
                log.warning("%s failed; it will be retried: %s", self._name, reason)
            except Exception:
                log.exception("%s failed; it will be retried", self._name)
            await self._pause()

    async def _pause(self) -> None:
        interval_s = self._interval_s() if callable(self._interval_s) else self._interval_s
        if not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await self._woken.wait()
