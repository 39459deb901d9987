"""The Serve replica that opens recordings, pictures and documents of callers.

In: requests that name files of tenants, or have pictures, by link or handle. Out: what is in them,
how it sounds, what is said; pictures as pixels; documents as blocks of text. Long recordings are
jobs, which a replica takes from the queue by itself. A plain class: graphs/ makes the deployment of
it.
"""

import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from cluster.metrics.series import Reading
from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import Problem
from cluster.runtime.version import VERSION
from deployments.clients.link.methods import (
    EXAMINE,
    MEASURE,
    READ_DOCUMENT,
    READ_IMAGES,
    TRANSCRIBE,
)
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
from deployments.contracts.documents import DocumentPart, ReadDocumentRequest
from deployments.contracts.generation import ModelCard
from deployments.contracts.images import ReadImages, ReadImagesRequest
from deployments.media.config import MediaConfig
from deployments.media.late_worker import LateMediaWorker
from deployments.model.errors import AnswerLog, as_response, as_response_stream
from deployments.model.replica import LinkedReplica

LOG = AnswerLog(
    logging.getLogger("mobula.media"),
    "a recording, picture or document could not be read",
    "a recording, picture or document was refused",
)


class MediaReplica(LinkedReplica):
    """It is ready at once; its worker starts with the first call, or a moment later: on a machine
    with few cores the cluster is ready sooner."""

    async def __init__(self, config: MediaConfig) -> None:  # type: ignore[misc]
        settings = self._begin(MEDIA)
        check_store_to_start(settings)
        self._created = int(SystemClock().wall())
        self._model = self._worker = LateMediaWorker(settings, config)
        self._serve(
            MEDIA,
            {
                EXAMINE: self.examine,
                MEASURE: self.measure,
                TRANSCRIBE: self.transcribe,
                READ_IMAGES: self.read_images,
                READ_DOCUMENT: self.read_document,
            },
        )

    async def examine(self, request: ExamineRequest) -> ExaminedFile | Problem:
        """Returns problems: of what is raised, Serve logs the whole traceback."""

        async def work() -> ExaminedFile:
            return await (await self._worker.started()).recordings.examine(request)

        return await as_response(work(), request, LOG)

    async def read_images(self, request: ReadImagesRequest) -> ReadImages | Problem:
        async def work() -> ReadImages:
            return await (await self._worker.started()).images.read_images(request)

        return await as_response(work(), request, LOG)

    async def read_document(
        self, request: ReadDocumentRequest
    ) -> AsyncGenerator[DocumentPart | Problem, None]:
        async def work() -> AsyncGenerator[DocumentPart, None]:
            reader = (await self._worker.started()).documents
            async with aclosing(reader.read_document(request)) as parts:
                async for part in parts:
                    yield part

        async with aclosing(as_response_stream(work(), request, LOG)) as parts:
            async for part in parts:
                yield part

    async def measure(self, request: MeasureRequest) -> SoundMeasures | Problem:
        async def work() -> SoundMeasures:
            return await (await self._worker.started()).transcriber.measure(request)

        return await as_response(work(), request, LOG)

    async def transcribe(
        self, request: TranscribeRequest
    ) -> AsyncGenerator[TranscriptPart | Problem, None]:
        async def work() -> AsyncGenerator[TranscriptPart, None]:
            transcriber = (await self._worker.started()).transcriber
            async with aclosing(transcriber.transcribe(request)) as parts:
                async for part in parts:
                    yield part

        async with aclosing(as_response_stream(work(), request, LOG)) as parts:
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
