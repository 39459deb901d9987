"""Recordings, uploads, jobs and files of one process.

Flows in: settings, the database, the plans of tenants. Flows out: the collaborators of routes and
workers. The ingress and every Clipper replica create one each, over the same database and store.
"""

from collections.abc import Callable, Sequence
from random import SystemRandom

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings
from cluster.storage.database import Database
from cluster.storage.object_store import store_location
from cluster.tenants.plan import Plan
from cluster.tracing.span import TraceSpan
from cluster.usage.entries import record
from deployments.contracts.audio import AUDIO_JOB, audio_folder
from deployments.contracts.jobs import Job
from deployments.jobs import queries
from deployments.jobs.job_rows import MAX_EVENTS
from deployments.jobs.job_trace import job_trace
from deployments.jobs.store import JobStore
from deployments.video.billing import refund
from deployments.video.catalog import VideoCatalog
from deployments.video.config import VideoConfig
from deployments.video.import_job import on_import_ended
from deployments.video.ingest import VideoIngest
from deployments.video.job_spec import CLIPS, clips_folder
from deployments.video.probe.probe import probe
from deployments.video.uploads.repository import UploadStore

ExportSpans = Callable[[Sequence[TraceSpan]], None]
SCRATCH = "scratch"  # in the home: private folders of jobs


class MediaContext:
    """Create it on the loop that uses it. The database belongs to its owner."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        config: VideoConfig,
        plan_of: Callable[[str], Plan],
        clock: Clock,
        export: ExportSpans | None = None,
    ) -> None:
        """`export` takes the spans of jobs that have ended. Raises obstore's BaseError for an
        invalid store URL."""
        self.database = database
        self._export = export
        self.scratch = settings.home / SCRATCH
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = BlobStore(store_location(config.store, settings.home))
        self.files = TenantFiles(database, store, clock, plan_of)
        self.videos = VideoCatalog(database, self.files, clock)
        self.uploads = UploadStore(database, self.files, clock)
        self.ingest = VideoIngest(
            database,
            self.files,
            self.videos,
            self.uploads,
            probe,
            plan_of,
            clock,
            self.scratch,
        )
        self.jobs = JobStore(
            database, clock, SystemRandom(), at_end=self._at_end, on_delete=self._on_delete
        )
        self._on_import_ended = on_import_ended(self.videos)

    async def _at_end(self, connection: AsyncConnection, job: Job) -> None:
        """A job that failed or was cancelled is refunded, and its files are deleted."""
        if self._export is not None:
            events = await queries.events(connection, job.tenant, job.id, 0, MAX_EVENTS)
            self._export(job_trace(job, events).spans)
        await self._on_import_ended(connection, job)
        if job.kind == CLIPS and job.state in ("failed", "canceled"):
            if (entry := refund(job)) is not None:
                await record(connection, entry)
            await self.files.delete_under(job.tenant, clips_folder(job.id), connection)
        if job.kind == AUDIO_JOB and job.state in ("failed", "canceled") and job.spec["owned"]:
            await self.files.delete(job.tenant, [job.spec["path"]], connection)

    async def _on_delete(self, tenant: str, job: Job) -> None:
        if job.kind == CLIPS:
            await self.files.delete_under(tenant, clips_folder(job.id))
        if job.kind == AUDIO_JOB:
            await self.files.delete_under(tenant, audio_folder(job.id))
