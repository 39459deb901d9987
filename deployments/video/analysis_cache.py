"""What is seen and heard in a recording: from the tenant's files where it was analysed before, else
from its pieces.

Flows in: a source in a private folder. Flows out: Features. A talk with a transcript is ranked by
what is said and heard and by its keyframes; every frame is then decoded only where a clip is made.
All else is decoded whole, in chunks side by side. Features are kept under the recording's hash.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

from cluster.blobs.files import TenantFiles
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound, Problem
from deployments.contracts.media import (
    MediaFeatures,
    MediaSource,
    Seconds,
    Transcript,
    VideoFeatures,
)
from deployments.video.analysis import (
    ANALYSIS_VERSION,
    AnalysisChunk,
    ChunkFeatures,
    Heard,
    analyse_chunk,
    analyze_audio_task,
    chunks,
    load,
    merge,
    save,
    single_chunk,
)
from deployments.video.errors import MediaDamaged, MediaTooLarge
from deployments.video.executor import TaskExecutor, gather_or_cancel
from deployments.video.probe.tracks import sound_of
from deployments.video.sandbox import Cancel, python_child

DAY_S = 86_400.0
KEPT_DAYS = 7.0
SPOKEN = 0.3  # the share of a recording that words must fill for its pictures to matter less
MARGIN_S = 0.5  # seen before and after a clip, so that its first frames have a past
UNREADABLE = (MediaDamaged, MediaTooLarge)  # what a child says of a recording, not of itself
_NPZ = "application/x-npz"

log = logging.getLogger("mobula.clipper")

Depth = Literal["exact", "fast"]
Found = ChunkFeatures | Heard | None
Told = Callable[[float], Awaitable[None]]


def analysis_mode(transcript: Transcript, duration: Seconds) -> Depth:
    """How closely a recording has to be looked at before it can be ranked."""
    spoken = sum(word.end - word.start for word in transcript.words)
    return "fast" if duration > 0 and spoken >= SPOKEN * duration else "exact"


class VideoAnalyzer:
    """`side_by_side` is how many pieces of one job are done at once."""

    def __init__(
        self, files: TenantFiles, crew: TaskExecutor, clock: Clock, side_by_side: int
    ) -> None:
        self._files = files
        self._crew = crew
        self._clock = clock
        self._side_by_side = side_by_side

    async def features(
        self, tenant: str, source: MediaSource, folder: Path, depth: Depth, told: Told
    ) -> MediaFeatures:
        """Of the whole recording. `told` gets shares of the work done, 0 to 1."""
        track = sound_of(source.info)
        heard = "" if track is None else f"-a{track.index}"
        kept = f"features/{source.sha256}-{depth}{heard}-{ANALYSIS_VERSION}.npz"
        file = folder / f"features-{secrets.token_hex(4)}.npz"
        known = await self._known(tenant, kept, file)
        if known is None:
            known = await self._analysed(source, folder, depth, told)
            await asyncio.to_thread(save, known, file)
            expires = self._clock.wall() + KEPT_DAYS * DAY_S
            await self._files.put_file(tenant, kept, file, _NPZ, expires)
        await told(1.0)
        return known

    async def analyze_span(
        self, source: MediaSource, folder: Path, start: Seconds, end: Seconds
    ) -> VideoFeatures | None:
        """Every frame from `start` to `end`; None for a recording without pictures, or where these
        cannot be looked at: a clip can do without."""
        if source.info.video is None:
            return None
        first, last = max(0.0, start - MARGIN_S), end + MARGIN_S
        try:
            chunk = await self._crew.run(folder, chunk_of, source, folder, first, last)
            seen = await self._crew.run(folder, analyse_chunk, source, chunk, folder)
            return merge(source.info, [seen], None).sight
        except UNREADABLE as problem:
            log.warning("%.1f to %.1f s could not be looked at: %s", start, end, problem.detail)
            return None

    async def _known(self, tenant: str, kept: str, file: Path) -> MediaFeatures | None:
        try:
            await self._files.fetch(tenant, kept, file)
            return await asyncio.to_thread(load, file)
        except (NotFound, Problem, ValueError):
            return None
        finally:
            await asyncio.to_thread(file.unlink, missing_ok=True)

    async def _analysed(
        self, source: MediaSource, folder: Path, depth: Depth, told: Told
    ) -> MediaFeatures:
        """Listening begins while it is found out where the pictures can be split."""
        seats, done, pieces = asyncio.Semaphore(self._side_by_side), 0, 2
        crew = self._crew

        async def seated(work: Coroutine[Any, Any, Found]) -> Found:
            nonlocal done
            async with seats:
                found = await work
            done += 1
            await told(done / (pieces + 1))
            return found

        async def looked() -> list[Found]:
            nonlocal pieces
            parts = await self._chunks(source, folder, depth)
            pieces = len(parts) + 1
            looks = (_tried(crew.run(folder, analyse_chunk, source, p, folder)) for p in parts)
            return await gather_or_cancel(*(seated(look) for look in looks))

        async def heard() -> list[Found]:
            return [await seated(_tried(crew.run(folder, analyze_audio_task, source, folder)))]

        sounds, seen = await gather_or_cancel(heard(), looked())
        pictures = [found for found in seen if isinstance(found, ChunkFeatures)]
        sound = sounds[0] if isinstance(sounds[0], Heard) else None
        return await asyncio.to_thread(merge, source.info, pictures, sound)

    async def _chunks(
        self, source: MediaSource, folder: Path, depth: Depth
    ) -> tuple[AnalysisChunk, ...]:
        if source.info.video is None:
            return ()
        if depth == "fast":
            return (single_chunk("fast"),)
        try:
            return await self._crew.run(folder, chunks, source, folder, self._side_by_side)
        except UNREADABLE:
            return (single_chunk(),)  # where it can be split is not known


async def _tried(look: Coroutine[Any, Any, Found]) -> Found:
    """What is found, None where the recording does not let it: merging says what then is missing,
    and refuses a recording of which nothing is left."""
    try:
        return await look
    except UNREADABLE as problem:
        log.warning("a part of a recording could not be analysed: %s", problem.detail)
        return None


def chunk_of(
    source: MediaSource, folder: Path, start: Seconds, end: Seconds, cancel: Cancel | None = None
) -> AnalysisChunk:
    """The stretch from the keyframe at or before `start` to `end`. A piece."""
    video = source.info.video
    if video is None:
        raise ValueError("a recording without pictures has no chunks")
    request = {"name": source.path.name, "stream": video.index, "start": start, "end": end}
    said = python_child(
        "deployments.video.analysis.seek_points_worker",
        request,
        folder,
        cancel=cancel,
        readable=(source.path.resolve(),),
    )
    begin, last = said.get("begin"), said.get("end")
    share = min(1.0, (end - start + 10.0) / max(source.info.duration, 1.0))
    return AnalysisChunk(
        0,
        begin if type(begin) is int else None,
        last if type(last) is int else None,
        share,
        threads=0,
    )
