"""Whatever happens in whichever order: no job is lost, run twice at one fence, or ended twice."""

import asyncio
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import InvalidRequest, Problem
from cluster.storage.database import Database
from deployments.contracts.jobs import ENDED, JobLease, JobResult, LeaseLost
from deployments.jobs.store import JobStore
from tests.contract.jobs.office import KIND, LEASE_S, TENANTS, Office
from tests.servers.stores import sqlite_with_tenants

STEPS = ("add", "claim", "finish", "refuse", "fail", "release", "cancel", "stop", "wait", "sweep")
Step = tuple[str, int]


@dataclass
class Life:
    """What a run of steps came to."""

    office: Office
    made: dict[str, str] = field(default_factory=dict)  # job to tenant
    leases: list[JobLease] = field(default_factory=list)
    fences: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    async def step(self, what: str, pick: int) -> None:
        office, store = self.office, self.office.store
        if what == "add":
            tenant = TENANTS[pick % 2]
            made = await office.add(
                tenant, cost=1 + pick, weight=1.0 + pick % 3, max_attempts=1 + pick % 3, keep_s=1e9
            )
            self.made[made.id] = tenant
        elif what == "claim":
            lease = await store.claim(f"w{pick % 3}", (KIND,), LEASE_S)
            if lease is not None:
                self.fences[lease.job.id].append(lease.fence)
                self.leases.append(lease)
        elif what == "wait":
            office.clock.advance((1.0, LEASE_S, 600.0)[pick % 3])
        elif what == "sweep":
            await store.sweep()
        elif what == "cancel" and self.made:
            id = sorted(self.made)[pick % len(self.made)]
            await store.cancel(self.made[id], id)
        elif self.leases:
            await self._end(what, self.leases[pick % len(self.leases)])

    async def _end(self, what: str, lease: JobLease) -> None:
        """Also of leases that were lost long ago."""
        store = self.office.store
        try:
            if what == "finish":
                await store.finish(lease, JobResult("succeeded"))
            elif what in ("refuse", "fail"):
                await store.fail(lease, InvalidRequest("no") if what == "refuse" else Problem("no"))
            elif what == "release":
                await store.release(lease)
            elif what == "stop":
                await store.confirm_cancel(lease)
        except LeaseLost:
            pass

    async def drained(self) -> None:
        """Run what is left to its end."""
        while True:
            self.office.clock.advance(600.0)
            lease = await self.office.store.claim("last", (KIND,), LEASE_S)
            if lease is None:
                return
            self.fences[lease.job.id].append(lease.fence)
            await self.office.store.finish(lease, JobResult("succeeded"))


async def check(url: str, steps: list[Step]) -> None:
    database = Database(url)
    clock = ManualClock()
    life = Life(Office(database, clock, JobStore(database, clock, Random(1))))
    for what, pick in steps:
        await life.step(what, pick)
    await life.drained()

    for id, tenant in life.made.items():
        job = await life.office.store.get(tenant, id)
        events = await life.office.store.events(tenant, id)
        assert job.state in ENDED
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.kind for event in events if event.kind in ENDED] == [job.state]
        assert events[-1].kind == job.state
        assert life.fences[id] == sorted(set(life.fences[id]))
        assert job.attempts <= job.max_attempts
    told = [kind for _, kind in await life.office.told()]
    assert len(told) == len(life.made)
    await database.close()


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 11)), max_size=40))
@settings(derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_every_job_ends_once_and_under_one_fence_at_a_time(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copy(sqlite_with_tenants(), folder)
        asyncio.run(check(f"sqlite+aiosqlite:///{copied}", [("add", 1), ("add", 4), *steps]))
