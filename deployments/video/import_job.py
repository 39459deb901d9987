"""The handler of import jobs: `video.import`, which fetches a video from a URL.

    fetching (to the store, through the SSRF guard) -> checking -> the video is ready

Flows in: a job whose spec names the video's row and the URL. Flows out: the row, ready; or a
problem, which ends the job and, by `on_import_ended`, the row. After a crash another attempt
continues from what is stored.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import TenantFiles
from cluster.runtime.problems import NotFound
from deployments.contracts.jobs import Job, JobContext, JobResult
from deployments.video.catalog import Video, VideoCatalog
from deployments.video.ingest import VideoIngest
from deployments.video.url_download import IncomingStream, UrlDownloader

IMPORT = "video.import"
FETCHED = 90.0  # percent
_ASSUMED_BYTES = 64 << 20  # for the progress of a stream of unknown size
_CANCELED = {
    "slug": "import-canceled",
    "title": "The import was canceled",
    "status": 409,
    "detail": "The import was canceled.",
}


def on_import_ended(videos: VideoCatalog) -> Callable[[AsyncConnection, Job], Awaitable[None]]:
    """The JobStore's `at_end`: marks the video of a failed or cancelled import as failed."""

    async def mark_failed(connection: AsyncConnection, job: Job) -> None:
        if job.kind == IMPORT and job.state in ("failed", "canceled"):
            await videos.fail(connection, job.tenant, job.subject, job.problem or _CANCELED)

    return mark_failed


class ImportJobHandler:
    """The handler of IMPORT."""

    kind = IMPORT

    def __init__(
        self,
        ingest: VideoIngest,
        videos: VideoCatalog,
        files: TenantFiles,
        downloader: UrlDownloader,
    ) -> None:
        self._ingest = ingest
        self._videos = videos
        self._files = files
        self._downloader = downloader

    async def run(self, work: JobContext) -> JobResult:
        """Raises as UrlDownloader.open, VideoIngest.store and VideoIngest.inspect do, and
        VideoNotFound."""
        video = await self._videos.get(work.job.tenant, str(work.job.subject))
        if video.state == "ready":  # an earlier attempt crashed after it was marked
            return _result(video)
        if not await self._is_stored(video):
            await self._fetch(work, video)
        await work.report("checking", FETCHED)
        inspected = await self._ingest.inspect(video)

        async def mark_ready(connection: AsyncConnection) -> None:
            await self._videos.mark_ready(connection, inspected)

        await work.checkpoint("admitted", {}, also=mark_ready)
        return _result(inspected)

    async def _is_stored(self, video: Video) -> bool:
        try:
            await self._files.stat(video.tenant, video.path)
        except NotFound:
            return False
        return True

    async def _fetch(self, work: JobContext, video: Video) -> None:
        url, max_bytes = str(work.job.spec["url"]), self._ingest.limits.max_bytes
        await work.report("fetching", 0.0)
        async with self._downloader.open(url, max_bytes) as stream:
            chunks = _with_progress(work, stream)
            await self._ingest.store(video.tenant, video.id, chunks, stream.size)


async def _with_progress(work: JobContext, stream: IncomingStream) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in stream.chunks:
        received += len(chunk)
        await work.report("fetching", _percent(received, stream.size))
        yield chunk


def _percent(received: int, size: int | None) -> float:
    total = size if size else received + _ASSUMED_BYTES
    return FETCHED * min(received / total, 1.0)


def _result(video: Video) -> JobResult:
    data = {"video": video.id, "bytes": video.bytes, "sha256": video.sha256}
    return JobResult("succeeded", data)
