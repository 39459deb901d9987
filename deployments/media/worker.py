"""What a Media replica is made of: tenants' files, what reads them, and the jobs about them.

Flows in: settings, a recognizer of speech. Flows out: answers to the replica's calls; finished jobs
of kind AUDIO_JOB. Imports no Ray.
"""

import asyncio
import os
import secrets
from collections.abc import Iterator

from cluster.auth.credential_directory import CredentialDirectory
from cluster.metrics.series import Reading
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import load_pepper, store_url
from cluster.storage.database import Database
from cluster.tenants.plan import Plan
from cluster.tracing.configured_exporter import configured_exporter
from deployments.contracts.speech import SpeechRecognizer
from deployments.documents.reading.reader import ConfinedDocumentReader
from deployments.images.decoder import ImageDecoder
from deployments.images.fetch import ImageFetcher
from deployments.images.reader import BoundedImageReader
from deployments.jobs.worker import JobWorker
from deployments.media.audio_job import AudioJobHandler
from deployments.media.config import MediaConfig
from deployments.media.figures import MediaFigures
from deployments.media.recordings import Recordings
from deployments.media.transcription import Transcriber
from deployments.sandbox import clear_abandoned
from deployments.video.config import VideoConfig
from deployments.video.media_context import MediaContext
from deployments.video.url_download import UrlDownloader

IMAGE_DOWNLOAD_S, IMAGE_STEP_S = 20.0, 10.0  # of one picture, and of each wait in it


class MediaWorker:
    """Create it, `start` it on the loop that serves, `close` it there. The recognizer belongs to
    its owner. Clipper replicas sweep the files; where video is off, ingress replicas do."""

    def __init__(
        self, settings: Settings, config: MediaConfig, recognizer: SpeechRecognizer, clock: Clock
    ) -> None:
        """Raises FileNotFoundError before the first `up`."""
        self._clock = clock
        self._database = Database(store_url(settings.home, settings))
        pepper = load_pepper(settings.home, settings)
        self._directory = CredentialDirectory(self._database, pepper, clock)
        self._exporter = configured_exporter("media")
        export = None if self._exporter is None else self._exporter.export
        stored = VideoConfig(store=config.store)
        self._context = MediaContext(settings, self._database, stored, self._plan_of, clock, export)
        files = self._context.files
        self.figures = MediaFigures()
        self.recordings = Recordings(files, self._context.scratch, figures=self.figures)
        self.transcriber = Transcriber(self.recordings, recognizer, self.figures)
        self.documents = ConfinedDocumentReader(files, self._context.scratch)
        guard = SsrfGuard(settings.webhooks_private_hosts)
        self._downloader = UrlDownloader(PinnedTransport(guard))
        handler = AudioJobHandler(
            self.recordings,
            files,
            recognizer,
            self._downloader,
            self._plan_of,
            self.figures,
            clock,
        )
        name = f"media-{os.getpid()}-{secrets.token_hex(6)}"
        self._jobs = JobWorker(self._context.jobs, [handler], name, clock, concurrency=config.jobs)
        downloads = UrlDownloader(
            PinnedTransport(guard), wall_s=IMAGE_DOWNLOAD_S, step_s=IMAGE_STEP_S
        )
        self.images = BoundedImageReader(
            ImageFetcher(downloads, files), ImageDecoder(self._context.scratch)
        )

    async def start(self) -> None:
        await self._directory.start()
        await asyncio.to_thread(clear_abandoned, self._context.scratch)
        await self._jobs.start()

    async def close(self) -> None:
        """Running jobs return to the queue, for other replicas."""
        await self._jobs.close()
        await self._downloader.close()
        await self.images.close()
        await self.documents.close()
        await self._context.files.close()
        await self._directory.close()
        await self._database.close()
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter.close)

    def wake(self) -> None:
        """Call it when a job was added."""
        self._jobs.wake()

    def read_metrics(self) -> Iterator[Reading]:
        """Of this replica's work, its jobs, their exported traces, and its transactions."""
        yield from self.figures.read()
        yield from self.images.counts.read()
        yield from self._jobs.metrics.read()
        yield from self._database.read_metrics()
        if self._exporter is not None:
            yield from self._exporter.read_metrics()

    def _plan_of(self, tenant: str) -> Plan:
        return self._directory.tenant(tenant).plan
