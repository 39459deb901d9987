"""Several shards as one tier: one place for each claim, whatever the load, and failing alone."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cluster.runtime.clock import ManualClock
from deployments.cache.tiers.local_shared_tier import InMemorySharedTier
from deployments.cache.tiers.sharded import ShardedTier
from deployments.cache.tiers.sharding import ShardSelector
from deployments.contracts.cache import (
    KEY_BYTES,
    LeaseAcquired,
    LeaseHeldElsewhere,
    TierUnavailable,
)

MB = 1 << 20
SHARDS = 3


class Shard(InMemorySharedTier):
    """A tier that can be slow to answer reads, or away; it counts who asks."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(MB, clock)
        self.fast = asyncio.Event()
        self.fast.set()
        self.away = False
        self.asked = 0

    async def get(self, key: bytes) -> bytes | None:
        self._answering()
        await self.fast.wait()
        return await super().get(key)

    async def remove(self, key: bytes) -> None:
        self._answering()
        await super().remove(key)

    def _answering(self) -> None:
        self.asked += 1
        if self.away:
            raise TierUnavailable("away")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shards(clock: ManualClock) -> list[Shard]:
    return [Shard(clock) for _ in range(SHARDS)]


@pytest.fixture
def placing() -> ShardSelector:
    return ShardSelector([str(number) for number in range(SHARDS)], slack=1.25, spare=2)


@pytest.fixture
def tier(shards: list[Shard], placing: ShardSelector, clock: ManualClock) -> ShardedTier:
    return ShardedTier(shards, clock, selector=placing, longest=1000)


def key_of(placing: ShardSelector, home: int, number: int = 0) -> bytes:
    """The `number`th key that lives on shard `home`."""
    keys = (count.to_bytes(KEY_BYTES, "big") for count in range(1000))
    return [key for key in keys if placing.home(key) == home][number]


@asynccontextmanager
async def overloaded(tier: ShardedTier, shard: Shard, key: bytes) -> AsyncIterator[None]:
    """`key`'s home has as many calls in flight as it may have, and more."""
    shard.fast.clear()
    reads = [asyncio.create_task(tier.get(key)) for _ in range(20)]
    await asyncio.sleep(0)
    try:
        yield
    finally:
        shard.fast.set()
        await asyncio.gather(*reads)


async def test_every_key_is_kept_on_its_home(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector
) -> None:
    keys = [number.to_bytes(KEY_BYTES, "big") for number in range(60)]
    for key in keys:
        await tier.put(key, key, 60.0)

    homes = Counter(placing.home(key) for key in keys)
    assert [shard.figures()["entries"] for shard in shards] == [homes[n] for n in range(SHARDS)]


async def test_plain_reads_and_puts_go_around_a_slow_shard(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector
) -> None:
    key = key_of(placing, home=0)
    async with overloaded(tier, shards[0], key):
        await tier.put(key, b"elsewhere", 60.0)
        assert await tier.get(key) == b"elsewhere"

    assert shards[0].figures()["entries"] == 0
    assert tier.figures()["overflows"] > 0


async def test_a_key_is_claimed_on_its_home_alone_whatever_the_load(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector
) -> None:
    """Also when looks are in flight while the load comes and goes."""
    key, busy = key_of(placing, home=0), key_of(placing, home=0, number=1)

    async def look() -> bytes | LeaseAcquired | LeaseHeldElsewhere | None:
        return await tier.get_or_lease(key, 60.0)

    looks = [asyncio.create_task(look()) for _ in range(50)]
    async with overloaded(tier, shards[0], busy):
        assert placing.home(busy) not in list(placing.with_capacity(busy))
        looks += [asyncio.create_task(look()) for _ in range(50)]
        await asyncio.sleep(0)

    found = Counter(type(one) for one in await asyncio.gather(*looks))
    assert found == {LeaseAcquired: 1, LeaseHeldElsewhere: 99}
    assert [shard.figures()["claims"] for shard in shards] == [1, 0, 0]


async def test_who_looks_to_claim_finds_what_was_stored_whatever_the_load(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector
) -> None:
    key, busy = key_of(placing, home=0), key_of(placing, home=0, number=1)
    found = await tier.get_or_lease(key, 60.0)
    assert isinstance(found, LeaseAcquired)

    async with overloaded(tier, shards[0], busy):
        assert await tier.publish(key, found.token, [b"frame"], 60.0) == 0
        assert (await tier.follow(key, found.token, 0, 0.0)).frames == (b"frame",)
        assert await tier.store(key, found.token, b"answer", 60.0)

    assert await tier.get_or_lease(key, 60.0) == b"answer"


async def test_what_was_removed_is_gone_from_every_shard(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector
) -> None:
    key = key_of(placing, home=0)
    async with overloaded(tier, shards[0], key):
        await tier.put(key, b"elsewhere", 60.0)
    await tier.put(key, b"at home", 60.0)
    assert sum(shard.figures()["entries"] for shard in shards) == 2

    await tier.remove(key)

    assert sum(shard.figures()["entries"] for shard in shards) == 0


async def test_a_shard_that_is_away_fails_for_its_keys_only(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector
) -> None:
    shards[0].away = True

    for _ in range(10):
        with pytest.raises(TierUnavailable):
            await tier.get(key_of(placing, home=0))
        for home in (1, 2):
            assert await tier.get(key_of(placing, home)) is None
    assert tier.figures()["overflows"] == 0


async def test_a_shard_that_is_away_is_left_alone_and_comes_back(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector, clock: ManualClock
) -> None:
    key = key_of(placing, home=0)
    shards[0].away = True
    for _ in range(100):
        with pytest.raises(TierUnavailable):
            await tier.get(key)
    assert shards[0].asked == 3

    clock.advance(1.0)
    shards[0].away = False
    assert await tier.get(key) is None
    assert isinstance(await tier.get_or_lease(key, 60.0), LeaseAcquired)


async def test_who_follows_on_a_shard_that_is_away_is_told_at_once(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector
) -> None:
    key = key_of(placing, home=0)
    shards[0].away = True
    for _ in range(3):
        with pytest.raises(TierUnavailable):
            await tier.get(key)

    with pytest.raises(TierUnavailable):
        await tier.follow(key, 1, 0, 60.0)


async def test_removing_says_so_when_a_shard_may_still_have_a_version(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector
) -> None:
    key = key_of(placing, home=0)
    await tier.put(key, b"answer", 60.0)
    shards[2].away = True

    with pytest.raises(TierUnavailable):
        await tier.remove(key)
    assert await tier.get(key) is None


async def test_an_answer_that_is_too_long_is_not_kept_and_ends_its_claim(
    tier: ShardedTier, placing: ShardSelector
) -> None:
    key = key_of(placing, home=0)
    await tier.put(key, bytes(1001), 60.0)
    found = await tier.get_or_lease(key, 60.0)
    assert isinstance(found, LeaseAcquired)

    assert not await tier.store(key, found.token, bytes(1001), 60.0)

    assert await tier.get_or_lease(key, 0) is None
    assert tier.figures()["too_long"] == 2


async def test_shards_that_answer_are_counted_past_their_breakers(
    tier: ShardedTier, shards: list[Shard], placing: ShardSelector
) -> None:
    shards[0].away = True
    for _ in range(20):
        with pytest.raises(TierUnavailable):
            await tier.get(key_of(placing, home=0))

    assert await tier.count_answers() == (SHARDS - 1, SHARDS)

    shards[0].away = False
    assert await tier.count_answers() == (SHARDS, SHARDS)
