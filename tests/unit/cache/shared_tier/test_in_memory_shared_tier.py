"""The embedded shared tier by a clock of its own: lives, leases, tokens, and what bounds it."""

import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.clock import ManualClock
from deployments.cache.single_flight.compute_leases import LOG_BYTES, REPLY_BYTES
from deployments.cache.tiers.local_shared_tier import ENTRY_BYTES, LOGS_SHARE, InMemorySharedTier
from deployments.contracts.cache import KEY_BYTES, FollowResult, LeaseAcquired, LeaseHeldElsewhere

MB = 1 << 20
KEY = bytes(range(KEY_BYTES))
OTHER = bytes(KEY_BYTES)


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES, "big")


async def claim(tier: InMemorySharedTier, at: bytes = KEY, lease_s: float = 2.0) -> int:
    found = await tier.get_or_lease(at, lease_s)
    assert isinstance(found, LeaseAcquired)
    return found.token


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tier(clock: ManualClock) -> InMemorySharedTier:
    return InMemorySharedTier(64 * MB, clock)


async def test_an_answer_lives_exactly_as_long_as_it_was_put_for(
    tier: InMemorySharedTier, clock: ManualClock
) -> None:
    await tier.put(KEY, b"answer", 10.0)

    clock.advance(9.99)
    assert await tier.get(KEY) == b"answer"
    clock.advance(0.01)
    assert await tier.get(KEY) is None
    assert tier.figures()["entries"] == 0


async def test_a_claim_lives_exactly_as_long_as_its_lease(
    tier: InMemorySharedTier, clock: ManualClock
) -> None:
    token = await claim(tier, lease_s=2.0)

    clock.advance(1.99)
    assert await tier.get_or_lease(KEY, 2.0) == LeaseHeldElsewhere(token)
    clock.advance(0.01)
    assert await claim(tier) > token


async def test_publishing_renews_from_now_on(tier: InMemorySharedTier, clock: ManualClock) -> None:
    token = await claim(tier, lease_s=2.0)

    for _ in range(10):
        clock.advance(1.5)
        assert await tier.publish(KEY, token, (), 2.0) == 0

    clock.advance(2.0)
    assert await tier.publish(KEY, token, (), 2.0) == -1


async def test_a_restart_loses_claims_and_fences_their_leaders(clock: ManualClock) -> None:
    before = InMemorySharedTier(MB, clock)
    tokens = [await claim(before, key(number)) for number in range(1000)]
    clock.advance(0.01)
    after = InMemorySharedTier(MB, clock)

    assert await after.follow(KEY, tokens[0], 0, 0.0) == FollowResult("gone")
    assert await claim(after, key(0)) > tokens[-1]
    assert not await after.store(key(0), tokens[0], b"from before", 60.0)
    assert after.figures()["fenced"] == 1


class Model:
    """One key of a tier, beside what it should say: the last claim counts, within its lease."""

    def __init__(self, tier: InMemorySharedTier, clock: ManualClock, at: bytes) -> None:
        self._tier, self._clock, self._at = tier, clock, at
        self._until = 0.0
        self.tokens = [0]

    def _counts(self, token: int) -> bool:
        return token == self.tokens[-1] and self._until > self._clock.monotonic()

    async def get_or_lease(self, _: int, lease_s: float) -> None:
        found = await self._tier.get_or_lease(self._at, lease_s)
        if self._counts(self.tokens[-1]):
            assert found == LeaseHeldElsewhere(self.tokens[-1])
            return
        assert isinstance(found, LeaseAcquired)
        assert found.token > self.tokens[-1]
        self.tokens.append(found.token)
        self._until = self._clock.monotonic() + lease_s

    async def publish(self, token: int, lease_s: float) -> None:
        followers = await self._tier.publish(self._at, token, [b"x"], lease_s)
        assert followers == (0 if self._counts(token) else -1)
        if self._counts(token):
            self._until = self._clock.monotonic() + lease_s

    async def store(self, token: int, _: float) -> None:
        sealed = b"of %d" % token
        assert await self._tier.store(self._at, token, sealed, 60.0) is self._counts(token)
        assert await self._tier.get(self._at) == (sealed if self._counts(token) else None)
        await self._tier.remove(self._at)
        self._end(token)

    async def release(self, token: int, _: float) -> None:
        await self._tier.release(self._at, token)
        self._end(token)

    def _end(self, token: int) -> None:
        self._until = 0.0 if self._counts(token) else self._until


