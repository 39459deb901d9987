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
from cluster.clock import Clock
from cluster.problems import NotFound, Problem
from deployments.clipper.analysis import (
    ANALYSIS_VERSION,
    Chunk,
    ChunkFeatures,
    Heard,
    analyse_chunk,
    chunks,
    hear,
    load,
    merge,
    save,
    whole,
)
from deployments.clipper.crew import Crew, together
from deployments.clipper.failures import MediaDamaged, MediaTooLarge
from deployments.clipper.sandbox import Cancel, python_child
from deployments.clipper.tracks import sound_of
from deployments.contracts.media import Features, Seconds, Sight, Source, Transcript

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


def depth_for(transcript: Transcript, duration: Seconds) -> Depth:
    """How closely a recording has to be looked at before it can be ranked."""
    spoken = sum(word.end - word.start for word in transcript.words)
    return "fast" if duration > 0 and spoken >= SPOKEN * duration else "exact"


class Seeing:
    """`side_by_side` is how many pieces of one job are done at once."""

    def __init__(self, files: TenantFiles, crew: Crew, clock: Clock, side_by_side: int) -> None:
        self._files = files
        self._crew = crew
        self._clock = clock
        self._side_by_side = side_by_side

    async def features(
        self, tenant: str, source: Source, folder: Path, depth: Depth, told: Told
    ) -> Features:
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
            await self._files.move_in(tenant, kept, file, _NPZ, expires)
        await told(1.0)
        return known

    async def stretch(
        self, source: Source, folder: Path, start: Seconds, end: Seconds
    ) -> Sight | None:
        """Every frame from `start` to `end`; None for a recording without pictures, or where these
        cannot be looked at: a clip can do without."""
        if source.info.video is None:
            return None
        first, last = max(0.0, start - MARGIN_S), end + MARGIN_S
        try:
            chunk = await self._crew.do(folder, chunk_of, source, folder, first, last)
            seen = await self._crew.do(folder, analyse_chunk, source, chunk, folder)
            return merge(source.info, [seen], None).sight
        except UNREADABLE as problem:
            log.warning("%.1f to %.1f s could not be looked at: %s", start, end, problem.detail)
            return None

    async def _known(self, tenant: str, kept: str, file: Path) -> Features | None:
        try:
            await self._files.fetch(tenant, kept, file)
            return await asyncio.to_thread(load, file)
        except (NotFound, Problem, ValueError):
            return None
        finally:
            await asyncio.to_thread(file.unlink, missing_ok=True)

    async def _analysed(self, source: Source, folder: Path, depth: Depth, told: Told) -> Features:
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
            looks = (_tried(crew.do(folder, analyse_chunk, source, p, folder)) for p in parts)
            return await together(*(seated(look) for look in looks))

        async def heard() -> list[Found]:
            return [await seated(_tried(crew.do(folder, hear, source, folder)))]

        sounds, seen = await together(heard(), looked())
        pictures = [found for found in seen if isinstance(found, ChunkFeatures)]
        sound = sounds[0] if isinstance(sounds[0], Heard) else None
        return await asyncio.to_thread(merge, source.info, pictures, sound)

    async def _chunks(self, source: Source, folder: Path, depth: Depth) -> tuple[Chunk, ...]:
        if source.info.video is None:
            return ()
        if depth == "fast":
            return (whole("fast"),)
        try:
            return await self._crew.do(folder, chunks, source, folder, self._side_by_side)
        except UNREADABLE:
            return (whole(),)  # where it can be split is not known


async def _tried(look: Coroutine[Any, Any, Found]) -> Found:
    """What is found, None where the recording does not let it: merging says what then is missing,
    and refuses a recording of which nothing is left."""
    try:
        return await look
    except UNREADABLE as problem:
        log.warning("a part of a recording could not be analysed: %s", problem.detail)
        return None


def chunk_of(
    source: Source, folder: Path, start: Seconds, end: Seconds, cancel: Cancel | None = None
) -> Chunk:
    """The stretch from the keyframe at or before `start` to `end`. A piece."""
    video = source.info.video
    if video is None:
        raise ValueError("a recording without pictures has no chunks")
    request = {"name": source.path.name, "stream": video.index, "start": start, "end": end}
    said = python_child(
        "deployments.clipper.analysis.stretching",
        request,
        folder,
        cancel=cancel,
        readable=(source.path.resolve(),),
    )
    begin, last = said.get("begin"), said.get("end")
    share = min(1.0, (end - start + 10.0) / max(source.info.duration, 1.0))
    return Chunk(
        0,
        begin if type(begin) is int else None,
        last if type(last) is int else None,
        share,
        threads=0,
    )
