"""What tests of the job routes do again and again."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import httpx
from starlette.types import ASGIApp

from cluster.tenants.plan import Plan
from deployments.contracts.jobs import Job, JobLease, NewJob
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.http.app import create_app
from deployments.jobs.store import JobStore
from deployments.video.config import VideoConfig
from deployments.video.services import media_services
from tests.api.administration.world import World
from tests.api.wire import Wire

KIND = "video.clips"
Told = tuple[str, int | None, Any]


def app_with(world: World, admission: AdmissionControl, plan: Plan, store: JobStore) -> ASGIApp:
    """The whole application over `store`."""
    services, database = world.services, world.database
    grounds = SimpleNamespace(
        limiter=None,  # nothing was set aside for these jobs
        database=database,
        guard=None,  # nothing is fetched here
        pepper=b"p" * 32,
        directory=SimpleNamespace(plan_of=services.plan_of, policies={}),
        is_active=lambda _: True,
    )
    media = media_services(services.settings, VideoConfig(), grounds, services.clock)
    assert media is not None
    return create_app(
        replace(
            services,
            admission=admission,
            plan_of=lambda _: plan,
            media=replace(media, jobs=store),
        )
    )


@dataclass
class Desk:
    world: World
    store: JobStore

    async def add(self, tenant: str = "acme", **changes: Any) -> Job:
        new = NewJob(**{"tenant": tenant, "kind": KIND, "key": "k", "spec": {}, **changes})
        async with self.world.database.begin() as connection:
            return await self.store.create(connection, new)

    async def claim(self) -> JobLease:
        lease = await self.store.claim("w1", (KIND,), 60.0)
        assert lease is not None
        return lease

    async def ask(self, caller: str, method: str, path: str, **rest: Any) -> httpx.Response:
        return await self.world.ask(caller, method, f"/api/v1/jobs{path}", **rest)

    def stream(self, job: Job, caller: str = "viewer", **headers: str) -> Wire:
        """The job's events as they come, until the test leaves."""
        key = {"Authorization": f"Bearer {self.world.credentials[caller]}"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/api/v1/jobs/{job.id}/events"
        return Wire(self.world.app, path, "GET", tuple({**key, **named}.items())).start()


def told(text: str) -> list[Told]:
    """Event, id and data of each server-sent event; comments and `retry` left out."""
    found = []
    for block in text.split("\n\n"):
        fields: Mapping[str, str] = dict(
            line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")
        )
        if "event" in fields:
            number = fields.get("id")
            data = json.loads(fields["data"])
            found.append((fields["event"], int(number) if number else None, data))
    return found


async def heard(wire: Wire, words: str) -> None:
    """Wait until the stream has said `words`."""
    async with asyncio.timeout(60):
        while words not in wire.text:  # noqa: ASYNC110 - the wire's own news is for one waiter
            await asyncio.sleep(0.005)
