"""The shared tier over a real Redis that is killed, frozen, flushed, restarted and cut off."""

import asyncio
import time

import pytest

from cluster.runtime.clock import SystemClock
from deployments.cache.tiers.redis import RedisTier
from deployments.contracts.cache import FollowResult, TierUnavailable
from tests.contract.cache.on_redis import (
    KEY,
    LEASE_S,
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
    waits = []
    began = time.monotonic()
    while time.monotonic() - began < 2.5:
        asked = time.monotonic()
        with pytest.raises(TierUnavailable):
            await hasty.get(KEY)
        waits.append(time.monotonic() - asked)
        await asyncio.sleep(0.002)

    figures = hasty.figures()
    assert figures["errors"] <= 3 + 3  # until it is left alone, and its probes
    assert figures["refused"] > 100
    assert max(waits) <= 10 * TIMEOUT_S  # the machine may be busy
    assert sum(waits) / len(waits) <= 0.01

    redis_server.thaw()
    await until(lambda: works(hasty))


async def test_100_at_once_on_a_frozen_redis_wait_once_together(
    hasty: RedisTier, redis_server: RedisServer
) -> None:
    redis_server.freeze()
    began = time.monotonic()
    outcomes = await asyncio.gather(
        *(hasty.get_or_lease(key(number), LEASE_S) for number in range(100)), return_exceptions=True
    )

    assert all(isinstance(outcome, TierUnavailable) for outcome in outcomes)
    assert time.monotonic() - began <= 60 * TIMEOUT_S  # one after the other: 100
    redis_server.thaw()
    await until(lambda: works(hasty))


async def test_a_killed_redis_is_noticed_at_once_and_comes_back_by_itself(
    hasty: RedisTier, redis_server: RedisServer
) -> None:
    token = await claim(hasty)
    redis_server.kill()
    began = time.monotonic()
    with pytest.raises(TierUnavailable):
        await hasty.get(KEY)
    with pytest.raises(TierUnavailable):
        await hasty.publish(KEY, token, [], LEASE_S)
    assert time.monotonic() - began <= 60 * TIMEOUT_S

    redis_server.restart()
    await until(lambda: works(hasty))
    assert not await hasty.store(KEY, token, b"late", 60.0)
    assert await hasty.get(KEY) is None


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

    async with asyncio.timeout(2.0):
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

    assert (await asyncio.wait_for(waiting, 5.0)).state == "gone"
    assert await leader.publish(KEY, token, [b"frame"], LEASE_S) == -1
    assert await claim(follower) > token
    assert not await leader.store(KEY, token, b"late", 60.0)


async def test_a_leader_survives_a_publish_that_failed(
    hasty: RedisTier, redis_server: RedisServer
) -> None:
    token = await claim(hasty)
    redis_server.freeze()
    with pytest.raises(TierUnavailable):
        await hasty.publish(KEY, token, [b"first"], LEASE_S)
    redis_server.thaw()
    await until(lambda: works(hasty))

    assert (await hasty.follow(KEY, token, 0, 0.0)).frames in ((), (b"first",))
    assert await hasty.publish(KEY, token, [], LEASE_S) >= 0
    assert await hasty.store(KEY, token, b"whole", 60.0)
    assert (await hasty.follow(KEY, token, 0, 0.0)).sealed == b"whole"
