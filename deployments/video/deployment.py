"""The `Clipper` deployment: workers over the queue of video jobs.

Requests are never routed here: jobs are rows, and each replica takes queued ones. So any number of
replicas may run, and one that dies is replaced without a notice to any caller.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ray import serve

from cluster.logs.process_log import LoggedReplica
from cluster.logs.readings import log_readings
from cluster.metrics.replica_metrics import NamedReport, ReplicaMetrics
from cluster.metrics.series import Source
from cluster.runtime.loop_lag import LoopLag
from cluster.runtime.problems import Problem
from deployments.jobs.queue_depth import QueueDepth, depth_readings
from deployments.video.config import VideoConfig

if TYPE_CHECKING:
    from deployments.video.worker import ClipWorker

START_DELAY_S = 3.0  # stages that requests wait for start first


class ClipperReplica(LoggedReplica):
    """A plain class; `graphs/video.py` makes it a deployment. It is ready at once, and starts its
    worker a moment later: on a machine with few cores the cluster is ready sooner.
    """

    async def __init__(self, config: VideoConfig) -> None:  # type: ignore[misc]
        self._config = config
        self._app = serve.get_replica_context().app_name
        self._worker: ClipWorker | None = None
        self._starting = asyncio.create_task(self._start_worker(), name="clip-worker")
        self._lag = LoopLag()
        self._lag.start()
        self._metrics = ReplicaMetrics(self._lag.worst, log_readings)
        self._open = True

    async def loop_lag(self) -> float:
        return self._lag.worst()

    async def _start_worker(self) -> None:
        await asyncio.sleep(START_DELAY_S)
        await asyncio.to_thread(_load_modules)
        self._worker = _build_worker(self._config, self._app)
        await self._worker.start()

    async def record_autoscaling_stats(self) -> dict[str, int | float]:
        depth = await self._depth()
        return {} if depth is None else depth.summary()

    async def report(self, name: str) -> NamedReport:
        depth, identity = await self._depth(), serve.get_replica_context()
        more: list[Source] = [lambda: depth_readings(depth)]
        if self._worker is not None:
            more.append(self._worker.read_metrics)
        return await self._metrics.report(name, identity, *more)

    async def _depth(self) -> QueueDepth | None:
        """None before the worker runs, and while the store is away."""
        try:
            return None if self._worker is None else await self._worker.depth()
        except Problem:
            return None

    async def check_health(self) -> None:
        """Raises the error that kept the worker from starting. Otherwise the answer itself shows
        that the event loop runs."""
        if self._starting.done():
            self._starting.result()

    async def close(self) -> None:
        self._open = False
        self._lag.stop()
        self._starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._starting
        if self._worker is not None:
            await self._worker.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve calls this on the loop when it stops a replica, and awaits the result."""
        return self.close() if getattr(self, "_open", False) else None


def _load_modules() -> None:
    """Most of the product, for `_build_worker`. In a thread: on a busy machine it takes longer than
    Serve's health checks wait, and they would replace the replica again and again."""
    import_module("deployments.video.worker")
    import_module("deployments.clients.serve.text_client")


def _build_worker(config: VideoConfig, app: str) -> "ClipWorker":
    """A worker with Ray tasks and the text model of the Serve application `app`. Its imports are
    deferred: they load most of the product. Raises SqliteNeedsSingleNode, and FileNotFoundError
    before `up`."""
    from cluster.auth.delegation import Delegation
    from cluster.logs.process_log import configure_logging
    from cluster.runtime.clock import SystemClock
    from cluster.runtime.settings import Settings
    from cluster.secrets.key_files import load_pepper
    from deployments.clients.serve.node_check import check_store_to_start
    from deployments.clients.serve.task_executor import RayTaskExecutor
    from deployments.clients.serve.text_client import DelegatedTextClient
    from deployments.sandbox.errors import SandboxFailed
    from deployments.video.worker import ClipWorker

    settings, clock = Settings(), SystemClock()
    check_store_to_start(settings)
    configure_logging(settings, "clipper")
    delegation = Delegation(load_pepper(settings.home, settings), clock)
    writer = DelegatedTextClient(delegation, app, config.writer or "")
    executor = RayTaskExecutor(SandboxFailed, config.piece_cpus)
    return ClipWorker(settings, config, executor, writer, clock)
