"""The Serve replica that opens recordings of callers.

In: ExamineRequests, by link or handle. Out: ExaminedFiles. A plain class: graphs/ makes the
deployment of it.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from cluster.metrics.series import Reading
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from cluster.runtime.version import VERSION
from deployments.clients.link.methods import EXAMINE, READ_IMAGES
from deployments.clients.serve.node_check import check_store_to_start
from deployments.contracts.audio import MEDIA, ExaminedFile, ExamineRequest
from deployments.contracts.generation import ModelCard
from deployments.contracts.images import ReadImages, ReadImagesRequest
from deployments.media.config import MediaConfig
from deployments.model.errors import as_response
from deployments.model.replica import LinkedReplica

if TYPE_CHECKING:
    from deployments.media.worker import MediaWorker

START_DELAY_S = 3.0  # stages that requests wait for start first


class MediaReplica(LinkedReplica):
    """It is ready at once; its worker starts with the first call, or a moment later: on a machine
    with few cores the cluster is ready sooner."""

    async def __init__(self, config: MediaConfig) -> None:  # type: ignore[misc]
        check_store_to_start(self._begin())
        self._config = config
        self._created = int(SystemClock().wall())
        self._model = self._worker = _LateWorker(self)
        self._serve(MEDIA, {EXAMINE: self.examine, READ_IMAGES: self.read_images})
        self._worker.begin()

    async def examine(self, request: ExamineRequest) -> ExaminedFile | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""

        async def work() -> ExaminedFile:
            return await (await self._worker.started()).recordings.examine(request)

        return await as_response(work(), request)

    async def read_images(self, request: ReadImagesRequest) -> ReadImages | Problem:
        async def work() -> ReadImages:
            return await (await self._worker.started()).images.read_images(request)

        return await as_response(work(), request)

    async def card(self) -> ModelCard:
        return ModelCard(
            id=MEDIA,
            engine=MEDIA,
            source=MEDIA,
            revision=VERSION,
            context_length=0,
            created=self._created,
        )

    async def check_health(self) -> None:
        """Raises RuntimeError when the event loop is far behind, and the error that kept the worker
        from starting."""
        await super().check_health()
        self._worker.check()

    def _readings(self) -> Iterable[Reading]:
        return ()

    async def make_worker(self) -> "MediaWorker":
        """In a thread: on a busy machine the imports take longer than health checks wait."""
        await asyncio.to_thread(import_module, "deployments.media.worker")
        from deployments.media.worker import MediaWorker

        worker = MediaWorker(self._settings, self._config, SystemClock())
        await worker.start()
        return worker


class _LateWorker:
    """The worker of a replica, once it has started."""

    def __init__(self, replica: MediaReplica) -> None:
        self._replica = replica
        self._wanted = asyncio.Event()

    def begin(self) -> None:
        self._starting = asyncio.create_task(self._start(), name="media-worker")

    async def started(self) -> "MediaWorker":
        """Raises what kept it from starting."""
        self._wanted.set()
        return await asyncio.shield(self._starting)

    def check(self) -> None:
        if self._starting.done():
            self._starting.result()

    async def close(self) -> None:
        self._starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await (await self._starting).close()

    async def _start(self) -> "MediaWorker":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_DELAY_S):
                await self._wanted.wait()
        return await self._replica.make_worker()
