"""Video for the ingress: the collaborators of the routes of videos, uploads, jobs, clips and files.

Flows in: settings, and what the ingress knows of tenants. Flows out: MediaServices, and clips as
callers see them.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cluster.blobs.files import TenantFiles
from cluster.blobs.links import DownloadLinks
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotFound
from cluster.runtime.settings import Settings
from cluster.storage.database import Database
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies
from cluster.usage.pseudonyms import Pseudonyms
from deployments.contracts.jobs import JobOutput
from deployments.contracts.media import Capability
from deployments.jobs.store import JobStore
from deployments.speech.models import speech_capability
from deployments.video.analysis import face_ability
from deployments.video.billing import BudgetRefunder, Budgets
from deployments.video.capabilities import ffmpeg_version, probe_nvenc, probe_sandbox
from deployments.video.catalog import VideoCatalog
from deployments.video.config import VideoConfig
from deployments.video.ingest import VideoIngest
from deployments.video.job_spec import ClipJobSpec
from deployments.video.media_context import ExportSpans, MediaContext
from deployments.video.probe.tracks import sound_of
from deployments.video.speech_listener import heard_range, is_stored, stored_speech
from deployments.video.transcript_source import has_text
from deployments.video.uploads.repository import UploadStore

LINK_S = 3600.0
NO_TEXT_MODEL = (
    "Descriptions and hashtags come from the clip's own words; a larger default text model than "
    "the shipped nano writes them, or any with video.texts: true."
)
_DOWNLOAD_NAMES = {"video": "clip", "thumbnail": "clip", "srt": "captions", "vtt": "captions"}


class VideoDisabled(NotFound):
    """The operator has disabled video."""

    slug, title = "video-off", "Video is not enabled"

    def __init__(self) -> None:
        super().__init__("Video is switched off on this cluster.")


def require_media(media: "MediaServices | None") -> "MediaServices":
    """Raises VideoDisabled."""
    if media is None:
        raise VideoDisabled
    return media


class PlanDirectory(Protocol):
    """cluster/auth/credential_directory.py."""

    @property
    def policies(self) -> Mapping[str, CallerPolicies]: ...
    def plan_of(self, tenant: str) -> Plan: ...


class TenantContext(Protocol):
    """What the ingress knows of tenants (deployments/ingress/tenant_services.py)."""

    @property
    def limiter(self) -> Budgets: ...
    @property
    def database(self) -> Database: ...
    @property
    def guard(self) -> SsrfGuard: ...
    @property
    def pepper(self) -> bytes: ...
    @property
    def directory(self) -> PlanDirectory: ...
    def is_active(self, tenant: str) -> bool: ...


def media_services(
    settings: Settings,
    config: VideoConfig,
    tenants: TenantContext,
    clock: Clock,
    export: ExportSpans | None = None,
) -> "MediaServices | None":
    """None if video is disabled. Jobs run in Clipper replicas, not here. `export` takes the spans
    of jobs that end here."""
    if not config.enabled:
        return None
    plan_of = tenants.directory.plan_of
    media = MediaContext(settings, tenants.database, config, plan_of, clock, export)
    return MediaServices(
        database=tenants.database,
        files=media.files,
        links=DownloadLinks(tenants.pepper, clock),
        is_active=tenants.is_active,
        videos=media.videos,
        uploads=media.uploads,
        ingest=media.ingest,
        jobs=media.jobs,
        guard=tenants.guard,
        max_form_bytes=config.max_form_bytes,
        speech=config.speech,
        writer=config.writer,
        refunder=BudgetRefunder(
            tenants.database, tenants.limiter, plan_of, clock, tenants.directory.policies
        ),
        pseudonym_of=Pseudonyms(tenants.pepper).of,
    )


@dataclass(frozen=True)
class MediaServices:
    """`is_active` is whether a tenant may still be served; `speech` is the speech model in use,
    `writer` the text model. `pseudonym_of` gives the pseudonym of a tenant's user for usage."""

    database: Database
    files: TenantFiles
    links: DownloadLinks
    is_active: Callable[[str], bool]
    videos: VideoCatalog
    uploads: UploadStore
    ingest: VideoIngest
    jobs: JobStore
    guard: SsrfGuard
    max_form_bytes: int
    speech: str | None = None
    writer: str | None = None
    refunder: BudgetRefunder | None = None
    pseudonym_of: Callable[[str, str], str] = lambda tenant, user: ""
    _capabilities: dict[str, Capability] = field(default_factory=dict)

    async def start(self) -> None:
        if self.refunder is not None:
            await self.refunder.start()

    async def close(self) -> None:
        if self.refunder is not None:
            await self.refunder.close()

    async def capabilities(self) -> Mapping[str, Capability]:
        """Probed on the first call, because each probe starts a process."""
        if not self._capabilities:
            self._capabilities.update(await asyncio.to_thread(self._probe))
        return self._capabilities

    async def speech_seconds(self, tenant: str, spec: ClipJobSpec) -> int:
        """Seconds of the recording whose speech a job will probably recognise."""
        info, options = spec.info, spec.options
        if self.speech is None or spec.transcript is not None or has_text(info):
            return 0
        path = stored_speech(spec.sha256, info, options, self.speech)
        if sound_of(info) is None or await is_stored(self.files, tenant, path):
            return 0
        start, end = heard_range(info, options)
        return max(1, math.ceil(end - start))

    def clip(self, tenant: str, part: JobOutput) -> dict[str, Any]:
        """An output of a job as callers see it: with links instead of paths."""
        data = dict(part.data)
        data["files"] = [self._file(tenant, part, file) for file in data.get("files", ())]
        duration = round(data["end"] - data["start"], 3)
        return {"duration": duration, **data, "number": part.number, "state": part.state}

    def _file(self, tenant: str, part: JobOutput, file: Mapping[str, Any]) -> dict[str, Any]:
        path = str(file["path"])
        name = f"{_DOWNLOAD_NAMES[file['kind']]}-{part.number}-{path.rpartition('/')[2]}"
        url = f"/files/{self.links.sign(tenant, path, LINK_S, name)}"
        return {**{key: value for key, value in file.items() if key != "path"}, "url": url}

    def _probe(self) -> dict[str, Capability]:
        texts = (
            Capability(True, f"Titles and descriptions come from '{self.writer}'.")
            if self.writer
            else Capability(False, NO_TEXT_MODEL)
        )
        return {
            "render": ffmpeg_version(),
            "gpu_encode": probe_nvenc(),
            "sandbox": probe_sandbox(),
            "speech_to_text": speech_capability(self.speech),
            "face_detection": face_ability(),
            "texts": texts,
        }
