"""All that a Clipper replica is: a worker over the queue, and what its handlers stand on.

Flows in: settings, a crew, a writer. Flows out: jobs done. Knows no Ray.
"""

import asyncio
import contextlib
import logging
import os
import secrets

from cluster.auth.credential_directory import CredentialDirectory
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import load_pepper, store_url
from cluster.storage.database import Database
from cluster.tenants.plan import Plan
from deployments.jobs.queries import QueueDepth
from deployments.jobs.worker import JobWorker
from deployments.video.analysis_cache import VideoAnalyzer
from deployments.video.capabilities import probe_nvenc
from deployments.video.clip_job import ClipJobDependencies, ClipJobHandler
from deployments.video.clip_metadata import ClipMetadataWriter, TextWriter
from deployments.video.clip_pipeline import ClipPipeline, Encoder
from deployments.video.config import VideoConfig
from deployments.video.executor import TaskExecutor
from deployments.video.import_job import IMPORT, ImportJobHandler
from deployments.video.job_spec import CLIPS
from deployments.video.media_context import MediaContext
from deployments.video.sandbox import clear_abandoned
from deployments.video.transcript import SpeechToText, Whisper
from deployments.video.transcript_source import TranscriptSource
from deployments.video.url_download import UrlDownloader

KINDS = (CLIPS, IMPORT)
SWEEP_S = 300.0

log = logging.getLogger("mobula.clipper")


class ClipWorker:
    """Make it, `start` it on the loop that works, `close` it there."""

    def __init__(
        self,
        settings: Settings,
        config: VideoConfig,
        crew: TaskExecutor,
        writer: TextWriter | None,
        clock: Clock,
    ) -> None:
        """Raises FileNotFoundError before the first `up`."""
        self._config, self._crew, self._clock = config, crew, clock
        self._database = Database(store_url(settings.home, settings))
        pepper = load_pepper(settings.home, settings)
        self._directory = CredentialDirectory(self._database, pepper, clock)
        self.library = MediaContext(settings, self._database, config, self._plan_of, clock)
        guard = SsrfGuard(settings.webhooks_private_hosts)
        self._downloads = UrlDownloader(PinnedTransport(guard))
        self._writer = writer if config.writer else None
        self._worker: JobWorker | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Find out what this node can do, then take jobs."""
        await self._directory.start()
        await asyncio.to_thread(clear_abandoned, self.library.scratch)
        gpu = self._config.gpu and (await asyncio.to_thread(probe_nvenc)).available
        await self.library.files.start()
        name = f"clipper-{os.getpid()}-{secrets.token_hex(6)}"
        handlers = (self._clipping(gpu), self._importing())
        self._worker = JobWorker(
            self.library.jobs, handlers, name, self._clock, concurrency=self._config.jobs
        )
        await self._worker.start()
        self._sweeping = asyncio.create_task(self._sweep(), name="media-sweep")

    async def close(self) -> None:
        """Jobs that run are given back, to be gone on with elsewhere."""
        if self._worker is not None:
            await self._worker.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
        await self.library.files.close()
        await self._downloads.close()
        await self._crew.close()
        await self._directory.close()
        await self._database.close()

    def wake(self) -> None:
        """There is a new job."""
        if self._worker is not None:
            self._worker.wake()

    async def depth(self) -> QueueDepth:
        """How many jobs wait and run, in all replicas. Raises StoreDown."""
        return await self.library.jobs.depth(KINDS)

    def _plan_of(self, tenant: str) -> Plan:
        return self._directory.tenant(tenant).plan

    def _clipping(self, gpu: bool) -> ClipJobHandler:
        config, library, crew = self._config, self.library, self._crew
        speech: SpeechToText | None = Whisper(config.speech) if config.speech else None
        seeing = VideoAnalyzer(library.files, crew, self._clock, config.side_by_side)
        describing = ClipMetadataWriter(self._writer)
        encoder: Encoder = "nvenc" if gpu else "x264"
        producing = ClipPipeline(library.files, crew, seeing, describing, self._clock, encoder)
        transcribing = TranscriptSource(library.files, crew, speech)
        stages = ClipJobDependencies(library.files, transcribing, seeing, producing, describing)
        return ClipJobHandler(
            stages, self._plan_of, self._clock, library.scratch, config.side_by_side
        )

    def _importing(self) -> ImportJobHandler:
        library = self.library
        return ImportJobHandler(library.intake, library.videos, library.files, self._downloads)

    async def _sweep(self) -> None:
        """Forget recordings and uploads whose time is over, and folders that nobody works in."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await asyncio.to_thread(clear_abandoned, self.library.scratch)
                await self.library.videos.sweep()
                await self.library.uploads.sweep()
            except Problem as problem:
                log.warning("expired recordings could not be removed: %s", problem.detail)
            except Exception:
                log.exception("expired recordings could not be removed; it will try again")
