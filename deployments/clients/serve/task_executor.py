"""The pieces of a job as Ray tasks: Ray shares the node's cores out, and a piece that breaks takes
no worker with it.

Flows in: a piece and its arguments. Flows out: what it returned, or its problem. Pieces work on
files in a private folder, so they run on the node of the caller. A flag in that folder tells them
to stop; one that does not within two seconds is killed.
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

from cluster.runtime.problems import Problem
from deployments.video.errors import SandboxFailed

T = TypeVar("T")
GRACE_S = 1.5


def _done(piece: Callable[..., T], arguments: tuple[Any, ...], flag: str) -> T | Problem:
    """Problems are answers here: of what a task raises, Ray logs the whole traceback."""
    try:
        return piece(*arguments, cancel=Path(flag).exists)
    except Problem as problem:
        return problem


class RayTaskExecutor:
    """`cpus` is what Ray counts for each piece."""

    def __init__(self, cpus: float = 0.0) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._task = ray.remote(_done).options(
            num_cpus=cpus, max_retries=0, scheduling_strategy=here, name="clip-piece"
        )

    async def run(self, folder: Path, piece: Callable[..., T], *arguments: Any) -> T:
        """Raises what the piece raises, and SandboxFailed where its process was killed."""
        flag = folder / f"stop-{secrets.token_hex(6)}"
        reference = self._task.remote(piece, arguments, str(flag))
        try:
            answer = await reference
        except asyncio.CancelledError:
            await self._stop(reference, flag)
            raise
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            raise cause from None
        except RayError as error:
            raise SandboxFailed() from error
        if isinstance(answer, Problem):
            raise answer
        return answer

    async def _stop(self, reference: Any, flag: Path) -> None:
        with suppress(OSError):
            await asyncio.to_thread(flag.touch)
        _, left = await asyncio.to_thread(ray.wait, [reference], timeout=GRACE_S)
        if left:
            with suppress(RayError, ValueError):
                ray.cancel(reference, force=True)

    async def close(self) -> None:
        """Tasks end with their callers."""
