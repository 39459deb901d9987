"""Uploads, videos and imports as one process holds them, and a web of hosts without a network."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import httpx

from cluster.blobs.files import TenantFiles
from cluster.blobs.store import BlobStore
from cluster.net.ssrf import SsrfGuard
from cluster.net.transport import PinnedTransport
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.tenants.plan import MediaPlan, Plan
from deployments.contracts.jobs import Job, NewJob
from deployments.contracts.media import AudioTrack, MediaInfo, MediaLimits
from deployments.jobs.store import JobStore
from deployments.sandbox.errors import MediaRefused, SandboxFailed
from deployments.video.catalog import Video, VideoCatalog, new_id
from deployments.video.import_job import IMPORT, ImportJobHandler, on_import_ended
from deployments.video.ingest import VideoIngest
from deployments.video.uploads.repository import UploadStore
from deployments.video.url_download import UrlDownloader

PUBLIC = "93.184.215.14"
LARGEST = 4096


class Web(httpx.AsyncBaseTransport):
    """Answers by URL, under the names that were asked for. A list is given one by one."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.headers: list[httpx.Headers] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = f"{request.url.scheme}://{request.headers['host']}{request.url.raw_path.decode()}"
        self.asked.append(url)
        self.headers.append(request.headers)
        answer = self.answers.get(url, httpx.Response(404))
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer


class Names:
    """Every name is public, but for those that `addresses` says otherwise of."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        return self.addresses.get(host, [PUBLIC])


class Look:
    """A probe that starts no process: what begins with FILM lasts two seconds."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.seen = 0

    def __call__(
        self,
        path: Path,
        folder: Path,
        limits: MediaLimits,
        *,
        cancel: Callable[[], bool] | None = None,
    ) -> MediaInfo:
        self.seen += 1
        if self.failures:
            raise self.failures.pop(0)
        data = path.read_bytes()
        if not data.startswith(b"FILM"):
            raise MediaRefused
        return MediaInfo("film", 2.0, len(data), None, (AudioTrack(0, "aac", 2, 48_000),))


@dataclass
class Bench:
    """What a test needs; `plan` may be set."""

    database: Database
    clock: ManualClock
    folder: Path
    files: TenantFiles
    videos: VideoCatalog
    desk: UploadStore
    ingest: VideoIngest
    jobs: JobStore
    importing: ImportJobHandler
    web: Web
    names: Names
    look: Look
    plan: list[Plan] = field(default_factory=list)

    def impatient(self, wall_s: float) -> ImportJobHandler:
        """A handler that gives a download so many seconds."""
        transport = PinnedTransport(SsrfGuard(resolve=self.names), wire=self.web)
        downloads = UrlDownloader(transport, wall_s=wall_s)
        return ImportJobHandler(self.ingest, self.videos, self.files, downloads)

    async def close(self) -> None:
        await self.files.close()

    async def pieces(self, upload: str, offset: int, *pieces: bytes) -> None:
        """One request's worth of bytes."""
        async with self.desk.lock("acme", upload, offset) as hold:
            await self.desk.append(hold, chunks(*pieces))

    async def read(self, path: str) -> bytes:
        found = await self.files.open("acme", path)
        return b"".join([block async for block in found])

    async def ask(self, url: str) -> tuple[Video, Job]:
        """A video to be imported, and its job."""
        draft = replace(self.ingest.draft("acme", "key", "a", new_id()), state="importing")
        new = NewJob("acme", IMPORT, "key", {"video": draft.id, "url": url}, subject=draft.id)
        async with self.database.begin() as connection:
            await self.videos.add(connection, draft)
            return draft, await self.jobs.create(connection, new)


def bench_on(database: Database, clock: ManualClock, folder: Path) -> Bench:
    plan = [Plan(id="default", media=MediaPlan())]
    web, names, look = Web(), Names(), Look()

    def plan_of(_: str) -> Plan:
        return plan[0]

    files = TenantFiles(database, BlobStore(str(folder / "blobs")), clock, plan_of)
    videos = VideoCatalog(database, files, clock)
    desk = UploadStore(database, files, clock, part_bytes=16, max_open=4)
    limits = MediaLimits(max_bytes=LARGEST)
    ingest = VideoIngest(
        database, files, videos, desk, look, plan_of, clock, folder / "scratch", limits
    )
    jobs = JobStore(database, clock, Random(7), at_end=on_import_ended(videos))
    downloads = UrlDownloader(PinnedTransport(SsrfGuard(resolve=names), wire=web), wall_s=20.0)
    importing = ImportJobHandler(ingest, videos, files, downloads)
    return Bench(
        database, clock, folder, files, videos, desk, ingest, jobs, importing, web, names, look,
        plan,
    )  # fmt: skip


def failing() -> Exception:
    """A failure of ours, which another try may not meet."""
    return SandboxFailed()


async def chunks(*data: bytes) -> AsyncIterator[bytes]:
    for each in data:
        yield each


def sent(
    *data: bytes, status: int = 200, headers: Iterable[tuple[str, str]] = ()
) -> httpx.Response:
    """An answer whose body comes in these chunks, of no told size."""
    return httpx.Response(status, headers=list(headers), content=chunks(*data))
