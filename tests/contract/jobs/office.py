"""A job store and what tests do with it again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import select

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import events, usage
from deployments.contracts.jobs import Job, JobLease, NewJob
from deployments.jobs.store import JobStore

KIND = "video.clips"
LEASE_S = 15.0
TENANTS = ("acme", "other")

T = TypeVar("T")


@dataclass
class Office:
    """`clock` moves only when it is told to, for leases, retries and expiry."""

    database: Database
    clock: ManualClock
    store: JobStore

    async def add(self, tenant: str = "acme", **changes: Any) -> Job:
        new = NewJob(**{"tenant": tenant, "kind": KIND, "key": "key1", "spec": {"n": 1}, **changes})
        async with self.database.begin() as connection:
            return await self.store.create(connection, new)

    async def claim(self, worker: str = "w1", lease_s: float = LEASE_S) -> JobLease:
        lease = await self.store.claim(worker, (KIND,), lease_s)
        assert lease is not None
        return lease

    async def nothing_to_claim(self) -> bool:
        return await self.store.claim("idle", (KIND,), LEASE_S) is None

    async def kinds(self, job: Job) -> list[str]:
        """The job's events, without progress."""
        found = await self.store.events(job.tenant, job.id)
        return [event.kind for event in found if event.kind != "progress"]

    async def told(self) -> list[tuple[str, str]]:
        """The outbox: tenants and kinds."""
        async with self.database.read() as connection:
            found = await connection.execute(select(events.c.tenant, events.c.kind))
            return sorted((row.tenant, row.kind) for row in found)

    async def charged(self) -> dict[str, int]:
        """Amounts in the usage ledger by unit."""
        async with self.database.read() as connection:
            found = await connection.execute(select(usage.c.unit, usage.c.amount))
            return {row.unit: row.amount for row in found}


async def until(true: Callable[[], bool]) -> None:
    """Wait for what has no event of its own."""

    async def ask() -> bool:
        return true()

    await answer(ask, bool)


async def answer(ask: Callable[[], Awaitable[T]], good: Callable[[T], object]) -> T:
    """Ask until the answer is a good one."""
    async with asyncio.timeout(60):
        while not good(found := await ask()):  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)
        return found
