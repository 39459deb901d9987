"""The `Clipper` deployment: workers over the queue of video jobs.

Requests never come here: jobs are rows, and a replica takes those that are free. So any number of
replicas may run, and one that dies is replaced without anybody being told.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from ray import serve

from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.problems import Problem
from deployments.video.config import VideoConfig

if TYPE_CHECKING:
    from deployments.video.worker import ClipWorker

HEAD_START_S = 3.0  # for the stages that requests wait for; jobs can wait


class ClipperReplica:
    """A plain class; `graphs/video.py` makes it a deployment. It is up at once, and opens its
    workshop a moment later: on a machine of few cores a cluster is ready sooner.
    """

    async def __init__(self, config: VideoConfig) -> None:  # type: ignore[misc]
        self._config = config
        self._app = serve.get_replica_context().app_name
        self._workshop: ClipWorker | None = None
        self._opening = asyncio.create_task(self._open_workshop(), name="workshop")
        self._lag = LoopLag()
        self._lag.start()
        self._open = True

    async def loop_lag(self) -> float:
        return self._lag.worst()

    async def _open_workshop(self) -> None:
        await asyncio.sleep(HEAD_START_S)
        from deployments.video.worker_factory import build_worker  # loads half of what there is

        self._workshop = build_worker(self._config, self._app)
        await self._workshop.start()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        if self._workshop is None:
            return {}
        try:
            depth = await self._workshop.depth()
        except Problem:
            return {}
        return {"queued": depth.queued, "running": depth.running, "oldest_s": depth.oldest_s}

    async def check_health(self) -> None:
        """Raises what kept the workshop from opening; else answering shows that the loop turns."""
        if self._opening.done():
            self._opening.result()

    async def close(self) -> None:
        self._open = False
        self._lag.stop()
        self._opening.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._opening
        if self._workshop is not None:
            await self._workshop.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve calls this on the loop when it stops a replica, and awaits what it returns."""
        return self.close() if getattr(self, "_open", False) else None
