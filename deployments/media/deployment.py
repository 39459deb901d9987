"""The Serve replica that opens recordings and pictures of callers.

In: requests that name files of tenants, or have pictures, by link or handle. Out: what is in them,
how it sounds, what is said; pictures as pixels. Long recordings are jobs, which a replica takes
from the queue by itself. A plain class: graphs/ makes the deployment of it.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from cluster.metrics.series import Reading
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from cluster.runtime.version import VERSION
from deployments.clients.link.methods import EXAMINE, MEASURE, READ_IMAGES, TRANSCRIBE
from deployments.clients.serve.node_check import check_store_to_start
from deployments.contracts.audio import (
    MEDIA,
    ExaminedFile,
    ExamineRequest,
    MeasureRequest,
    SoundMeasures,
    TranscribeRequest,
    TranscriptPart,
)
from deployments.contracts.generation import ModelCard
from deployments.contracts.images import ReadImages, ReadImagesRequest
from deployments.media.config import MediaConfig
from deployments.model.errors import as_response, as_response_stream
from deployments.model.replica import LinkedReplica

if TYPE_CHECKING:
    from deployments.contracts.speech import SpeechRecognizer
    from deployments.media.worker import MediaWorker
    from deployments.speech.engine import SpeechEngine

START_DELAY_S = 3.0  # stages that requests wait for start first


class MediaReplica(LinkedReplica):
    """It is ready at once; its worker starts with the first call, or a moment later: on a machine
    with few cores the cluster is ready sooner."""

    async def __init__(self, config: MediaConfig) -> None:  # type: ignore[misc]
        check_store_to_start(self._begin())
        self._config = config
        self._engine: SpeechEngine | None = None
        self._created = int(SystemClock().wall())
        self._model = self._worker = _LateWorker(self)
        self._serve(
            MEDIA,
            {
                EXAMINE: self.examine,
                MEASURE: self.measure,
                TRANSCRIBE: self.transcribe,
                READ_IMAGES: self.read_images,
            },
        )
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

    async def measure(self, request: MeasureRequest) -> SoundMeasures | Problem:
        async def work() -> SoundMeasures:
            return await (await self._worker.started()).transcriber.measure(request)

        return await as_response(work(), request)

    async def transcribe(
        self, request: TranscribeRequest
    ) -> AsyncGenerator[TranscriptPart | Problem, None]:
        async def work() -> AsyncGenerator[TranscriptPart, None]:
            transcriber = (await self._worker.started()).transcriber
            async with contextlib.aclosing(transcriber.transcribe(request)) as parts:
                async for part in parts:
                    yield part

        async with contextlib.aclosing(as_response_stream(work(), request)) as parts:
            async for part in parts:
                yield part

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
        return self._worker.read_metrics()

    async def make_worker(self) -> "MediaWorker":
        """In a thread: on a busy machine the imports take longer than health checks wait."""
        await asyncio.to_thread(import_module, "deployments.media.worker")
        from deployments.media.worker import MediaWorker

        recognizer = self.make_recognizer()
        worker = MediaWorker(self._settings, self._config, recognizer, SystemClock())
        await worker.start()
        return worker

    def make_recognizer(self) -> "SpeechRecognizer":
        """Its child starts with the first recording."""
        from deployments.speech.engine import SpeechEngine

        self._engine = SpeechEngine(self._config.speech, self._settings.home)
        return self._engine

    async def close(self) -> None:
        await super().close()
        if self._engine is not None:
            await self._engine.close()


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

    def read_metrics(self) -> Iterable[Reading]:
        """Nothing before it has started."""
        starting = self._starting
        if not starting.done() or starting.cancelled() or starting.exception() is not None:
            return ()
        return starting.result().read_metrics()

    async def close(self) -> None:
        self._starting.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await (await self._starting).close()

    async def _start(self) -> "MediaWorker":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_DELAY_S):
                await self._wanted.wait()
        return await self._replica.make_worker()
