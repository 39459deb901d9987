"""Tasks that belong to no request: work that several of them share, or that outlives the one that
began it.

A task copies the context in which it is made. Ray Serve keeps the request in there, and when its
client leaves, it cancels every call of a deployment that was made in that context, whoever waits
for it by now (ray/serve/_private/replica.py, `_on_request_cancelled`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

_going_on: set[asyncio.Task[Any]] = set()


def create_detached_task(
    work: Coroutine[Any, Any, T],
    *,
    name: str | None = None,
    loop: asyncio.AbstractEventLoop | None = None,
) -> asyncio.Task[T]:
    """A task in an empty context, on the running event loop or on `loop`. Keep a reference to it:
    the loop holds none."""
    return (loop or asyncio.get_running_loop()).create_task(work, name=name, context=Context())


def is_cancelled_here() -> bool:
    """Whether it is the current task that was asked to end, and not something that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def acquire(taking: Coroutine[Any, Any, T], give_back: Callable[[T], Awaitable[object]]) -> T:
    """What `taking` gives: a lock, a lease, a row. Raises what it raises.

    It runs to its end whatever becomes of the caller. A caller who is cancelled meanwhile never
    learns what was taken, so `give_back` is called with it, which may raise nothing that matters:
    a write that was cancelled halfway may have been done or not, and nobody could tell.
    """
    task = create_detached_task(taking)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await run_to_end(_undo(task, give_back))
        raise


async def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. A caller who is cancelled meanwhile is so once it has ended."""
    task = create_detached_task(work)
    _going_on.add(task)
    task.add_done_callback(_going_on.discard)
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


async def _undo(task: asyncio.Task[T], give_back: Callable[[T], Awaitable[object]]) -> None:
    await asyncio.wait((task,))
    if task.cancelled() or task.exception() is not None:
        return
    try:
        await give_back(task.result())
    except Exception:
        log.warning("what a cancelled request had taken could not be given back", exc_info=True)
