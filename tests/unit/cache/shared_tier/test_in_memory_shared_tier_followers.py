"""How many follow a flight, though followers come, go, and never say who they are."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.clock import ManualClock
from deployments.cache.single_flight.compute_leases import FOLLOWING_S, FollowerCount
from deployments.cache.tiers.local_shared_tier import InMemorySharedTier
from deployments.contracts.cache import KEY_BYTES, FollowResult, LeaseAcquired

KEY = bytes(KEY_BYTES)


def test_who_waits_is_counted_for_as_long_as_it_takes() -> None:
    followers = FollowerCount()
    followers.add(0.0)

    assert followers.count(1000.0) == 1


def test_who_left_is_counted_for_a_few_seconds() -> None:
    followers = FollowerCount()
    followers.add(0.0)
    followers.remove(1.0)

    assert followers.count(1.0 + FOLLOWING_S - 0.01) == 1
    assert followers.count(1.0 + FOLLOWING_S) == 0


def test_who_comes_back_is_counted_once() -> None:
    followers = FollowerCount()
    for asked in range(100):
        followers.add(asked * 0.1)
        followers.remove(asked * 0.1 + 0.05)
        assert followers.count(asked * 0.1 + 0.05) == 1


@given(st.lists(st.integers(0, 4), max_size=60))
def test_the_count_is_never_too_high_and_never_0_while_somebody_follows(turns: list[int]) -> None:
    """Five of them, each of whom in turn begins to wait, or stops waiting for a moment."""
    followers, waiting, met = FollowerCount(), set[int](), set[int]()
    for number in turns:
        if number in waiting:
            waiting.remove(number)
            followers.remove(0.0)
        else:
            waiting.add(number)
            met.add(number)
            followers.add(0.0)
        assert max(len(waiting), 1) <= followers.count(0.0) <= len(met)


async def test_a_follower_that_is_cut_off_is_not_waiting_any_more() -> None:
    clock = ManualClock()
    tier = InMemorySharedTier(1 << 20, clock)
    found = await tier.get_or_lease(KEY, 60.0)
    assert isinstance(found, LeaseAcquired)

    follower = asyncio.create_task(tier.follow(KEY, found.token, 0, 60.0))
    await asyncio.sleep(0)
    assert await tier.publish(KEY, found.token, (), 60.0) == 1
    follower.cancel()
    await asyncio.wait([follower])
    clock.advance(FOLLOWING_S)

    assert await tier.publish(KEY, found.token, (), 60.0) == 0


async def test_waiting_followers_learn_of_a_lease_s_end_from_whoever_comes_by() -> None:
    clock = ManualClock()
    tier = InMemorySharedTier(1 << 20, clock)
    found = await tier.get_or_lease(KEY, 60.0)
    assert isinstance(found, LeaseAcquired)
    follower = asyncio.create_task(tier.follow(KEY, found.token, 0, 60.0))
    await asyncio.sleep(0)

    clock.advance(60.0)
    assert isinstance(await tier.get_or_lease(bytes([1]) * KEY_BYTES, 60.0), LeaseAcquired)

    assert await follower == FollowResult("gone")
