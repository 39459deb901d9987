"""Who does the pieces of a job: blocking functions, each of which waits for a sandboxed child.

Flows in: a function, its arguments, and the private folder it works in. Flows out: what it returns
or raises. `ThreadTaskExecutor` does them in this process;
deployments/clients/serve/task_executor.py as Ray tasks
on the same node. A piece whose caller is cancelled is told so, and is gone within two seconds.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from deployments.video.sandbox import Cancelled

T = TypeVar("T")


class TaskExecutor(Protocol):
    """Does pieces side by side; how many at once is the caller's matter."""

    async def run(self, folder: Path, piece: Callable[..., T], *arguments: Any) -> T:
        """`piece(*arguments, cancel=...)`; raises what it raises."""
        ...

    async def close(self) -> None: ...


async def gather_or_cancel(*works: Coroutine[Any, Any, T]) -> list[T]:
    """All of them side by side. The first that fails ends the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except* Exception as failed:  # noqa: BLE001 - raised again, alone
        raise _first(failed) from None
    return [task.result() for task in tasks]


def _first(failed: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = failed
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def in_thread(piece: Callable[..., T], *arguments: Any) -> T:
    """`piece(*arguments, cancel=...)` in a thread of this process; whoever gives up waiting for it
    tells it so."""
    given_up = threading.Event()
    try:
        return await asyncio.to_thread(piece, *arguments, cancel=given_up.is_set)
    except asyncio.CancelledError:
        given_up.set()
        raise


class ThreadTaskExecutor:
    """Does pieces in threads of this process."""

    def __init__(self, most: int = 16) -> None:
        self._pool = ThreadPoolExecutor(most, "piece")

    async def run(self, folder: Path, piece: Callable[..., T], *arguments: Any) -> T:
        given_up = threading.Event()
        loop = asyncio.get_running_loop()
        doing = loop.run_in_executor(self._pool, lambda: piece(*arguments, cancel=given_up.is_set))
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            given_up.set()
            with suppress(Cancelled, Exception):
                await doing
            raise

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
