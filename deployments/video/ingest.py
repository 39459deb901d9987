"""Ingest: bytes are stored, probed in a sandboxed child, checked against the plan, and admitted.

    store (expires soon) -> inspect (probe, limits) -> admit (row and expiry, one transaction)

Flows in: bytes, from a form, an upload or a URL. Flows out: a ready Video, or a problem. After a
problem the stored bytes are deleted: at once, or by their expiry if this process was killed.
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
from deployments.sandbox import private_folder
from deployments.video.catalog import Video, VideoCatalog, problem_to_row, source_of
from deployments.video.executor import in_thread
from deployments.video.probe.media_info_json import to_json
from deployments.video.transcript import Kind, ReadsTranscripts, read_transcript
from deployments.video.uploads.repository import UploadStore
from deployments.video.uploads.upload import UploadLock, video_id_of

STAGED_S = 6 * 3600.0  # the expiry of a source that is not admitted yet
MAX_PROBES = 4  # at once in one process
MAX_READS = 4  # transcripts, likewise
DAY_S = 86_400.0
OCTETS = "application/octet-stream"  # the client's content type is not trusted


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


async def _no_write(_: AsyncConnection) -> None:
    """The default of `also`."""


class VideoIngest:
    """Private folders are made in `scratch`; on the file system of the store, probing a recording
    copies nothing.
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
        parse: ReadsTranscripts = read_transcript,
    ) -> None:
        self.limits = limits or MediaLimits()
        self._database = database
        self._files = files
        self._videos = videos
        self._uploads = uploads
        self._probe = probe
        self._parse = parse
        self._plan_of = plan_of
        self._clock = clock
        self._scratch = scratch
        self._probes = asyncio.Semaphore(MAX_PROBES)
        self._reads = asyncio.Semaphore(MAX_READS)

    def limits_of(self, tenant: str) -> MediaLimits:
        """The limits of the installation, or the stricter ones of the plan."""
        max_duration_s = float(self._plan_of(tenant).media.max_video_s)
        return replace(self.limits, max_duration_s=min(self.limits.max_duration_s, max_duration_s))

    async def check_storage(self, tenant: str, length: int) -> None:
        """Raises StorageFull if `length` more bytes exceed the plan's storage."""
        limit = self._plan_of(tenant).media.storage_bytes
        if limit is None:
            return
        used = await self._files.used(tenant)
        if used + length > limit:
            raise StorageFull(limit, used, length)

    def draft(self, tenant: str, key: str, name: str, id_: str) -> Video:
        """A video without its source; writes nothing."""
        now = self._clock.wall()
        expires = now + self._plan_of(tenant).media.source_days * DAY_S
        return Video(id_, tenant, key, name, "ready", source_of(id_), 0, "", {}, None, now, expires)

    async def store(
        self, tenant: str, id_: str, chunks: AsyncIterator[bytes], length: int | None = None
    ) -> StoredObject:
        """Stores a source, which expires unless it is admitted.

        Raises as TenantFiles.put and the chunks do, and VideoAlreadyExists.
        """
        staged = await self._files.stage(
            tenant, source_of(id_), chunks, OCTETS, self._clock.wall() + STAGED_S,
            largest=self.limits.max_bytes, length=length,
        )  # fmt: skip
        async with self._database.begin() as connection:
            await self._videos.check_not_ready(connection, tenant, id_)
            return await self._files.commit(staged, connection)

    async def inspect(self, video: Video) -> Video:
        """The video with the media info of its stored source.

        Raises the problems of deployments/sandbox/errors.py: not a recording, over a limit,
        damaged; and as TenantFiles.fetch does.
        """
        async with self._probes:
            with private_folder(self._scratch) as folder:
                file = folder / "source"
                stored = await self._files.fetch(video.tenant, video.path, file)
                info = await self._run_probe(file, folder, self.limits_of(video.tenant))
        media = {**video.media, "info": to_json(info)}
        return replace(video, bytes=stored.bytes, sha256=stored.sha256, media=media)

    async def admit(self, video: Video, also: WriteInTransaction = _no_write) -> Video:
        """Inspects it and marks it ready; `also` writes in the same transaction."""
        return await self.make_ready(await self.inspect(video), also)

    async def make_ready(self, inspected: Video, also: WriteInTransaction = _no_write) -> Video:
        """Marks an inspected video ready; `also` writes in the same transaction."""
        async with self._database.begin() as connection:
            await also(connection)
            return await self._videos.mark_ready(connection, inspected)

    async def read_transcript(
        self, data: bytes, kind: Kind, duration: Seconds | None = None
    ) -> Transcript:
        """Parses a transcript in a child; `duration` is the recording's, if it is known.

        Raises TranscriptRefused and SandboxFailed.
        """
        async with self._reads:
            with private_folder(self._scratch) as folder:
                parse = partial(self._parse, duration=duration)
                return await in_thread(parse, data, kind, folder)

    async def finish(self, lock: UploadLock) -> Video:
        """Turns a complete upload into a video; a final refusal is stored with the upload."""
        upload, id_ = lock.upload, video_id_of(lock.upload.id)
        video = self.draft(upload.tenant, upload.key, upload.name, id_)
        try:
            chunks = self._uploads.read(upload)
            await self.store(upload.tenant, id_, chunks, upload.length)
            return await self.admit(video, partial(self._uploads.complete, lock=lock, video=id_))
        except Problem as problem:
            if is_final(problem):
                await self._uploads.refuse(lock, problem_to_row(problem))
                await self._videos.discard(upload.tenant, id_)
            raise

    async def _run_probe(self, file: Path, folder: Path, limits: MediaLimits) -> MediaInfo:
        return await in_thread(self._probe, file, folder, limits)
