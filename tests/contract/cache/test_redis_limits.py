"""The shared tier over a real Redis that evicts or is full, and what is kept in it and how."""

import asyncio
import os
import random
from contextlib import suppress

import pytest

from deployments.cache.codec import AesGcmCodec
from deployments.cache.tiers.redis import LARGEST_BYTES, RedisTier
from deployments.contracts.cache import Entry, LeaseAcquired, TierUnavailable, Ttls
from tests.contract.cache.on_redis import (
    KEY,
    LEASE_S,
    MB,
    admin,
    claim,
    key,
)
from tests.servers.redis_server import RedisServer


async def test_a_redis_that_evicts_all_the_time_gives_the_right_answer_or_none(
    pair: tuple[RedisTier, RedisTier], redis_server: RedisServer
) -> None:
    sealer = AesGcmCodec(b"secret")
    rng = random.Random(1)
    outcomes: dict[str, int] = {"hit": 0, "computed": 0, "lost": 0, "down": 0}

    async def one(number: int) -> None:
        try:
            await look_or_compute(number)
        except TierUnavailable:
            outcomes["down"] += 1

    async def look_or_compute(number: int) -> None:
        name = key(number)
        expected = Entry("acme", "nano", 1, 1.7e9, 0.1, Ttls(1.0, 2.0, 3.0), bytes([number]) * 99)
        tier = rng.choice(pair)
        found = await tier.get_or_lease(name, LEASE_S)
        if isinstance(found, bytes):
            assert sealer.decrypt(name, found) == expected
            outcomes["hit"] += 1
        elif isinstance(found, LeaseAcquired):
            frames = [rng.randbytes(rng.randint(1, 20_000)) for _ in range(5)]
            await tier.publish(name, found.token, frames, LEASE_S)
            told = await pair[0].follow(name, found.token, 0, 0.0)
            assert told.state in ("gone", "stored") or list(told.frames) == frames
            stored = await tier.store(name, found.token, sealer.encrypt(name, expected), 60.0)
            outcomes["computed" if stored else "lost"] += 1

    with admin(redis_server) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 4 * MB)
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            for _ in range(100):
                some = (rng.randrange(256) for _ in range(20))
                await asyncio.gather(*(one(number) for number in some))
                with suppress(TierUnavailable):
                    await pair[0].put(key(rng.randrange(1000, 2000)), bytes(50_000), 60.0)
            evicted = client.info("stats")["evicted_keys"]
        finally:
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")

    assert evicted > 100
    assert outcomes["hit"] > 0
    assert outcomes["computed"] > 0


async def test_a_full_redis_that_does_not_evict_still_answers_what_it_has(
    patient: RedisTier, redis_server: RedisServer
) -> None:
    await patient.put(KEY, b"sealed", 60.0)
    with admin(redis_server) as client:
        client.config_set("maxmemory", 1)
        try:
            for number in range(5):
                with pytest.raises(TierUnavailable, match="OutOfMemory"):
                    await patient.put(key(number), b"more", 60.0)
            token = await claim(patient, key(1))
            with pytest.raises(TierUnavailable, match="OutOfMemory"):
                await patient.store(key(1), token, b"more", 60.0)
            assert (await patient.follow(key(1), token, 0, 30.0)).state == "gone"
            assert await patient.get_or_lease(KEY, LEASE_S) == b"sealed"
        finally:
            client.config_set("maxmemory", 0)


@pytest.mark.parametrize("size", [1 * MB, 5 * MB])
async def test_large_answers_arrive_whole(pair: tuple[RedisTier, RedisTier], size: int) -> None:
    sealed = os.urandom(size)
    token = await claim(pair[0])
    waiting = asyncio.create_task(pair[1].follow(KEY, token, 0, 30.0))
    assert await pair[0].store(KEY, token, sealed, 60.0)

    assert (await waiting).sealed == sealed
    assert await pair[1].get(KEY) == sealed


async def test_what_is_too_large_is_not_put_and_only_ends_the_claim(
    pair: tuple[RedisTier, RedisTier],
) -> None:
    token = await claim(pair[0])

    assert not await pair[0].store(KEY, token, bytes(LARGEST_BYTES + 1), 60.0)
    await pair[0].put(KEY, bytes(LARGEST_BYTES + 1), 60.0)
    assert await pair[0].get_or_lease(KEY, 0) is None
    assert pair[0].figures()["too_large"] == 2


async def test_nothing_is_left_in_redis_for_ever(
    pair: tuple[RedisTier, RedisTier], redis_server: RedisServer
) -> None:
    leader, follower = pair
    token = await claim(leader)
    await follower.follow(KEY, token, 0, 0.0)
    await leader.publish(KEY, token, [b"frame"], LEASE_S)
    await leader.put(key(1), b"sealed", 1e12)
    await leader.store(key(2), await claim(leader, key(2)), b"sealed", 60.0)

    with admin(redis_server) as client:
        names = client.keys()
        assert len(names) == 4
        assert all(name.startswith(b"mobula:cache:") for name in names)
        assert all(0 < client.pttl(name) <= 30 * 86400 * 1000 for name in names)


async def test_callers_that_give_up_leave_nobody_with_their_answer(
    pair: tuple[RedisTier, RedisTier],
) -> None:
    """A connection given back with an answer unread would hand it to the next caller."""
    tier = pair[0]
    rng = random.Random(2)
    for number in range(50):
        await tier.put(key(number), key(number) * 1000, 60.0)

    async def impatient(number: int) -> None:
        reading = asyncio.create_task(tier.get(key(number)))
        for _ in range(rng.randrange(12)):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    async def patient(number: int) -> None:
        assert await tier.get(key(number)) == key(number) * 1000

    for _ in range(20):
        mixed = [rng.choice((impatient, patient))(number) for number in range(50)]
        await asyncio.gather(*mixed)


async def test_a_call_that_is_cancelled_under_way_ends_so(
    pair: tuple[RedisTier, RedisTier],
) -> None:
    """Whoever cancels a call waits for its end: one that went on would hold him up for ever."""
    leader, _ = pair
    found = await leader.get_or_lease(KEY, lease_s=60)
    assert isinstance(found, LeaseAcquired)
    cancelled = 0
    for turns in range(100):
        call = asyncio.create_task(leader.publish(KEY, found.token, [b"frame"], lease_s=60))
        for _ in range(turns % 5):
            await asyncio.sleep(0)
        if call.cancel():
            cancelled += 1
            with pytest.raises(asyncio.CancelledError):
                await call
    assert cancelled > 50
