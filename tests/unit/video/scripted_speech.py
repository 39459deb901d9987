"""A recogniser that says what a test wrote, and a job that keeps checkpoints in memory."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import NotFound, Problem
from deployments.contracts.clips import ClipOptions
from deployments.contracts.jobs import JobContext
from deployments.contracts.media import MediaInfo, MediaSource, Seconds
from deployments.contracts.speech import (
    DetectedLanguage,
    SpeechOptions,
    SpeechProgress,
    SpeechSegment,
    SpeechWord,
)
from deployments.video.clip_context import ClipContext
from deployments.video.job_spec import ClipJobSpec
from deployments.video.speech_listener import SpeechListener
from tests.media_fixtures.infos import picture

WINDOW_S = 30.0


def segment(start: float, text: str, each: float = 0.4) -> SpeechSegment:
    words = tuple(
        SpeechWord(f" {word}", start + n * each, start + (n + 0.9) * each, 0.9)
        for n, word in enumerate(text.split())
    )
    return SpeechSegment(start, words[-1].end, f" {text}", words)


class ScriptedRecognizer:
    """Says `segments` window by window; waits before each one for a `go`, if `paced`. Fails with
    `failure` once `fails_at` was heard."""

    def __init__(
        self,
        segments: Sequence[SpeechSegment],
        *,
        paced: bool = False,
        failure: Problem | None = None,
        fails_at: float = 0.0,
    ) -> None:
        self._segments = segments
        self._failure, self._fails_at = failure, fails_at
        self.paced = asyncio.Semaphore(0) if paced else None
        self.heard: list[SpeechOptions] = []

    async def transcribe(
        self, source: Path, stream: int | None, options: SpeechOptions, duration_s: Seconds
    ) -> AsyncGenerator[DetectedLanguage | SpeechSegment | SpeechProgress, None]:
        self.heard.append(options)
        at, end = options.start, options.end or duration_s
        yield DetectedLanguage(options.language or "en", 0.9)
        while at < end:
            if self.paced is not None:
                await self.paced.acquire()
            if self._failure is not None and at >= self._fails_at:
                raise self._failure
            until = min(at + WINDOW_S, end)
            for each in self._segments:
                if at <= each.start < until:
                    yield each
            at = until
            yield SpeechProgress(at, end)


class JobInMemory:
    """The part of a JobContext that listeners use."""

    def __init__(self, checkpoints: Mapping[str, Any] | None = None) -> None:
        self.checkpoints = dict(checkpoints or {})
        self.job = SimpleNamespace(tenant="acme", id="job_1", key="k")

    async def checkpoint(self, name: str, data: Any) -> None:
        self.checkpoints[name] = data


class FilesInMemory:
    """The part of TenantFiles that listeners use."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    async def open(self, tenant: str, path: str) -> Any:
        if path not in self.stored:
            raise NotFound("It is not there.")

        async def blocks() -> AsyncGenerator[bytes, None]:
            yield self.stored[path]

        return blocks()

    async def put(self, tenant: str, path: str, data: bytes, *_: object) -> None:
        self.stored[path] = data


def context_of(
    job: JobInMemory | None = None, info: MediaInfo | None = None, **options: Any
) -> ClipContext:
    info = info or picture(600.0)
    spec = ClipJobSpec(
        "vid_1", "talk", "videos/vid_1/source", "ab", info, ClipOptions(**options), 600, 7.0
    )
    source = MediaSource(Path("nowhere"), info, "ab")
    return ClipContext(cast(JobContext, job or JobInMemory()), spec, source, Path("nowhere"))


def listener_of(
    recognizer: ScriptedRecognizer,
    context: ClipContext,
    files: FilesInMemory | None = None,
) -> SpeechListener:
    stored = cast(TenantFiles, files or FilesInMemory())
    return SpeechListener(recognizer, "base", stored, ManualClock(), context)
