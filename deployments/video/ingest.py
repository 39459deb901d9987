"""How bytes become a video: stored, probed in a sandboxed child, held against the plan, admitted.

    store (expires soon) -> inspect (probe, limits) -> admit (row and source stay, one transaction)

Flows in: bytes, from a form, an upload or a URL. Flows out: a ready Video, or the problem why not;
then nothing stays: what was stored goes at once, or after some hours when this process was killed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.errors import StorageFull
from cluster.blobs.files import StoredObject, TenantFiles
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database
from cluster.tenants.plan import Plan
from deployments.contracts.jobs import WriteInTransaction
from deployments.contracts.media import MediaInfo, MediaLimits, Seconds, Transcript
from deployments.jobs.retries import is_final
from deployments.video.catalog import Video, VideoCatalog, problem_to_row, source_of
from deployments.video.executor import in_thread
from deployments.video.probe.media_info_json import to_json
from deployments.video.sandbox import private_folder
from deployments.video.transcript import Kind, ReadsTranscripts, read_transcript
from deployments.video.uploads.repository import UploadStore
from deployments.video.uploads.upload import UploadLock, video_id_of

UNCHECKED_S = 6 * 3600.0  # in which a source comes in and is admitted
PROBES = 4  # at once in one process
READS = 4  # transcripts, likewise
DAY_S = 86_400.0
OCTETS = "application/octet-stream"  # what a client says it is proves nothing


class Probe(Protocol):
    """deployments/video/probe/probe.py."""

    def __call__(
        self,
        path: Path,
        folder: Path,
        limits: MediaLimits,
        *,
        cancel: Callable[[], bool] | None = None,
    ) -> MediaInfo: ...


async def _nothing(_: AsyncConnection) -> None:
    """For an admission that nothing else goes with."""


class VideoIngest:
    """`scratch` is the folder of private folders; where it shares a file system with the store,
    looking at a recording copies nothing.
    """

    def __init__(
        self,
        database: Database,
        files: TenantFiles,
        videos: VideoCatalog,
        uploads: UploadStore,
        probe: Probe,
        plan_of: Callable[[str], Plan],
        clock: Clock,
        scratch: Path,
        limits: MediaLimits | None = None,
        read: ReadsTranscripts = read_transcript,
    ) -> None:
        self.limits = limits or MediaLimits()
        self._database = database
        self._files = files
        self._videos = videos
        self._uploads = uploads
        self._probe = probe
        self._read = read
        self._plan_of = plan_of
        self._clock = clock
        self._scratch = scratch
        self._probes = asyncio.Semaphore(PROBES)
        self._reads = asyncio.Semaphore(READS)

    def limits_of(self, tenant: str) -> MediaLimits:
        """Ours, or the plan's where it is stricter."""
        longest = float(self._plan_of(tenant).media.max_video_s)
        return replace(self.limits, max_duration_s=min(self.limits.max_duration_s, longest))

    async def check_room(self, tenant: str, length: int) -> None:
        """Whether so many bytes fit beside what is stored. Raises StorageFull."""
        limit = self._plan_of(tenant).media.storage_bytes
        if limit is None:
            return
        used = await self._files.used(tenant)
        if used + length > limit:
            raise StorageFull(limit, used, length)

    def draft(self, tenant: str, key: str, name: str, id_: str) -> Video:
        """A video without its file; nothing is written."""
        now = self._clock.wall()
        expires = now + self._plan_of(tenant).media.source_days * DAY_S
        return Video(id_, tenant, key, name, "ready", source_of(id_), 0, "", {}, None, now, expires)

    async def store(
        self, tenant: str, id_: str, chunks: AsyncIterator[bytes], length: int | None = None
    ) -> StoredObject:
        """Keep a source until it is admitted.

        Raises as TenantFiles.put and the chunks do, and VideoMade when it comes too late.
        """
        staged = await self._files.stage(
            tenant, source_of(id_), chunks, OCTETS, self._clock.wall() + UNCHECKED_S,
            largest=self.limits.max_bytes, length=length,
        )  # fmt: skip
        async with self._database.begin() as connection:
            await self._videos.check_unmade(connection, tenant, id_)
            return await self._files.commit(staged, connection)

    async def inspect(self, video: Video) -> Video:
        """The video with what its stored source holds.

        Raises the problems of deployments/video/errors.py: not a recording, over a limit,
        damaged; and as TenantFiles.fetch.
        """
        async with self._probes:
            with private_folder(self._scratch) as folder:
                file = folder / "source"
                stored = await self._files.fetch(video.tenant, video.path, file)
                info = await self._look(file, folder, self.limits_of(video.tenant))
        media = {**video.media, "info": to_json(info)}
        return replace(video, bytes=stored.bytes, sha256=stored.sha256, media=media)

    async def admit(self, video: Video, also: WriteInTransaction = _nothing) -> Video:
        """Inspect it and make it ready; `also` writes in the same transaction."""
        return await self.make_ready(await self.inspect(video), also)

    async def make_ready(self, inspected: Video, also: WriteInTransaction = _nothing) -> Video:
        """Keep a video that was inspected; `also` writes in the same transaction."""
        async with self._database.begin() as connection:
            await also(connection)
            return await self._videos.mark_ready(connection, inspected)

    async def read_transcript(
        self, data: bytes, kind: Kind, duration: Seconds | None = None
    ) -> Transcript:
        """What a transcript says, read in a child; `duration` is the recording's, if it is known.

        Raises TranscriptRefused and SandboxFailed.
        """
        async with self._reads:
            with private_folder(self._scratch) as folder:
                read = partial(self._read, duration=duration)
                return await in_thread(read, data, kind, folder)

    async def finish(self, hold: UploadLock) -> Video:
        """The video that a whole upload becomes; a refusal is final, and kept with the upload."""
        upload, id_ = hold.upload, video_id_of(hold.upload.id)
        video = self.draft(upload.tenant, upload.key, upload.name, id_)
        try:
            pieces = self._uploads.read(upload)
            await self.store(upload.tenant, id_, pieces, upload.length)
            return await self.admit(video, partial(self._uploads.done, hold=hold, video=id_))
        except Problem as problem:
            if is_final(problem):
                await self._uploads.refuse(hold, problem_to_row(problem))
                await self._videos.discard(upload.tenant, id_)
            raise

    async def _look(self, file: Path, folder: Path, limits: MediaLimits) -> MediaInfo:
        return await in_thread(self._probe, file, folder, limits)
