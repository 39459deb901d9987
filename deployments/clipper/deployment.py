"""The `Clipper` deployment: workers over the queue of video jobs.

Requests never come here: jobs are rows, and a replica takes those that are free. So any number of
replicas may run, and one that dies is replaced without anybody being told.
"""

from collections.abc import Coroutine
from typing import Any

from ray import serve

from cluster.auth.delegation import Delegation
from cluster.auth.home import load_pepper
from cluster.clock import SystemClock
from cluster.logs import configure_logging
from cluster.problems import Problem
from cluster.settings import Settings
from deployments.clipper.config import VideoConfig
from deployments.clipper.workshop import Workshop
from deployments.remote_crew import RayCrew
from deployments.remote_writer import RemoteWriter


class ClipperReplica:
    """A plain class; `graphs/video.py` makes it a deployment."""

    async def __init__(self, config: VideoConfig) -> None:  # type: ignore[misc]
        settings, clock = Settings(), SystemClock()
        configure_logging(settings.log_level)
        app = serve.get_replica_context().app_name
        delegation = Delegation(load_pepper(settings.home, settings), clock)
        writer = RemoteWriter(delegation, app, config.writer or "")
        self._workshop = Workshop(settings, config, RayCrew(config.piece_cpus), writer, clock)
        await self._workshop.start()
        self._open = True

    async def wake(self) -> None:
        """There is a new job: do not wait for the next look at the queue."""
        self._workshop.wake()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        try:
            depth = await self._workshop.depth()
        except Problem:
            return {}
        return {"queued": depth.queued, "running": depth.running, "oldest_s": depth.oldest_s}

    async def check_health(self) -> None:
        """Answering shows that the event loop turns; jobs have leases of their own."""

    async def close(self) -> None:
        self._open = False
        await self._workshop.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve calls this on the loop when it stops a replica, and awaits what it returns."""
        return self.close() if getattr(self, "_open", False) else None
