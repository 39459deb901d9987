"""Recordings, uploads, jobs and files of one process, opened and closed as one.

Flows in: settings, the store, whose plan is which. Flows out: what routes and workers stand on. The
ingress and every Clipper replica have one each, over the same database and file store.
"""

from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings
from cluster.storage.database import Database
from cluster.tenants.plan import Plan
from cluster.usage.ledger import record
from deployments.contracts.jobs import Job
from deployments.jobs.store import JobStore
from deployments.video.billing import refund
from deployments.video.catalog import VideoCatalog
from deployments.video.config import VideoConfig
from deployments.video.import_job import on_import_ended
from deployments.video.ingest import VideoIngest
from deployments.video.job_spec import CLIPS, clips_of
from deployments.video.probe.probe import probe
from deployments.video.uploads.repository import UploadStore

SCRATCH = "scratch"  # in the home: private folders of jobs


class MediaContext:
    """Make it on the loop that uses it. The database is its owner's."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        config: VideoConfig,
        plan_of: Callable[[str], Plan],
        clock: Clock,
    ) -> None:
        """Raises obstore's BaseError for a URL that is none."""
        self.database = database
        self.scratch = scratch_of(settings)
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        where = config.store if "://" in config.store else str(settings.home / config.store)
        self.files = TenantFiles(database, BlobStore(where), clock, plan_of)
        self.videos = VideoCatalog(database, self.files, clock)
        self.uploads = UploadStore(database, self.files, clock)
        self.intake = VideoIngest(
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
            database,
            clock,
            SystemRandom(),
            at_end=self._at_end,
            on_delete=self._on_delete,
        )
        self._import_ended = on_import_ended(self.videos)

    async def _at_end(self, connection: AsyncConnection, job: Job) -> None:
        """A job that failed or was cancelled leaves no clips, and costs nothing."""
        await self._import_ended(connection, job)
        if job.kind == CLIPS and job.state in ("failed", "canceled"):
            if (back := refund(job)) is not None:
                await record(connection, back)
            await self.files.delete_under(job.tenant, clips_of(job.id), connection)

    async def _on_delete(self, tenant: str, job: Job) -> None:
        if job.kind == CLIPS:
            await self.files.delete_under(tenant, clips_of(job.id))


def scratch_of(settings: Settings) -> Path:
    return settings.home / SCRATCH
