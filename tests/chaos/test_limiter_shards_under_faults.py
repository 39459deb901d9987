"""The embedded authority in shards, over HTTP: their number changes under load, and one is killed.

Limits stay exact while tenants move; a killed shard concerns only its own tenants.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from deployments.limiter.layout import ShardLayout, shard_name
from tests.chaos.cluster_process import ClusterProcess
from tests.cluster.polling import eventually
from tests.cluster.shots import Shot, fire, is_decided, shoot, worst_excess
from tests.cluster.tenants import Tenant, make_tenant

pytestmark = pytest.mark.exhaustive  # each test deploys the limiter anew
REPLICAS = 2
RATE, BURST = 20, 20
LIMIT = {"generate": {"requests": {"limit": RATE, "per": "second", "burst": BURST}}}


@pytest.fixture
def divided(embedded: ClusterProcess) -> Iterator[ClusterProcess]:
    """The shared cluster, with one shard before and afterwards."""
    yield embedded
    embedded.divide_limits(1)


@pytest.fixture
async def operator(divided: ClusterProcess) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {divided.key}"}
    async with httpx.AsyncClient(base_url=divided.url, headers=headers, timeout=30) as client:
        yield client


def reach(loads: list[list[Shot]], least: list[int]) -> bool:
    """Whether so many requests of each tenant were admitted."""
    return all(admitted(shots) >= count for shots, count in zip(loads, least, strict=True))


def admitted(shots: list[Shot]) -> int:
    return sum(shot.status == 200 for shot in shots)


async def test_limits_stay_exact_while_tenants_move_to_other_shards(
    divided: ClusterProcess, operator: httpx.AsyncClient
) -> None:
    tenants = [await make_tenant(operator, rates=LIMIT) for _ in range(3)]
    loads: list[list[Shot]] = [[] for _ in tenants]
    stop = asyncio.Event()

    async def load(tenant: Tenant, shots: list[Shot]) -> None:
        while not stop.is_set():
            shots += await fire(divided.url, tenant, 1.0, 2 * RATE)

    async def reshard() -> None:
        try:
            for shards in (3, 2):
                await asyncio.to_thread(divided.divide_limits, shards)
                until = [admitted(shots) + 2 * BURST for shots in loads]
                await eventually(lambda least=until: reach(loads, least))
        finally:
            stop.set()

    await asyncio.gather(*map(load, tenants, loads), reshard())
    for shots in loads:
        excess = worst_excess(shots[-1500:], RATE, BURST)
        print(f"{len(shots)} sent, {admitted(shots)} admitted, excess {excess:+.1f}")  # noqa: T201
        assert [shot for shot in shots if not is_decided(shot)] == []
        assert excess <= 0


async def test_a_killed_shard_concerns_its_own_tenants_only(
    divided: ClusterProcess, operator: httpx.AsyncClient
) -> None:
    divided.divide_limits(2)
    budget, found = {"requests": {"day": 10_000}}, dict[int, Tenant]()
    while len(found) < 2:
        tenant = await make_tenant(operator, budgets=budget)
        found.setdefault(ShardLayout(1, 2).owner(tenant.id), tenant)
    for tenant in found.values():
        await eventually(lambda of=tenant: answers(operator, of, 200))

    divided.kill_one(shard_name(1))
    others = [shot for _ in range(20) for shot in [await shoot(operator, found[0])]]
    assert {shot.status for shot in others} == {200}
    await eventually(lambda: answers(operator, found[1], 200), timeout_s=60)


async def answers(client: httpx.AsyncClient, tenant: Tenant, status: int) -> bool:
    shots = await asyncio.gather(*(shoot(client, tenant) for _ in range(8)))
    return {shot.status for shot in shots} == {status}
