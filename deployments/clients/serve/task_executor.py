"""Runs the tasks of a job as Ray tasks: Ray shares the node's cores out, and a task that crashes
takes no worker with it.

Flows in: a function and its arguments. Flows out: its result, or its problem. Tasks work on files
in a private folder, so they run on the caller's node. A flag file in that folder asks a task to
stop; one that runs on for two seconds is killed.
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.logs.task_logs import LogContext, logged_task
from cluster.runtime.problems import Problem

T = TypeVar("T")
GRACE_S = 1.5


def _run_task(
    function: Callable[..., T], arguments: tuple[Any, ...], flag: str, caller: LogContext
) -> T | Problem:
    """Returns problems: of what a task raises, Ray logs the whole traceback."""
    with logged_task(caller):
        try:
            return function(*arguments, cancel=Path(flag).exists)
        except Problem as problem:
            return problem


class RayTaskExecutor:
    """`cpus` is what Ray counts for each task; `lost` makes the problem of a killed task."""

    def __init__(self, lost: Callable[[], Problem], cpus: float = 0.0) -> None:
        node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._lost = lost
        self._task = ray.remote(_run_task).options(
            num_cpus=cpus, max_retries=0, scheduling_strategy=node, name="clip-task"
        )

    async def run(self, folder: Path, function: Callable[..., T], *arguments: Any) -> T:
        """Raises what the function raises, and `lost()` where its process was killed."""
        flag = folder / f"stop-{secrets.token_hex(6)}"
        reference = self._task.remote(function, arguments, str(flag), LogContext.current())
        try:
            result = await reference
        except asyncio.CancelledError:
            await self._stop(reference, flag)
            raise
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            raise cause from None
        except RayError as error:
            raise self._lost() from error
        if isinstance(result, Problem):
            raise result
        return result

    async def _stop(self, reference: Any, flag: Path) -> None:
        with suppress(OSError):
            await asyncio.to_thread(flag.touch)
        _, running = await asyncio.to_thread(ray.wait, [reference], timeout=GRACE_S)
        if running:
            with suppress(RayError, ValueError):
                ray.cancel(reference, force=True)

    async def close(self) -> None:
        """Tasks end with their callers."""
