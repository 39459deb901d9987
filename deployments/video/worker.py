"""The worker of a Clipper replica: takes jobs from the queue, and composes their handlers.

Flows in: settings, a task executor, a text model. Flows out: finished jobs. Imports no Ray.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator

from cluster.auth.credential_directory import CredentialDirectory
from cluster.metrics.series import Reading
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import load_pepper, store_url
from cluster.storage.database import Database
from cluster.tenants.plan import Plan
from cluster.tracing.configured_exporter import configured_exporter
from cluster.usage.entries import UsageEntry
from deployments.contracts.jobs import Job
from deployments.jobs.queue_depth import QueueDepth
from deployments.jobs.worker import JobWorker
from deployments.sandbox import clear_abandoned
from deployments.speech.engine import SpeechEngine
from deployments.speech.models import is_off
from deployments.video.analysis_cache import VideoAnalyzer
from deployments.video.billing import speech_charge
from deployments.video.capabilities import probe_nvenc
from deployments.video.clip_job import ClipJobDependencies, ClipJobHandler
from deployments.video.clip_metadata import ClipMetadataWriter, TextWriter
from deployments.video.clip_pipeline import ClipPipeline, Encoder
from deployments.video.config import VideoConfig
from deployments.video.executor import TaskExecutor
from deployments.video.import_job import IMPORT, ImportJobHandler
from deployments.video.job_spec import CLIPS
from deployments.video.media_context import MediaContext
from deployments.video.transcript_source import TranscriptSource
from deployments.video.url_download import UrlDownloader

KINDS = (CLIPS, IMPORT)
SWEEP_S = 300.0


class ClipWorker:
    """Create it, `start` it on the loop that runs the jobs, `close` it there."""

    def __init__(
        self,
        settings: Settings,
        config: VideoConfig,
        executor: TaskExecutor,
        writer: TextWriter | None,
        clock: Clock,
    ) -> None:
        """Raises FileNotFoundError before the first `up`."""
        self._config, self._executor, self._clock = config, executor, clock
        self._database = Database(store_url(settings.home, settings))
        pepper = load_pepper(settings.home, settings)
        self._directory = CredentialDirectory(self._database, pepper, clock)
        self._exporter = configured_exporter("clipper")
        export = None if self._exporter is None else self._exporter.export
        self.media = MediaContext(settings, self._database, config, self._plan_of, clock, export)
        guard = SsrfGuard(settings.webhooks_private_hosts)
        self._downloader = UrlDownloader(PinnedTransport(guard))
        self._writer = writer if config.writer else None
        self._speech = (
            None
            if is_off(config.speech)
            else SpeechEngine(
                config.speech,
                settings.home,
                gpu=config.gpu,
                clock=clock,
                scratch=self.media.scratch,
            )
        )
        self._worker: JobWorker | None = None
        self._sweeps = PeriodicTask(
            self._sweep, SWEEP_S, "deletion of expired recordings", delayed=True
        )

    async def start(self) -> None:
        """Probes what this node supports, then takes jobs."""
        await self._directory.start()
        await asyncio.to_thread(clear_abandoned, self.media.scratch)
        gpu = self._config.gpu and (await asyncio.to_thread(probe_nvenc)).available
        await self.media.files.start()
        name = f"clipper-{os.getpid()}-{secrets.token_hex(6)}"
        handlers = (self._clip_handler(gpu), self._import_handler())
        self._worker = JobWorker(
            self.media.jobs, handlers, name, self._clock, concurrency=self._config.jobs
        )
        await self._worker.start()
        self._sweeps.start()

    async def close(self) -> None:
        """Running jobs return to the queue, for other workers."""
        if self._worker is not None:
            await self._worker.close()
        if self._speech is not None:
            await self._speech.close()
        await self._sweeps.close()
        await self.media.files.close()
        await self._downloader.close()
        await self._executor.close()
        await self._directory.close()
        await self._database.close()
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter.close)

    def wake(self) -> None:
        """Call it when a job was added."""
        if self._worker is not None:
            self._worker.wake()

    async def depth(self) -> QueueDepth:
        """Queued and running jobs of all replicas. Raises DatabaseUnavailable."""
        return await self.media.jobs.depth(KINDS)

    def read_metrics(self) -> Iterator[Reading]:
        """Of this replica's jobs, of their exported traces, and of its transactions."""
        if self._worker is not None:
            yield from self._worker.metrics.read()
        yield from self._database.read_metrics()
        if self._exporter is not None:
            yield from self._exporter.read_metrics()

    def _plan_of(self, tenant: str) -> Plan:
        return self._directory.tenant(tenant).plan

    def _charge_speech(self, job: Job, heard_s: float) -> UsageEntry | None:
        return speech_charge(job, self._plan_of(job.tenant), heard_s, self._clock.wall())

    def _clip_handler(self, gpu: bool) -> ClipJobHandler:
        config, executor, clock, files = self._config, self._executor, self._clock, self.media.files
        analyzer = VideoAnalyzer(files, executor, clock, config.side_by_side)
        metadata_writer = ClipMetadataWriter(self._writer)
        encoder: Encoder = "nvenc" if gpu else "x264"
        pipeline = ClipPipeline(files, executor, analyzer, metadata_writer, clock, encoder)
        transcripts = TranscriptSource(files, executor, clock, self._speech, config.speech or "")
        stages = ClipJobDependencies(
            files, transcripts, analyzer, pipeline, metadata_writer, self._charge_speech
        )
        return ClipJobHandler(stages, self.media.scratch, config.side_by_side)

    def _import_handler(self) -> ImportJobHandler:
        media = self.media
        return ImportJobHandler(media.ingest, media.videos, media.files, self._downloader)

    async def _sweep(self) -> None:
        """Deletes expired recordings and uploads, and folders of processes that are gone."""
        await asyncio.to_thread(clear_abandoned, self.media.scratch)
        await self.media.videos.sweep()
        await self.media.uploads.sweep()
