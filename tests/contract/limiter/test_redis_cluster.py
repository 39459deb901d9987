"""Limits in a Redis Cluster: every node has some tenants, and fails alone."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import redis as driver

from cluster.runtime.clock import SystemClock
from cluster.tenants.plan import Plan, RequestClass
from deployments.contracts.limits import (
    AuthorityUnavailable,
    BucketKind,
    BucketSpec,
    ExchangeResult,
    LeaseRequest,
)
from deployments.limiter.authority.redis import RedisAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.limits.simulated_limiters import nothing_spent
from tests.cluster.polling import eventually
from tests.servers.redis_cluster import RedisClusterServers
from tests.servers.redis_server import RedisServer

GENERATE = RequestClass.GENERATE
LIMITED = Plan.model_validate({"id": "p", "concurrency": {"limit": 100}})
TENANTS = [f"t{number}" for number in range(60)]


def test_a_url_of_a_cluster_names_nodes() -> None:
    authority = RedisAuthority("redis+cluster://user:word@one:1,[::1]:2,three")

    nodes = {(node.host, node.port) for node in authority._connection.client.startup_nodes}
    assert nodes == {("one", 1), ("::1", 2), ("three", 6379)}
    assert authority._connection.client.connection_kwargs["password"] == "word"


@pytest.fixture
def servers() -> Iterator[RedisClusterServers]:
    """With a replica of the first master; its nodes may be ended."""
    with RedisClusterServers(replicas=1) as servers:
        yield servers


@pytest.fixture
async def authority(servers: RedisClusterServers) -> AsyncIterator[RedisAuthority]:
    authority = RedisAuthority(servers.url)
    await authority.warm_up()
    yield authority
    await authority.close()


def key_of(authority: RedisAuthority, tenant: str) -> str:
    return authority.locate(tenant)._keys([])[0]


async def exchange(authority: RedisAuthority, tenant: str) -> ExchangeResult | None:
    """A new bucket of the tenant; None where its node does not answer."""
    request = LeaseRequest(BucketSpec(f"{tenant}|slots", BucketKind.SLOTS, 10), 1, 0, want=1)
    try:
        return await authority.locate(tenant).exchange("r1", "", 1.0, [request])
    except AuthorityUnavailable:
        return None


async def answered(authority: RedisAuthority) -> set[str]:
    """The tenants whose exchange is answered now."""
    results = await asyncio.gather(*(exchange(authority, tenant) for tenant in TENANTS))
    return {tenant for tenant, result in zip(TENANTS, results, strict=True) if result}


def tenants_of(
    servers: RedisClusterServers, authority: RedisAuthority, node: RedisServer
) -> set[str]:
    return {each for each in TENANTS if servers.owner(key_of(authority, each)) is node}


@pytest.mark.exhaustive
async def test_tenants_are_spread_over_the_nodes_and_admitted_by_each(
    redis_cluster: RedisClusterServers,
) -> None:
    redis_cluster.flush()
    authority = RedisAuthority(redis_cluster.url, timeout_s=5.0)
    limiter = TenantLimiter(
        authority, "r1", SystemClock(), nothing_spent, lambda event: None, patience_s=5.0
    )
    permits = await asyncio.gather(*(limiter.admit(each, LIMITED, GENERATE) for each in TENANTS))
    for permit in permits:
        permit.close()
    await limiter.close()
    await authority.close()

    held = []
    for node in redis_cluster.masters:
        with driver.Redis.from_url(node.url) as client:
            keys = [key.decode() for key in client.scan_iter("mobula:limits:*")]
        assert all(redis_cluster.owner(key) is node for key in keys)
        held.append(sum(key.endswith("|slots") for key in keys))
    assert sum(held) == len(TENANTS)
    assert all(held)


@pytest.mark.exhaustive
async def test_a_dead_node_concerns_its_own_tenants_and_its_replica_takes_over(
    servers: RedisClusterServers, authority: RedisAuthority
) -> None:
    assert await answered(authority) == set(TENANTS)
    first = servers.masters[0]
    its_own = tenants_of(servers, authority, first)
    assert 0 < len(its_own) < len(TENANTS)

    first.kill()
    for _ in range(5):
        assert await answered(authority) == set(TENANTS) - its_own
    servers.take_over()

    async def all_answered() -> bool:
        return await answered(authority) == set(TENANTS)

    await eventually(all_answered)


@pytest.mark.exhaustive
async def test_a_frozen_node_delays_its_own_tenants_only(
    servers: RedisClusterServers, authority: RedisAuthority
) -> None:
    frozen = servers.masters[1]
    its_own = tenants_of(servers, authority, frozen)
    assert await answered(authority) == set(TENANTS)
    frozen.freeze()
    assert await answered(authority) == set(TENANTS) - its_own
    frozen.thaw()

    async def all_answered() -> bool:
        return await answered(authority) == set(TENANTS)

    await eventually(all_answered)


@pytest.mark.exhaustive
async def test_a_group_whose_slot_moves_is_found_at_its_new_node(
    servers: RedisClusterServers, authority: RedisAuthority
) -> None:
    """As when the operator balances the slots; this one was not used yet."""
    assert await authority.locate("acme").exchange("r1", "", 1.0, [])  # the nodes are known
    groups = [authority.locate(tenant) for tenant in TENANTS]
    moved = next(each for each in groups if each is not authority.locate("acme"))
    key = moved._keys([])[0]
    target = next(node for node in servers.masters if node is not servers.owner(key))
    servers.move_slot(key, target)

    first = await moved.exchange("r1", "", 1.0, [])
    second = await moved.exchange("r1", first.epoch, 1.0, [])
    assert second.continued
    with driver.Redis.from_url(target.url) as client:
        assert client.exists(key)


async def test_nodes_that_cannot_be_reached_are_no_authority() -> None:
    authority = RedisAuthority("redis+cluster://127.0.0.1:1,127.0.0.1:2")
    await authority.warm_up()
    with pytest.raises(AuthorityUnavailable):
        await authority.locate("acme").exchange("r1", "", 1.0, [])
    await authority.close()
