"""The job that fetches a video from a URL: `video.import`.

    fetching (to the store, hop by hop through the guard) -> checking -> the video is ready

Flows in: a job whose spec names the video's row and the URL. Flows out: the row, ready; or a
problem, which ends the job and, by `on_import_ended`, the row. Killed anywhere, it goes on from
what is stored.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs.files import TenantFiles
from cluster.runtime.problems import NotFound
from deployments.contracts.jobs import Job, JobContext, JobResult
from deployments.video.catalog import Video, VideoCatalog
from deployments.video.ingest import VideoIngest
from deployments.video.url_download import IncomingStream, UrlDownloader

IMPORT = "video.import"
FETCHED = 90.0  # percent
_USUAL_BYTES = 64 << 20  # by which progress is guessed where no size is told


def on_import_ended(videos: VideoCatalog) -> Callable[[AsyncConnection, Job], Awaitable[None]]:
    """What a JobStore does `at_end`: a video whose import did not succeed has failed."""

    async def ended(connection: AsyncConnection, job: Job) -> None:
        if job.kind == IMPORT and job.state in ("failed", "canceled"):
            said = job.problem or _CANCELED
            await videos.fail(connection, job.tenant, job.subject, said)

    return ended


class ImportJobHandler:
    """The handler of IMPORT."""

    kind = IMPORT

    def __init__(
        self,
        intake: VideoIngest,
        videos: VideoCatalog,
        files: TenantFiles,
        downloads: UrlDownloader,
    ) -> None:
        self._intake = intake
        self._videos = videos
        self._files = files
        self._downloads = downloads

    async def run(self, work: JobContext) -> JobResult:
        """Raises as Downloads.open, Intake.store and Intake.inspect do, and NoSuchVideo."""
        video = await self._videos.get(work.job.tenant, str(work.job.subject))
        if video.state == "ready":  # killed after it was admitted
            return _result(video)
        if not await self._is_stored(video):
            await self._fetch(work, video)
        await work.report("checking", FETCHED)
        inspected = await self._intake.inspect(video)

        async def admit(connection: AsyncConnection) -> None:
            await self._videos.mark_ready(connection, inspected)

        await work.checkpoint("admitted", {}, also=admit)
        return _result(inspected)

    async def _is_stored(self, video: Video) -> bool:
        try:
            await self._files.stat(video.tenant, video.path)
        except NotFound:
            return False
        return True

    async def _fetch(self, work: JobContext, video: Video) -> None:
        url, most = str(work.job.spec["url"]), self._intake.limits.max_bytes
        await work.report("fetching", 0.0)
        async with self._downloads.open(url, most) as incoming:
            chunks = _reported(work, incoming)
            await self._intake.store(video.tenant, video.id, chunks, incoming.size)


async def _reported(work: JobContext, incoming: IncomingStream) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in incoming.chunks:
        received += len(chunk)
        await work.report("fetching", _percent(received, incoming.size))
        yield chunk


def _percent(received: int, size: int | None) -> float:
    whole = size if size else received + _USUAL_BYTES
    return FETCHED * min(received / whole, 1.0)


def _result(video: Video) -> JobResult:
    said: dict[str, Any] = {"video": video.id, "bytes": video.bytes, "sha256": video.sha256}
    return JobResult("succeeded", said)


_CANCELED = {
    "slug": "import-canceled",
    "title": "The import was canceled",
    "status": 409,
    "detail": "The import was canceled.",
}
