"""Redis as the authority of many tenants: one round trip a tick, and keys that share a slot."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis as driver
from redis.crc import key_slot

from cluster.runtime.clock import SystemClock
from cluster.tenants.plan import Plan, RequestClass
from deployments.limiter.authority.redis import GROUPS, RedisAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.limits.simulated_limiters import nothing_spent
from tests.servers.redis_server import RedisServer

GENERATE = RequestClass.GENERATE
LIMITED = Plan.model_validate(
    {
        "id": "p",
        "rates": {"generate": {"requests": {"limit": 100, "per": "second", "burst": 100}}},
        "concurrency": {"limit": 100},
    }
)


class RoundTrips(RedisAuthority):
    """Counts the pipelines that are sent."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout_s=5.0)
        self.sent: list[int] = []
        client = self._connection.client
        make = client.pipeline

        def pipeline(**options: Any) -> Any:
            made = make(**options)
            execute = made.execute

            async def counted(**how: Any) -> Any:
                self.sent.append(len(made.command_stack))
                return await execute(**how)

            made.execute = counted
            return made

        client.pipeline = pipeline


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[RoundTrips]:
    authority = RoundTrips(redis_server.url)
    yield authority
    await authority.close()


def limiter_on(redis: RedisAuthority) -> TenantLimiter:
    return TenantLimiter(
        redis, "r1", SystemClock(), nothing_spent, lambda event: None, patience_s=5.0
    )


async def test_the_exchanges_of_all_tenants_of_a_tick_are_one_round_trip(
    redis: RoundTrips,
) -> None:
    limiter = limiter_on(redis)
    (await limiter.admit("first", LIMITED, GENERATE)).close()  # the script is known from here on
    redis.sent.clear()
    tenants = [f"t{number}" for number in range(60)]
    permits = await asyncio.gather(
        *(limiter.admit(tenant, LIMITED, GENERATE) for tenant in tenants)
    )

    assert redis.sent == [60]
    redis.sent.clear()
    for permit in permits:
        permit.close()
    await limiter.close()
    assert len(redis.sent) <= 3
    assert max(redis.sent) >= 60


async def test_all_keys_of_a_script_are_in_one_slot_of_a_cluster(
    redis: RoundTrips, redis_server: RedisServer
) -> None:
    limiter = limiter_on(redis)
    for number in range(40):
        await limiter.admit(f"t{number}", LIMITED, GENERATE)
    with driver.Redis.from_url(redis_server.url) as client:
        keys: list[bytes] = list(client.scan_iter("mobula:limits:*"))
    await limiter.close()

    slots: dict[bytes, set[int]] = {}
    for key in keys:
        slots.setdefault(key.split(b"{")[1].split(b"}")[0], set()).add(key_slot(key))
    assert 1 < len(slots) <= GROUPS
    assert all(len(found) == 1 for found in slots.values())
    tags = Counter(key.split(b":")[2] for key in keys if b"|slots" in key)
    assert sum(tags.values()) == 40


async def test_a_session_is_renewed_without_any_bucket(redis: RoundTrips) -> None:
    group = redis.locate("acme")
    first = await group.exchange("r1", "", 1.0, [])
    second = await group.exchange("r1", first.epoch, 1.0, [])

    assert (first.continued, second.continued) == (False, True)
    assert (second.epoch, second.replicas, second.grants) == (first.epoch, 1, ())
