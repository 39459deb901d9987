"""Recordings of requests, for operations and routes: where their files are, and who opens them.

Flows in: uploads, ids of videos and files. Flows out: paths of the tenant's files; orders of jobs.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from cluster.blobs.files import TenantFiles
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, InvalidRequest, NotInstalled
from cluster.storage.database import Database
from cluster.tenants.plan import Plan
from cluster.usage.pseudonyms import Pseudonyms
from deployments.contracts.audio import JOB_LIMITS
from deployments.contracts.media import MediaLimits
from deployments.files.store import FileStore, object_path
from deployments.ingress.pipeline.audio_pipeline import INSTALL, NOT_SERVED, AudioPipeline
from deployments.jobs.store import JobStore
from deployments.media.config import MediaConfig
from deployments.video.catalog import VideoCatalog, VideoNotFound
from deployments.video.services import PlanDirectory

STAGED_S = 3 * 86_400.0  # a file of a request, should nobody delete it
_OCTETS = "application/octet-stream"  # the client's content type is not trusted


@dataclass(frozen=True, slots=True)
class UploadedRecording:
    """A file that came with a request, at `path` of the tenant's files."""

    path: str
    name: str
    sha256: str


@dataclass(frozen=True)
class AudioServices:
    """`videos` None: video is off. `pseudonym_of` gives the pseudonym of a tenant's user."""

    database: Database
    files: TenantFiles
    jobs: JobStore
    pipeline: AudioPipeline
    guard: SsrfGuard
    config: MediaConfig
    plan_of: Callable[[str], Plan]
    clock: Clock
    videos: VideoCatalog | None = None
    pseudonym_of: Callable[[str, str], str] = lambda tenant, user: ""

    def limits_of(self, tenant: str) -> MediaLimits:
        """The limits of a recording: those of audio jobs, or the stricter ones of the plan."""
        most_s = float(self.plan_of(tenant).media.max_video_s)
        return replace(JOB_LIMITS, max_duration_s=min(JOB_LIMITS.max_duration_s, most_s))

    async def store(
        self, tenant: str, name: str, chunks: AsyncIterator[bytes]
    ) -> UploadedRecording:
        """Raises as TenantFiles.put and the chunks do."""
        path = new_source()
        expires = self.clock.wall() + STAGED_S
        stored = await self.files.put(
            tenant, path, chunks, _OCTETS, expires, largest=self.config.max_form_bytes
        )
        return UploadedRecording(path, name, stored.sha256)

    async def discard(self, tenant: str, upload: UploadedRecording) -> None:
        await self.files.delete(tenant, [upload.path])

    async def stored_recording(
        self, tenant: str, video: str | None, file: str | None
    ) -> tuple[str, str] | None:
        """Where a video's source or a file's bytes are, and its name; None if neither is named.
        Raises VideoNotFound, NotFound, Conflict, InvalidRequest."""
        if video is not None:
            return await self._video_path(tenant, video)
        if file is None:
            return None
        found = await FileStore(self.database, self.files, self.clock).get(tenant, file)
        if found.job is not None:
            detail = f"File '{file}' is an output of a batch, and no recording."
            raise InvalidRequest(detail, param="file_id")
        return object_path(found.id, 0), found.name

    async def _video_path(self, tenant: str, id_: str) -> tuple[str, str]:
        if self.videos is None:
            raise VideoNotFound(id_)
        video = await self.videos.get(tenant, id_)
        if video.state != "ready":
            raise Conflict(f"Video '{id_}' is {video.state}; it has to be ready.", param="video")
        return video.path, video.name


class AudioTenants(Protocol):
    """What the ingress knows of tenants (deployments/ingress/tenant_services.py)."""

    @property
    def database(self) -> Database: ...
    @property
    def guard(self) -> SsrfGuard: ...
    @property
    def directory(self) -> PlanDirectory: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...


def audio_services(
    config: MediaConfig,
    tenants: AudioTenants,
    files: TenantFiles,
    videos: VideoCatalog | None,
    jobs: JobStore,
    pipeline: AudioPipeline,
    clock: Clock,
) -> AudioServices | None:
    """None if the deployment `Media` is off. `videos` None: video is off."""
    if not config.enabled:
        return None
    return AudioServices(
        tenants.database,
        files,
        jobs,
        pipeline,
        tenants.guard,
        config,
        tenants.directory.plan_of,
        clock,
        videos,
        tenants.pseudonyms.of,
    )


def new_source() -> str:
    """A path for a recording that belongs to one request."""
    return f"audio/up_{secrets.token_hex(12)}/source"


def require_audio(audio: AudioServices | None) -> AudioServices:
    """Raises NotInstalled."""
    if audio is None:
        raise NotInstalled(NOT_SERVED, INSTALL)
    return audio
