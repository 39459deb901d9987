"""What a Media replica answers, by link or handle.

In: requests that name files of tenants, or have pictures. Out: what is in them, as values or parts;
problems are returned.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cluster.runtime.problems import Problem
from deployments.contracts.audio import (
    ExaminedFile,
    ExamineRequest,
    MeasureRequest,
    SoundMeasures,
    TranscribeRequest,
    TranscriptPart,
)
from deployments.contracts.documents import DocumentPart, ReadDocumentRequest
from deployments.contracts.images import ReadImages, ReadImagesRequest
from deployments.media.late_worker import LateMediaWorker
from deployments.model.errors import AnswerLog, as_response, as_response_stream

LOG = AnswerLog(
    logging.getLogger("mobula.media"),
    "a recording, picture or document could not be read",
    "a recording, picture or document was refused",
)


class MediaCalls:
    """A base of the replica, which sets `_worker`."""

    _worker: LateMediaWorker

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
