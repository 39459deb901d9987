"""Transcribes files of tenants for callers that wait, and measures their sound.

Flows in: requests that name a file and its examination. Flows out: parts of the transcript as they
are recognised; measures. Knows no Serve.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cluster.runtime.problems import DeadlineExceeded
from deployments.contracts.audio import (
    MEDIA,
    SPEECH,
    MeasureRequest,
    SoundMeasures,
    TranscribeRequest,
    TranscriptPart,
)
from deployments.contracts.speech import (
    DetectedLanguage,
    SpeechProgress,
    SpeechRecognizer,
    SpeechSegment,
)
from deployments.media.figures import MediaFigures
from deployments.media.recordings import Recordings
from deployments.media.sound import measure_sound, track_of
from deployments.video.executor import in_thread
from deployments.video.probe.media_info_json import from_json

MAX_MEASURED = 2  # at once in one process; each keeps a core busy


class Transcriber:
    """On one event loop."""

    def __init__(
        self, recordings: Recordings, recognizer: SpeechRecognizer, figures: MediaFigures
    ) -> None:
        self._recordings = recordings
        self._recognizer = recognizer
        self._figures = figures
        self._measured = asyncio.Semaphore(MAX_MEASURED)

    async def transcribe(self, request: TranscribeRequest) -> AsyncGenerator[TranscriptPart, None]:
        """Raises DeadlineExceeded, and as MediaReader.transcribe says."""
        info = from_json(request.info)
        track = track_of(info)
        tenant = request.caller.tenant
        with self._figures.transcription() as transcription:
            try:
                async with (
                    asyncio.timeout(request.timeout_s),
                    self._recordings.fetched(tenant, request.path) as file,
                    aclosing(
                        self._recognizer.transcribe(
                            file.path, track.index, request.options, info.duration
                        )
                    ) as heard,
                ):
                    async for each in heard:
                        transcription.note(each)
                        yield part_of(each)
            except TimeoutError as error:
                raise DeadlineExceeded(SPEECH, round(request.timeout_s, 3)) from error

    async def measure(self, request: MeasureRequest) -> SoundMeasures:
        """Raises DeadlineExceeded, and as MediaReader.measure says."""
        info = from_json(request.info)
        tenant = request.caller.tenant
        try:
            async with (
                asyncio.timeout(request.timeout_s),
                self._measured,
                self._recordings.fetched(tenant, request.path) as file,
            ):
                return await in_thread(measure_sound, file.path, file.folder, info)
        except TimeoutError as error:
            raise DeadlineExceeded(MEDIA, round(request.timeout_s, 3)) from error


def part_of(heard: DetectedLanguage | SpeechSegment | SpeechProgress) -> TranscriptPart:
    match heard:
        case DetectedLanguage():
            return TranscriptPart(language=heard)
        case SpeechSegment():
            return TranscriptPart(segment=heard)
        case _:
            return TranscriptPart(progress=heard)
