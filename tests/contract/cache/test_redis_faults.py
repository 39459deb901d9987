"""The shared tier over a real Redis that is killed, frozen, flushed, restarted and cut off."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from cluster.runtime.clock import SystemClock
from deployments.cache.tiers.redis import RedisTier
from deployments.contracts.cache import FollowResult, TierUnavailable
from tests.contract.cache.on_redis import (
    KEY,
    LEASE_S,
    LONG_TIMEOUT_S,
    TIMEOUT_S,
    admin,
    claim,
    key,
    until,
    works,
)
from tests.servers.redis_server import RedisServer


async def test_a_frozen_redis_costs_a_few_timeouts_and_then_one_a_second(
    hasty: RedisTier, redis_server: RedisServer
) -> None:
    redis_server.freeze()
    began = time.monotonic()
    elapsed_s = 0.0
    while elapsed_s < 2.5 or hasty.figures()["refused"] <= 100:
        with pytest.raises(TierUnavailable):
            await hasty.get(KEY)
        await asyncio.sleep(0.002)
        elapsed_s = time.monotonic() - began

    # Each error waited for the timeout: a few until it is left alone, then one probe a second.
    assert hasty.figures()["errors"] <= 3 + 1 + elapsed_s

    redis_server.thaw()
    await until(lambda: works(hasty))


async def test_100_at_once_on_a_frozen_redis_wait_once_together(
    redis_server: RedisServer,
) -> None:
    timeout_s = 0.5
    tier = RedisTier(redis_server.url, SystemClock(), timeout_s=timeout_s)
    await until(lambda: works(tier))
    redis_server.freeze()
    async with asyncio.timeout(60 * timeout_s):  # one after the other: 100
        outcomes = await asyncio.gather(
            *(tier.get_or_lease(key(number), LEASE_S) for number in range(100)),
            return_exceptions=True,
        )

    assert all(isinstance(outcome, TierUnavailable) for outcome in outcomes)
    redis_server.thaw()
    await until(lambda: works(tier))
    await tier.close()


async def test_a_killed_redis_is_noticed_at_once_and_comes_back_by_itself(
    patient: RedisTier, redis_server: RedisServer
) -> None:
    token = await claim(patient)
    redis_server.kill()
    async with asyncio.timeout(LONG_TIMEOUT_S / 2):  # no call waited for its own timeout
        with pytest.raises(TierUnavailable):
            await patient.get(KEY)
        with pytest.raises(TierUnavailable):
            await patient.publish(KEY, token, [], LEASE_S)

    redis_server.restart()
    await until(lambda: works(patient))
    assert not await patient.store(KEY, token, b"late", 60.0)
    assert await patient.get(KEY) is None


async def test_tokens_rise_through_a_restart(patient: RedisTier, redis_server: RedisServer) -> None:
    before = await claim(patient)
    redis_server.restart()
    await until(lambda: works(patient))

    assert await claim(patient) > before


async def test_a_redis_that_is_not_there_is_a_tier_that_is_down() -> None:
    tier = RedisTier("redis://127.0.0.1:1/0", SystemClock(), timeout_s=TIMEOUT_S)
    with pytest.raises(TierUnavailable, match="Error"):
        await tier.get(KEY)
    assert tier.figures()["errors"] == 1
    await tier.close()


async def test_a_follower_is_told_when_the_connection_is_lost(
    patient: RedisTier, redis_server: RedisServer
) -> None:
    token = await claim(patient)
    waiting = asyncio.create_task(patient.follow(KEY, token, 0, 30.0))
    await asyncio.sleep(0.05)
    redis_server.kill()

    async with asyncio.timeout(25.0):
        with pytest.raises(TierUnavailable):
            await waiting
    redis_server.restart()


async def test_a_follower_outlives_a_connection_that_is_cut(
    pair: tuple[RedisTier, RedisTier], redis_server: RedisServer
) -> None:
    leader, follower = pair
    token = await claim(leader)
    waiting = asyncio.create_task(follower.follow(KEY, token, 0, 30.0))
    await asyncio.sleep(0.05)
    with admin(redis_server) as client:
        client.client_kill_filter(_type="normal")
    outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
    assert isinstance(outcome, TierUnavailable | FollowResult)

    await until(lambda: publishes(leader, token))
    assert (await follower.follow(KEY, token, 0, 30.0)).frames == (b"frame",)


async def publishes(leader: RedisTier, token: int) -> bool:
    return await leader.publish(KEY, token, [], LEASE_S) >= 0 and (
        await leader.publish(KEY, token, [b"frame"], LEASE_S) >= 0
    )


async def test_a_flush_ends_claims_and_followers_look_anew(
    pair: tuple[RedisTier, RedisTier], redis_server: RedisServer
) -> None:
    leader, follower = pair
    token = await claim(leader)
    waiting = asyncio.create_task(follower.follow(KEY, token, 0, 30.0))
    await asyncio.sleep(0.05)
    redis_server.flush()

    assert (await asyncio.wait_for(waiting, 25.0)).state == "gone"
    assert await leader.publish(KEY, token, [b"frame"], LEASE_S) == -1
    assert await claim(follower) > token
    assert not await leader.store(KEY, token, b"late", 60.0)


@pytest.fixture
async def leader(redis_server: RedisServer) -> AsyncIterator[RedisTier]:
    """A tier whose calls end soon if Redis is frozen, and are in time on a busy machine."""
    tier = RedisTier(redis_server.url, SystemClock(), timeout_s=1.0)
    yield tier
    await tier.close()


async def test_a_leader_survives_a_publish_that_failed(
    leader: RedisTier, redis_server: RedisServer
) -> None:
    token = await claim(leader, lease_s=60.0)
    redis_server.freeze()
    with pytest.raises(TierUnavailable):
        await leader.publish(KEY, token, [b"first"], 60.0)
    redis_server.thaw()
    await until(lambda: works(leader))

    assert (await leader.follow(KEY, token, 0, 0.0)).frames in ((), (b"first",))
    assert await leader.publish(KEY, token, [], 60.0) >= 0
    assert await leader.store(KEY, token, b"whole", 60.0)
    assert (await leader.follow(KEY, token, 0, 0.0)).sealed == b"whole"
