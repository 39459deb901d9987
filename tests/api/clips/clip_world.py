"""The application over a real library and a real limiter, for tests that order clips."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
from sqlalchemy import func, select
from starlette.types import ASGIApp

from cluster.idempotency.store import IdempotencyStore
from cluster.runtime.clock import SystemClock
from cluster.storage.tables import usage, usage_dimensions
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies
from cluster.tenants.units import Unit
from deployments.contracts.jobs import Job
from deployments.contracts.media import MediaInfo
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.handle_api import HandleApi
from deployments.ingress.services import AppServices
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from deployments.video.catalog import Video
from deployments.video.config import VideoConfig
from deployments.video.services import MediaServices, media_services
from tests.api.administration.recorded import video_in
from tests.api.fakes import Records
from tests.api.videos.media_world import WRITER, Keys, application, store_in
from tests.api.web import client_of
from tests.media_fixtures.infos import picture


@dataclass
class ClipWorld:
    """One running application. `plan` may be set before a request."""

    services: AppServices
    media: MediaServices
    records: Records
    plan: Plan
    app: ASGIApp

    def client(self, key: str | None = WRITER) -> httpx.AsyncClient:
        return client_of(self.app, key)

    def handles(self) -> HandleApi:
        return HandleApi(self.services)

    async def video(self, info: MediaInfo | None = None, **changes: Any) -> Video:
        """A video of acme that is ready, of 120 seconds unless said otherwise."""
        return await video_in(self.media, "acme", info or picture(120.0), **changes)

    async def jobs(self) -> tuple[Job, ...]:
        return (await self.media.jobs.page("acme")).items

    async def charged(self) -> int:
        """Seconds of video in the usage ledger."""
        video = usage.c.unit == Unit.VIDEO_SECONDS
        async with self.media.database.read() as connection:
            found = await connection.execute(select(func.sum(usage.c.amount)).where(video))
            return int(found.scalar_one() or 0)

    async def charged_by(self, *dimensions: str) -> dict[str, int]:
        """The same by value of these dimensions."""
        columns = usage_dimensions.c
        video = columns.unit == Unit.VIDEO_SECONDS, columns.dimension.in_(dimensions)
        async with self.media.database.read() as connection:
            found = await connection.execute(select(columns.value, columns.amount).where(*video))
            return {value: int(amount) for value, amount in found}


@asynccontextmanager
async def opened(
    folder: Path, bare: AppServices, records: Records, speech: str | None = None
) -> AsyncIterator[ClipWorld]:
    """`speech` is the model of speech recognition."""
    clock, world = SystemClock(), []

    def plan_of(_: str) -> Plan:
        return world[0].plan if world else Plan(id="default")

    async def unspent(*_: object) -> int:
        return 0

    database, policies = store_in(folder), dict[str, CallerPolicies]()
    limiter = TenantLimiter(MemoryAuthority(clock), "test", clock, unspent, lambda _: None)
    grounds = SimpleNamespace(
        limiter=limiter,
        database=database,
        guard=None,  # nothing is fetched here
        pepper=b"p" * 32,
        directory=SimpleNamespace(plan_of=plan_of, policies=policies),
        is_active=lambda _: True,
    )
    media = media_services(bare.settings, VideoConfig(speech=speech), grounds, clock)
    assert media is not None
    once = IdempotencyStore(database, lambda tenant: tenant.encode().ljust(32, b"s"), clock)
    services = replace(
        bare,
        authenticator=Keys(),
        plan_of=plan_of,
        admission=AdmissionControl(limiter, records, clock),
        admin=cast(Any, SimpleNamespace(outcomes=None, classifiers=None)),
        media=media,
        policies=policies,
        idempotency=once,
    )
    world.append(ClipWorld(services, media, records, Plan(id="p"), application(services)))
    try:
        yield world[0]
    finally:
        await once.close()
        await limiter.close()
        await media.files.close()
        await database.close()
