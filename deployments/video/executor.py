"""Executors of tasks: blocking functions, each of which waits for a sandboxed child.

Flows in: a function, its arguments, and the private folder it works in. Flows out: its result or
its exception. `ThreadTaskExecutor` runs tasks in this process, `RayTaskExecutor`
(deployments/clients/serve/task_executor.py) as Ray tasks on the same node. When the caller of a
task is cancelled, the task is told to stop, and has ended within two seconds.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from deployments.sandbox import Cancelled

T = TypeVar("T")


class TaskExecutor(Protocol):
    """Runs tasks concurrently; the caller limits how many."""

    async def run(self, folder: Path, task: Callable[..., T], *arguments: Any) -> T:
        """`task(*arguments, cancel=...)`; raises what it raises."""
        ...

    async def close(self) -> None: ...


async def gather_or_cancel(*coroutines: Coroutine[Any, Any, T]) -> list[T]:
    """Runs all concurrently. The first failure cancels the others, and is raised unwrapped."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except* Exception as failures:  # noqa: BLE001 - raised again, unwrapped
        raise _first_error(failures) from None
    return [task.result() for task in tasks]


def _first_error(failures: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = failures
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def in_thread(task: Callable[..., T], *arguments: Any) -> T:
    """`task(*arguments, cancel=...)` in a thread of this process. A caller that is cancelled sets
    `cancel` and does not wait for the thread."""
    cancelled = threading.Event()
    try:
        return await asyncio.to_thread(task, *arguments, cancel=cancelled.is_set)
    except asyncio.CancelledError:
        cancelled.set()
        raise


class ThreadTaskExecutor:
    """Runs tasks in threads of this process."""

    def __init__(self, max_workers: int = 16) -> None:
        self._pool = ThreadPoolExecutor(max_workers, "video-task")

    async def run(self, folder: Path, task: Callable[..., T], *arguments: Any) -> T:
        cancelled = threading.Event()
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._pool, lambda: task(*arguments, cancel=cancelled.is_set))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            cancelled.set()
            with suppress(Cancelled, Exception):
                await future
            raise

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
