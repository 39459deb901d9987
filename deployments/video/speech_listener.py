"""The speech of a job's recording, recognised in the background while the job works on.

Flows in: a clip job's context. Flows out: the words heard so far, and in the end all of them. Every
window of speech is a checkpoint of the job, so a killed worker repeats one window at most. What was
heard to the end is kept with the tenant's files for a week: a second job over the same recording
hears nothing again, and is not charged for it.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import msgspec

from cluster.blobs.files import TenantFiles
from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound, Problem
from deployments.contracts.clips import ClipOptions
from deployments.contracts.media import MediaInfo, Seconds, Transcript
from deployments.contracts.speech import (
    DetectedLanguage,
    SpeechOptions,
    SpeechProgress,
    SpeechRecognizer,
    SpeechSegment,
)
from deployments.video.clip_context import ClipContext
from deployments.video.probe.tracks import sound_of
from deployments.video.transcript.spoken import (
    NOTHING_SAID,
    segments_from_json,
    segments_to_json,
    spoken_transcript,
)

DAY_S = 86_400.0
CACHE_DAYS = 7.0
MAX_CACHED = 64 << 20
VERSION = 1
CHECKPOINT = "speech-"

log = logging.getLogger("mobula.clipper")


def heard_range(info: MediaInfo, options: ClipOptions) -> tuple[Seconds, Seconds]:
    """The part of the recording that clips may be of."""
    end = info.duration if options.end is None else min(options.end, info.duration)
    return max(0.0, options.start), end


def stored_speech(sha256: str, info: MediaInfo, options: ClipOptions, model: str) -> str:
    """The path of what was heard, in the tenant's files."""
    track = sound_of(info)
    start, end = heard_range(info, options)
    heard = (model, None if track is None else track.index, options.language, start, end, VERSION)
    return f"speech/{sha256}-{hashlib.sha256(repr(heard).encode()).hexdigest()[:16]}.json"


class SpeechListener:
    """`until` is the second before which everything was heard. `heard_s` are the seconds that this
    job heard, in all its attempts; 0 if they were known before."""

    def __init__(
        self,
        recognizer: SpeechRecognizer,
        model: str,
        files: TenantFiles,
        clock: Clock,
        context: ClipContext,
    ) -> None:
        self._recognizer = recognizer
        self._files = files
        self._clock = clock
        self._context = context
        options, info = context.spec.options, context.source.info
        self._path = stored_speech(context.source.sha256, info, options, model)
        self.start, self.end = heard_range(info, options)
        self.until = self.start
        self.heard_s = 0.0
        self._language = options.language
        self._segments: list[SpeechSegment] = []
        self._windows = 0
        self._why = NOTHING_SAID
        self._changed = asyncio.Condition()
        self._is_done = False
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Takes up what is known, and hears the rest in a task of its own."""
        if not await self._load():
            self._task = create_detached_task(self._listen(), name="speech of a job")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def wait_until(
        self, second: Seconds, on_progress: Callable[[float], Awaitable[None]] | None = None
    ) -> None:
        """Until everything before `second` was heard, or there is nothing more to hear.
        `on_progress` gets the share of the whole that was heard."""
        async with self._changed:
            while not self._is_done and self.until < second:
                if on_progress is not None:
                    await on_progress(self._share())
                await self._changed.wait()

    def so_far(self) -> Transcript:
        """The words before `until`."""
        return spoken_transcript(self._segments, self._language, self._why)

    async def transcript(
        self, on_progress: Callable[[float], Awaitable[None]] | None = None
    ) -> Transcript:
        """All words. If the recording could not be heard to its end, it has those before, and
        without any the reason. Raises LeaseLost."""
        await self.wait_until(float("inf"), on_progress)
        if self._task is not None:
            await self._task
        return await asyncio.to_thread(self.so_far)

    def _share(self) -> float:
        return (self.until - self.start) / max(self.end - self.start, 0.1)

    async def _listen(self) -> None:
        try:
            await self._hear()
        except Problem as problem:
            log.warning("speech of %s: %s", self._context.job_id, problem.detail)
            self._why = problem.detail
        finally:
            async with self._changed:
                self._is_done = True
                self._changed.notify_all()

    async def _hear(self) -> None:
        source, track = self._context.source, sound_of(self._context.source.info)
        if track is None or self.until >= self.end:
            return
        options = SpeechOptions(language=self._language, start=self.until, end=self.end)
        window: list[SpeechSegment] = []
        speech = self._recognizer.transcribe(
            source.path, track.index, options, source.info.duration
        )
        async with aclosing(speech):
            async for result in speech:
                match result:
                    case DetectedLanguage():
                        self._language = result.language
                    case SpeechSegment():
                        window.append(result)
                    case SpeechProgress():
                        await self._take(window, result.done_s)
                        window = []
        await self._store()

    async def _take(self, window: list[SpeechSegment], until: Seconds) -> None:
        checkpoint = {
            "until": until,
            "language": self._language,
            "segments": segments_to_json(window),
        }
        await self._context.job.checkpoint(f"{CHECKPOINT}{self._windows}", checkpoint)
        self._windows += 1
        self.heard_s = until - self.start
        async with self._changed:
            self._segments += window
            self.until = until
            self._changed.notify_all()

    async def _load(self) -> bool:
        """Whether everything is known. The windows of earlier attempts come first."""
        checkpoints = self._context.job.checkpoints
        while (window := checkpoints.get(f"{CHECKPOINT}{self._windows}")) is not None:
            self._add(window)
            self._windows += 1
        if self._windows:
            self.heard_s = self.until - self.start
        elif (stored := await self._stored()) is not None:
            self._add(stored)
        self._is_done = self.until >= self.end
        return self._is_done

    def _add(self, window: Mapping[str, Any]) -> None:
        self._segments += segments_from_json(window["segments"])
        self._language, self.until = window["language"], window["until"]

    async def _stored(self) -> dict[str, Any] | None:
        try:
            blocks = await self._files.open(self._context.tenant, self._path)
            data = msgspec.json.decode(b"".join([block async for block in blocks]))
            segments_from_json(data["segments"])
        except (Problem, ValueError, KeyError, TypeError):
            return None
        return dict(data)

    async def _store(self) -> None:
        """For a later job; without it that one listens itself."""
        whole = {
            "until": self.end,
            "language": self._language,
            "segments": segments_to_json(self._segments),
        }
        data = msgspec.json.encode(whole)
        expires = self._clock.wall() + CACHE_DAYS * DAY_S
        try:
            await self._files.put(
                self._context.tenant, self._path, data, "application/json", expires
            )
        except Problem as problem:
            log.warning("speech of %s is not kept: %s", self._context.job_id, problem.detail)


async def is_stored(files: TenantFiles, tenant: str, path: str) -> bool:
    try:
        await files.stat(tenant, path)
    except NotFound:
        return False
    return True


@asynccontextmanager
async def listening(listener: SpeechListener) -> AsyncIterator[SpeechListener]:
    """Begins, and ends the listening with the block."""
    await listener.begin()
    try:
        yield listener
    finally:
        await listener.close()