@given(st.integers(0, 2**32 - 1))
async def test_only_the_last_claim_within_its_lease_counts(seed: int) -> None:
    rng, clock = random.Random(seed), ManualClock()
    tier = InMemorySharedTier(MB, clock)
    models = [Model(tier, clock, at) for at in (KEY, OTHER)]

    for _ in range(60):
        model = rng.choice(models)
        step = rng.choice((model.get_or_lease, model.publish, model.store, model.release))
        await step(rng.choice(model.tokens[-2:]), rng.choice((1.0, 3.0)))
        clock.advance(rng.choice((0.0, 0.0, 0.5, 1.0)))


async def test_a_value_of_another_flight_is_not_this_one_s_answer(
    tier: InMemorySharedTier,
) -> None:
    """Else a follower would go on with another text than it has begun with."""
    lost = await claim(tier)
    await tier.release(KEY, lost)
    await tier.store(KEY, await claim(tier), b"another text", 60.0)

    assert await tier.follow(KEY, lost, 1, 0.0) == FollowResult("gone")


async def test_an_answer_too_large_to_keep_is_still_handed_to_who_waits(clock: ManualClock) -> None:
    tier = InMemorySharedTier(MB, clock)
    token = await claim(tier)

    assert await tier.store(KEY, token, bytes(2 * MB), 60.0)
    assert await tier.get_or_lease(KEY, 0) is None
    assert tier.figures()["bytes"] == 0


async def test_answers_stay_within_their_bytes_under_a_flood(clock: ManualClock) -> None:
    tier, rng = InMemorySharedTier(MB, clock), random.Random(1)
    for number in range(5000):
        await tier.put(key(number), bytes(rng.randrange(3000)), 60.0)
        assert tier.figures()["bytes"] <= MB

    assert tier.figures()["evictions"] > 3000
    assert tier.figures()["entries"] * ENTRY_BYTES <= MB


async def test_memory_stays_near_the_bytes_that_it_may_take(clock: ManualClock) -> None:
    """Small answers are mostly overhead: it must be counted."""
    limit = 4 * MB
    tracemalloc.start()
    tier = InMemorySharedTier(limit, clock)
    for number in range(20_000):
        await tier.put(key(number), bytes(10), 60.0)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert used <= 1.1 * limit


async def test_claims_and_logs_of_the_dead_go_with_their_leases(
    tier: InMemorySharedTier, clock: ManualClock
) -> None:
    for number in range(10_000):
        token = await claim(tier, key(number), lease_s=2.0)
        await tier.publish(key(number), token, [bytes(100)], 2.0)
        clock.advance(0.001)
    figures = tier.figures()
    assert figures["claims"] <= 2000
    assert figures["log_bytes"] <= 2000 * 200

    clock.advance(2.0)
    figures = tier.figures()
    assert (figures["claims"], figures["log_bytes"]) == (0, 0)


async def test_a_log_that_grows_too_long_is_given_up_but_not_its_flight(
    tier: InMemorySharedTier,
) -> None:
    token, frame = await claim(tier), bytes(MB)
    for _ in range(LOG_BYTES // MB + 1):
        assert await tier.publish(KEY, token, [frame], 60.0) == 0

    assert tier.figures()["log_bytes"] == 0
    assert await tier.follow(KEY, token, 2, 0.01) == FollowResult("running")
    assert await tier.publish(KEY, token, [b"more"], 60.0) == 1
    assert await tier.follow(KEY, token, 0, 0.01) == FollowResult("running")
    assert await tier.store(KEY, token, b"answer", 60.0)


async def test_all_logs_together_are_bounded(clock: ManualClock) -> None:
    tier = InMemorySharedTier(MB, clock)
    for number in range(100):
        token = await claim(tier, key(number))
        await tier.publish(key(number), token, [bytes(10_000)] * 3, 2.0)
        assert tier.figures()["log_bytes"] <= MB // LOGS_SHARE

    assert tier.figures()["claims"] == 100


@given(st.lists(st.sampled_from([0, 1, 400_000, 700_000, 1_200_000]), max_size=3))
async def test_a_follower_is_told_in_messages_of_bounded_length(sizes: list[int]) -> None:
    tier = InMemorySharedTier(64 * MB, ManualClock())
    token, frames = await claim(tier), [bytes(size) for size in sizes]
    await tier.publish(KEY, token, frames, 2.0)

    seen: list[bytes] = []
    while len(seen) < len(frames):
        told = (await tier.follow(KEY, token, len(seen), 0.0)).frames
        assert len(told) == 1 or sum(map(len, told)) <= REPLY_BYTES
        seen += told

    assert seen == frames
