"""The application over a real job store, with the people of tests/api/administration."""

from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random

import pytest

from cluster.tenants.plan import ConcurrencyLimit, Plan
from deployments.ingress.admission import AdmissionControl
from deployments.jobs.event_notifier import EventNotifier
from deployments.jobs.store import JobStore
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.api.administration.conftest import new_world, seed, world
from tests.api.administration.world import World
from tests.api.jobs.desk import Desk, app_with

__all__ = ["new_world", "seed", "world"]


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    """Every tenant may have one request open at a time; news is there at once."""
    clock = world.services.clock
    store = JobStore(world.database, clock, Random(1))
    store.watch = EventNotifier(store.last_events, poll_s=0.01)
    plan = Plan(id="narrow", concurrency=ConcurrencyLimit(limit=1))

    async def unspent(*_: object) -> int:
        return 0

    limiter = TenantLimiter(MemoryAuthority(clock), "test", clock, unspent, lambda _: None)
    admission = AdmissionControl(limiter, world.trail, clock)
    yield Desk(replace(world, app=app_with(world, admission, plan, store)), store)
    await limiter.close()
