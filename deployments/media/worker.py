"""What a Media replica is made of: tenants' files, and what reads them.

Flows in: settings. Flows out: answers to the replica's calls. Imports no Ray.
"""

from cluster.auth.credential_directory import CredentialDirectory
from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.runtime.clock import Clock
from cluster.runtime.settings import Settings
from cluster.secrets.key_files import load_pepper, store_url
from cluster.storage.database import Database
from cluster.tenants.plan import Plan
from deployments.images.decoder import ImageDecoder
from deployments.images.fetch import ImageFetcher
from deployments.images.reader import BoundedImageReader
from deployments.media.config import MediaConfig
from deployments.media.recordings import Recordings
from deployments.video.media_context import SCRATCH
from deployments.video.url_download import UrlDownloader

IMAGE_DOWNLOAD_S, IMAGE_STEP_S = 20.0, 10.0  # of one picture, and of each wait in it


class MediaWorker:
    """Create it, `start` it on the loop that serves, `close` it there."""

    def __init__(self, settings: Settings, config: MediaConfig, clock: Clock) -> None:
        """Raises FileNotFoundError before the first `up`."""
        self._database = Database(store_url(settings.home, settings))
        pepper = load_pepper(settings.home, settings)
        self._directory = CredentialDirectory(self._database, pepper, clock)
        scratch = settings.home / SCRATCH
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = config.store if "://" in config.store else str(settings.home / config.store)
        self._files = TenantFiles(self._database, BlobStore(store), clock, self._plan_of)
        self.recordings = Recordings(self._files, scratch)
        guard = SsrfGuard(settings.webhooks_private_hosts)
        downloader = UrlDownloader(
            PinnedTransport(guard), wall_s=IMAGE_DOWNLOAD_S, step_s=IMAGE_STEP_S
        )
        self.images = BoundedImageReader(
            ImageFetcher(downloader, self._files), ImageDecoder(scratch)
        )

    async def start(self) -> None:
        await self._directory.start()

    async def close(self) -> None:
        await self.images.close()
        await self._files.close()
        await self._directory.close()
        await self._database.close()

    def _plan_of(self, tenant: str) -> Plan:
        return self._directory.tenant(tenant).plan
