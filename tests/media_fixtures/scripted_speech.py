"""A recognizer and measures that say what a script says; nothing is heard."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster.runtime.problems import Problem
from deployments.contracts.audio import (
    ExaminedFile,
    ExamineRequest,
    MeasureRequest,
    SoundMeasures,
    TimeSpan,
    TranscribeRequest,
    TranscriptPart,
)
from deployments.contracts.media import Seconds
from deployments.contracts.speech import (
    DetectedLanguage,
    SpeechOptions,
    SpeechProgress,
    SpeechSegment,
    SpeechWord,
)
from deployments.media.figures import MediaFigures
from deployments.media.recordings import Recordings
from deployments.media.transcription import Transcriber
from deployments.video.probe.media_info_json import from_json

Heard = DetectedLanguage | SpeechSegment | SpeechProgress


def said(start: float, *words: str) -> SpeechSegment:
    """One phrase; each word takes half a second."""
    spoken = tuple(
        SpeechWord(f" {word}", start + number / 2, start + number / 2 + 0.4, 0.9)
        for number, word in enumerate(words)
    )
    text = "".join(word.text for word in spoken)
    return SpeechSegment(start, start + len(words) / 2, text, spoken, 0.01, -0.2, 1.1, 0.0, (1, 2))


@dataclass
class ScriptedRecognizer:
    """A SpeechRecognizer. Each phrase is followed by the progress up to its end. `breaks` are
    raised, one a call, after as many phrases as are paired with them."""

    phrases: Sequence[SpeechSegment] = (said(0.0, "Hello", "there."), said(1.5, "Tea", "time."))
    language: str | None = "en"
    breaks: list[tuple[int, Problem]] = field(default_factory=list)
    asked: list[tuple[SpeechOptions, Seconds]] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def transcribe(
        self, source: Path, stream: int | None, options: SpeechOptions, duration_s: Seconds
    ) -> AsyncGenerator[Heard, None]:
        self.asked.append((options, duration_s))
        left, problem = self.breaks.pop(0) if self.breaks else (-1, None)
        try:
            language = options.language or self.language
            if language is not None:
                yield DetectedLanguage(language, 0.98)
            for phrase in self.phrases:
                if phrase.start < options.start:
                    continue
                if left == 0 and problem is not None:
                    raise problem
                left -= 1
                yield phrase
                yield SpeechProgress(min(phrase.end, duration_s), duration_s)
            if left >= 0 and problem is not None:
                raise problem
            yield SpeechProgress(duration_s, duration_s)
        finally:
            self.closed.set()


class LocalMediaReader:
    """A MediaReader in this process: real files, a probe of the test, a scripted recognizer."""

    def __init__(self, recordings: Recordings, recognizer: ScriptedRecognizer) -> None:
        self.recordings = recordings
        self.figures = MediaFigures()
        self._transcriber = Transcriber(recordings, recognizer, self.figures)

    async def examine(self, request: ExamineRequest) -> ExaminedFile:
        return await self.recordings.examine(request)

    async def measure(self, request: MeasureRequest) -> SoundMeasures:
        duration = from_json(request.info).duration
        return SoundMeasures(duration, -16.5, 4.2, -1.25, (TimeSpan(1.0, 1.75),), 0.8)

    def transcribe(self, request: TranscribeRequest) -> AsyncGenerator[TranscriptPart, None]:
        return self._transcriber.transcribe(request)
