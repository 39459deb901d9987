"""The application with recordings: two tenants, real stores, files that are videos or are not."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import httpx
from starlette.types import ASGIApp

from cluster.blobs.files import TenantFiles
from cluster.blobs.links import DownloadLinks
from cluster.blobs.store import BlobStore
from cluster.idempotency.store import IdempotencyStore
from cluster.net.ssrf import SsrfGuard
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Unauthenticated
from cluster.storage.database import Database
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import MediaPlan, Plan
from deployments.contracts.media import AudioTrack, MediaInfo, MediaLimits, Transcript
from deployments.ingress.http.app import create_api
from deployments.ingress.http.middleware import wrap
from deployments.ingress.operations import operations
from deployments.ingress.services import AppServices
from deployments.jobs.store import JobStore
from deployments.sandbox.errors import MediaRefused
from deployments.video.captions import unsupported_scripts
from deployments.video.catalog import VideoCatalog
from deployments.video.import_job import on_import_ended
from deployments.video.ingest import Probe, VideoIngest
from deployments.video.probe.probe import check_limits
from deployments.video.services import MediaServices
from deployments.video.transcript import Kind, ReadsTranscripts, parse_transcript
from deployments.video.uploads.repository import UploadStore
from tests.api.web import client_of
from tests.servers.stores import sqlite_with_tenants

WRITER, READER, STRANGER, PLAIN = "mob_writer_s", "mob_reader_s", "mob_stranger_s", "mob_plain_s"
BOTH = frozenset({Scope.MEDIA_READ, Scope.MEDIA_WRITE})
CALLERS = {
    WRITER: Caller("acme", "writer", BOTH),
    READER: Caller("acme", "reader", frozenset({Scope.MEDIA_READ})),
    PLAIN: Caller("acme", "plain", frozenset({Scope.GENERATE})),
    STRANGER: Caller("other", "stranger", BOTH),
}
SECONDS = b"FILM:"  # a file that starts so is a film of as many seconds as follow
PUBLIC = "93.184.215.14"


def film(seconds: float = 2.0, size: int = 64) -> bytes:
    """What `look` takes for a recording."""
    return (SECONDS + f"{seconds};".encode()).ljust(size, b".")


def look(
    path: Path, folder: Path, limits: MediaLimits, *, cancel: Callable[[], bool] | None = None
) -> MediaInfo:
    """A probe that starts no process; its limits are the real one's."""
    data = path.read_bytes()
    if not data.startswith(SECONDS):
        raise MediaRefused
    seconds = float(data.removeprefix(SECONDS).partition(b";")[0])
    return check_limits(
        MediaInfo("film", seconds, len(data), None, (AudioTrack(0, "aac", 2, 48_000),)), limits
    )


class Keys:
    """Knows the callers above."""

    def verify(self, presented: str) -> Caller:
        try:
            return CALLERS[presented]
        except KeyError:
            raise Unauthenticated("This key is not known.") from None


def read(data: bytes, kind: Kind, folder: Path, cancel: Any = None, **options: Any) -> Transcript:
    """Reads a transcript without a process of its own."""
    found = parse_transcript(data, kind, **options)
    return replace(found, undrawn_scripts=tuple(sorted(unsupported_scripts(found))))


@dataclass
class World:
    """One running application and what lies behind it. `plan` may be set before a request."""

    app: ASGIApp
    clock: ManualClock
    media: MediaServices
    jobs: JobStore
    folder: Path
    plan: Plan

    def client(self, key: str | None = WRITER) -> httpx.AsyncClient:
        return client_of(self.app, key)

    async def stored(self, tenant: str = "acme") -> int:
        """Bytes that count against the plan."""
        return await self.media.files.used(tenant)


async def public(host: str, port: int) -> list[str]:
    """Names lead to a public address, but for those that say otherwise."""
    return ["10.0.0.7"] if host.startswith("inside.") else [PUBLIC]


def store_in(folder: Path) -> Database:
    """A store with the tenants acme and other."""
    file = folder / "mobula.db"
    shutil.copy(sqlite_with_tenants(), file)
    return Database(f"sqlite+aiosqlite:///{file}")


def application(services: AppServices) -> ASGIApp:
    return wrap(create_api(services, operations(services)), services)


@asynccontextmanager
async def opened(
    folder: Path,
    bare: AppServices,
    probe: Probe = look,
    reader: ReadsTranscripts = read,
    **wishes: Any,
) -> AsyncIterator[World]:
    """The application on a new store in `folder`."""
    clock, plan = ManualClock(), Plan(id="default", media=MediaPlan(**wishes))
    database = store_in(folder)
    world: list[World] = []

    def plan_of(_: str) -> Plan:
        return world[0].plan

    files = TenantFiles(database, BlobStore(str(folder / "blobs")), clock, plan_of)
    catalog = VideoCatalog(database, files, clock)
    desk = UploadStore(database, files, clock, part_bytes=8192)
    ingest = VideoIngest(
        database, files, catalog, desk, probe, plan_of, clock, folder / "scratch",
        MediaLimits(max_bytes=1 << 20), reader,
    )  # fmt: skip
    jobs = JobStore(database, clock, Random(7), at_end=on_import_ended(catalog))
    media = MediaServices(
        database, files, DownloadLinks(b"p" * 32, clock), lambda _: True, catalog, desk, ingest,
        jobs, SsrfGuard(resolve=public), max_form_bytes=4096,
    )  # fmt: skip
    once = IdempotencyStore(database, lambda tenant: tenant.encode().ljust(32, b"s"), clock)
    services = replace(bare, authenticator=Keys(), clock=clock, media=media, idempotency=once)
    world.append(World(application(services), clock, media, jobs, folder, plan))
    try:
        yield world[0]
    finally:
        await once.close()
        await files.close()
        await database.close()
