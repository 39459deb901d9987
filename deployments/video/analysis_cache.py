"""Features of a recording: from the tenant's files if it was analysed before, else by analysis.

Flows in: a clip job's context. Flows out: MediaFeatures, stored under the recording's hash. Every
frame is decoded, in chunks that run concurrently. A recording with a transcript is ranked by its
words, its sound and its keyframes alone; every frame is then decoded only where a clip is made.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound, Problem
from deployments.contracts.media import MediaFeatures, Seconds, Transcript, VideoFeatures
from deployments.sandbox.errors import MediaDamaged, MediaTooLarge
from deployments.video.analysis import (
    ANALYSIS_VERSION,
    AnalysisChunk,
    AudioAnalysis,
    ChunkFeatures,
    Mode,
    analyse_chunk,
    analyze_audio_task,
    chunk_of_span,
    chunks,
    load,
    merge,
    save,
    single_chunk,
)
from deployments.video.clip_context import ClipContext
from deployments.video.executor import TaskExecutor, gather_or_cancel
from deployments.video.probe.tracks import sound_of

DAY_S = 86_400.0
CACHE_DAYS = 7.0
SPOKEN_SHARE = 0.3  # of the recording that words must fill for keyframes to be enough
MARGIN_S = 0.5  # decoded before and after a clip, so that its first frames have predecessors
UNREADABLE = (MediaDamaged, MediaTooLarge)  # a child's verdict on the recording, not on itself
_NPZ = "application/x-npz"

log = logging.getLogger("mobula.clipper")

Result = ChunkFeatures | AudioAnalysis | None
ProgressCallback = Callable[[float], Awaitable[None]]


def analysis_mode(transcript: Transcript, duration: Seconds) -> Mode:
    """Which frames are decoded before a recording is ranked: all (exact) or keyframes (fast)."""
    spoken = sum(word.end - word.start for word in transcript.words)
    return "fast" if duration > 0 and spoken >= SPOKEN_SHARE * duration else "exact"


class VideoAnalyzer:
    """`concurrency` is how many tasks of one job run at once."""

    def __init__(
        self, files: TenantFiles, executor: TaskExecutor, clock: Clock, concurrency: int
    ) -> None:
        self._files = files
        self._executor = executor
        self._clock = clock
        self._concurrency = concurrency

    async def features(
        self, context: ClipContext, mode: Mode, on_progress: ProgressCallback
    ) -> MediaFeatures:
        """Of the whole recording. `on_progress` gets the share of the work done, 0 to 1."""
        track = sound_of(context.source.info)
        audio = "" if track is None else f"-a{track.index}"
        path = f"features/{context.source.sha256}-{mode}{audio}-{ANALYSIS_VERSION}.npz"
        file = context.folder / f"features-{secrets.token_hex(4)}.npz"
        features = await self._cached(context.tenant, path, file)
        if features is None:
            features = await self._analyze(context, mode, on_progress)
            await asyncio.to_thread(save, features, file)
            expires = self._clock.wall() + CACHE_DAYS * DAY_S
            await self._files.put_file(context.tenant, path, file, _NPZ, expires)
        await on_progress(1.0)
        return features

    async def analyze_span(
        self, context: ClipContext, start: Seconds, end: Seconds
    ) -> VideoFeatures | None:
        """Of every frame from `start` to `end`; None for a recording without pictures, or if these
        cannot be decoded: a clip can be framed without."""
        source, folder = context.source, context.folder
        if source.info.video is None:
            return None
        first, last = max(0.0, start - MARGIN_S), end + MARGIN_S
        run = self._executor.run
        try:
            chunk = await run(folder, chunk_of_span, source, folder, first, last)
            features = await run(folder, analyse_chunk, source, chunk, folder)
            return merge(source.info, [features], None).video
        except UNREADABLE as problem:
            log.warning("%.1f to %.1f s could not be analysed: %s", start, end, problem.detail)
            return None

    async def _cached(self, tenant: str, path: str, file: Path) -> MediaFeatures | None:
        try:
            await self._files.fetch(tenant, path, file)
            return await asyncio.to_thread(load, file)
        except (NotFound, Problem, ValueError):
            return None
        finally:
            await asyncio.to_thread(file.unlink, missing_ok=True)

    async def _analyze(
        self, context: ClipContext, mode: Mode, on_progress: ProgressCallback
    ) -> MediaFeatures:
        """Analyses the sound while the split points of the pictures are searched."""
        source, folder, run = context.source, context.folder, self._executor.run
        slots, done, tasks = asyncio.Semaphore(self._concurrency), 0, 2

        async def run_in_slot(work: Coroutine[Any, Any, Result]) -> Result:
            nonlocal done
            async with slots:
                result = await work
            done += 1
            await on_progress(done / (tasks + 1))
            return result

        async def analyze_pictures() -> list[Result]:
            nonlocal tasks
            parts = await self._chunks(context, mode)
            tasks = len(parts) + 1
            works = (_or_none(run(folder, analyse_chunk, source, p, folder)) for p in parts)
            return await gather_or_cancel(*(run_in_slot(work) for work in works))

        async def analyze_sound() -> list[Result]:
            work = _or_none(run(folder, analyze_audio_task, source, folder))
            return [await run_in_slot(work)]

        [sound], pictures = await gather_or_cancel(analyze_sound(), analyze_pictures())
        video = [result for result in pictures if isinstance(result, ChunkFeatures)]
        audio = sound if isinstance(sound, AudioAnalysis) else None
        return await asyncio.to_thread(merge, source.info, video, audio)

    async def _chunks(self, context: ClipContext, mode: Mode) -> tuple[AnalysisChunk, ...]:
        source, folder = context.source, context.folder
        if source.info.video is None:
            return ()
        if mode == "fast":
            return (single_chunk("fast"),)
        try:
            return await self._executor.run(folder, chunks, source, folder, self._concurrency)
        except UNREADABLE:
            return (single_chunk(),)  # the split points are unknown


async def _or_none(work: Coroutine[Any, Any, Result]) -> Result:
    """The result, or None if that part of the recording is damaged: merging reports what is
    missing, and refuses a recording of which nothing is left."""
    try:
        return await work
    except UNREADABLE as problem:
        log.warning("a part of a recording could not be analysed: %s", problem.detail)
        return None
