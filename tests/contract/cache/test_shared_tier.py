"""What every shared tier promises: of all replicas one computes, and the others learn of it."""

import asyncio
import itertools
from collections import Counter

import pytest

from deployments.contracts.cache import (
    KEY_BYTES,
    FollowResult,
    LeaseAcquired,
    LeaseHeldElsewhere,
    SharedTier,
)
from tests.contract.cache.conftest import MB, Subject, until

KEY = bytes(range(KEY_BYTES))
OTHER = bytes(KEY_BYTES)
TTL_S = 60.0
LONG_S = 60.0  # a lease, or a wait, that does not end within a test
SHORT_S = 0.2


async def claim(shared: SharedTier, key: bytes = KEY, lease_s: float = LONG_S) -> int:
    found = await shared.get_or_lease(key, lease_s)
    assert isinstance(found, LeaseAcquired)
    return found.token


async def claim_anew(shared: SharedTier, key: bytes = KEY) -> int:
    """Wait for the end of somebody else's lease."""
    tokens: list[int] = []

    async def is_free() -> bool:
        found = await shared.get_or_lease(key, LONG_S)
        if isinstance(found, LeaseAcquired):
            tokens.append(found.token)
        return bool(tokens)

    await until(is_free)
    return tokens[0]


async def told(shared: SharedTier, token: int, frames: int) -> list[bytes]:
    """Follow from the first frame until `frames` of them came."""
    seen: list[bytes] = []
    while len(seen) < frames:
        progress = await shared.follow(KEY, token, len(seen), LONG_S)
        assert progress.state == "running"
        seen += progress.frames
    return seen


async def followed(shared: SharedTier, token: int) -> None:
    async def is_followed() -> bool:
        return await shared.publish(KEY, token, (), LONG_S) > 0

    await until(is_followed)


async def test_of_100_at_once_one_claims(shared: SharedTier) -> None:
    found = await asyncio.gather(*(shared.get_or_lease(KEY, LONG_S) for _ in range(100)))

    assert Counter(type(one) for one in found) == {LeaseAcquired: 1, LeaseHeldElsewhere: 99}
    assert (
        len({one.token for one in found if isinstance(one, LeaseAcquired | LeaseHeldElsewhere)})
        == 1
    )


async def test_looking_without_a_lease_claims_nothing(shared: SharedTier) -> None:
    assert await shared.get_or_lease(KEY, 0) is None

    token = await claim(shared)
    assert await shared.get_or_lease(KEY, 0) == LeaseHeldElsewhere(token)


async def test_an_answer_comes_before_a_claim(shared: SharedTier) -> None:
    await shared.put(KEY, b"answer", TTL_S)

    assert await shared.get_or_lease(KEY, LONG_S) == b"answer"
    assert await shared.get_or_lease(KEY, 0) == b"answer"


async def test_an_empty_answer_is_an_answer(shared: SharedTier) -> None:
    token = await claim(shared)
    assert await shared.store(KEY, token, b"", TTL_S)

    assert await shared.get_or_lease(KEY, LONG_S) == b""
    assert await shared.follow(KEY, token, 0, SHORT_S) == FollowResult("stored", sealed=b"")


async def test_a_claim_ends_with_its_lease(shared: SharedTier) -> None:
    dead = await claim(shared, lease_s=SHORT_S)
    token = await claim_anew(shared)

    assert token > dead
    assert await shared.publish(KEY, dead, (), LONG_S) == -1


async def test_publishing_renews_the_lease(shared: SharedTier) -> None:
    """A claim that is kept alive outlives one of the same lease that is not."""
    kept = await claim(shared, lease_s=1.0)
    await claim(shared, OTHER, lease_s=1.0)

    async def other_is_over() -> bool:
        assert await shared.publish(KEY, kept, (), LONG_S) == 0
        return await shared.get_or_lease(OTHER, 0) is None

    await until(other_is_over)
    assert await shared.get_or_lease(KEY, LONG_S) == LeaseHeldElsewhere(kept)


async def test_tokens_of_a_key_rise(shared: SharedTier) -> None:
    tokens = []
    for _ in range(20):
        tokens.append(await claim(shared))
        await shared.release(KEY, tokens[-1])

    assert all(earlier < later for earlier, later in itertools.pairwise(tokens))


async def test_a_late_follower_gets_every_frame_from_the_first(shared: SharedTier) -> None:
    token = await claim(shared)
    await shared.publish(KEY, token, [b"one", b"", bytes(range(256))], LONG_S)
    await shared.publish(KEY, token, [b"four"], LONG_S)

    assert await told(shared, token, 4) == [b"one", b"", bytes(range(256)), b"four"]
    assert (await shared.follow(KEY, token, 3, LONG_S)).frames == (b"four",)


async def test_a_megabyte_of_frames_comes_in_order(shared: SharedTier) -> None:
    token = await claim(shared)
    frames = [number.to_bytes(4, "big") * (MB // 64) for number in range(24)]
    for frame in frames:
        await shared.publish(KEY, token, [frame], LONG_S)

    assert await told(shared, token, len(frames)) == frames


async def test_a_waiting_follower_is_told_of_new_frames(shared: SharedTier) -> None:
    token = await claim(shared)
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(told(shared, token, 2)) for _ in range(20)]
        await followed(shared, token)
        await shared.publish(KEY, token, [b"one"], LONG_S)
        await shared.publish(KEY, token, [b"two"], LONG_S)

    assert [follower.result() for follower in followers] == [[b"one", b"two"]] * 20


async def test_a_follower_without_news_is_let_go(shared: SharedTier) -> None:
    token = await claim(shared)
    await shared.publish(KEY, token, [b"seen"], LONG_S)

    assert await shared.follow(KEY, token, 1, 0.05) == FollowResult("running")
    assert await shared.follow(KEY, token, 1, 0.0) == FollowResult("running")


async def test_a_leader_learns_that_somebody_follows(shared: SharedTier) -> None:
    token = await claim(shared)
    assert await shared.publish(KEY, token, (), LONG_S) == 0

    await shared.follow(KEY, token, 0, 0.0)

    assert await shared.publish(KEY, token, (), LONG_S) == 1


async def test_who_asks_no_more_follows_no_more(shared: SharedTier) -> None:
    token = await claim(shared)
    await shared.follow(KEY, token, 0, 0.0)

    async def nobody_follows() -> bool:
        return await shared.publish(KEY, token, (), LONG_S) == 0

    await until(nobody_follows)


async def test_waiting_followers_are_told_of_the_answer(shared: SharedTier) -> None:
    token = await claim(shared)
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(shared.follow(KEY, token, 0, LONG_S)) for _ in range(20)]
        await followed(shared, token)
        assert await shared.store(KEY, token, b"answer", TTL_S)

    assert {(f.result().state, f.result().sealed) for f in followers} == {("stored", b"answer")}


async def test_a_follower_that_comes_after_the_end_gets_the_answer(shared: SharedTier) -> None:
    token = await claim(shared)
    await shared.store(KEY, token, b"answer", TTL_S)

    progress = await shared.follow(KEY, token, 3, LONG_S)
    assert (progress.state, progress.sealed) == ("stored", b"answer")
    assert await shared.get(KEY) == await shared.get_or_lease(KEY, LONG_S) == b"answer"


async def test_a_release_makes_followers_look_anew(shared: SharedTier) -> None:
    token = await claim(shared)
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(shared.follow(KEY, token, 0, LONG_S)) for _ in range(20)]
        await followed(shared, token)
        await shared.release(KEY, token)

    assert [follower.result() for follower in followers] == [FollowResult("gone")] * 20
    found = await asyncio.gather(*(shared.get_or_lease(KEY, LONG_S) for _ in range(20)))
    assert Counter(type(one) for one in found) == {LeaseAcquired: 1, LeaseHeldElsewhere: 19}


async def test_followers_of_a_leader_that_died_are_told_so(shared: SharedTier) -> None:
    token = await claim(shared, lease_s=SHORT_S)

    assert await shared.follow(KEY, token, 0, LONG_S) == FollowResult("gone")


async def test_followers_of_an_earlier_claim_are_told_so(shared: SharedTier) -> None:
    earlier = await claim(shared)
    await shared.release(KEY, earlier)
    later = await claim(shared)
    await shared.publish(KEY, later, [b"of the later"], LONG_S)

    assert await shared.follow(KEY, earlier, 0, LONG_S) == FollowResult("gone")


@pytest.mark.parametrize("successor", [True, False], ids=["claimed anew", "free"])
async def test_a_lost_claim_stores_nothing(shared: SharedTier, successor: bool) -> None:
    lost = await claim(shared)
    await shared.release(KEY, lost)
    token = await claim(shared) if successor else None

    assert not await shared.store(KEY, lost, b"too late", TTL_S)
    assert await shared.publish(KEY, lost, [b"too late"], LONG_S) == -1
    await shared.release(KEY, lost)

    assert await shared.get_or_lease(KEY, 0) == (LeaseHeldElsewhere(token) if token else None)
    if token:
        assert (await shared.follow(KEY, token, 0, 0.0)).frames == ()
        assert await shared.store(KEY, token, b"in time", TTL_S)
        assert await shared.get(KEY) == b"in time"


async def test_a_claim_ends_but_once(shared: SharedTier) -> None:
    token = await claim(shared)

    assert await shared.store(KEY, token, b"answer", TTL_S)
    assert not await shared.store(KEY, token, b"another", TTL_S)
    assert await shared.get(KEY) == b"answer"


async def test_claims_of_different_keys_know_nothing_of_each_other(shared: SharedTier) -> None:
    token, other = await claim(shared, KEY), await claim(shared, OTHER)
    await shared.publish(KEY, token, [b"of the key"], LONG_S)

    assert (await shared.follow(OTHER, other, 0, 0.0)).frames == ()
    await shared.store(KEY, token, b"answer", TTL_S)

    assert await shared.get_or_lease(OTHER, LONG_S) == LeaseHeldElsewhere(other)
    assert await shared.get(OTHER) is None
    if token != other:
        assert not await shared.store(OTHER, token, b"of the key", TTL_S)


async def test_a_large_answer_is_handed_on(shared: SharedTier) -> None:
    token, sealed = await claim(shared), bytes(range(256)) * (4 * 5 * 1024)

    assert len(sealed) == 5 * MB
    assert await shared.store(KEY, token, sealed, TTL_S)
    assert (await shared.follow(KEY, token, 0, 0.0)).sealed == sealed
    assert await shared.get_or_lease(KEY, LONG_S) == sealed


@pytest.mark.parametrize("claims", [200, pytest.param(10_000, marks=pytest.mark.exhaustive)])
async def test_many_abandoned_claims_leave_nothing(subject: Subject, claims: int) -> None:
    async def abandon(number: int) -> None:
        key = number.to_bytes(KEY_BYTES, "big")
        token = await claim(subject.tier, key, lease_s=1.0)
        await subject.tier.publish(key, token, [b"a frame"], 1.0)
        await subject.tier.follow(key, token, 0, 0.0)

    async def is_empty() -> bool:
        return await subject.stored() == 0

    for first in range(0, claims, 100):
        await asyncio.gather(*(abandon(first + number) for number in range(100)))
    assert await subject.stored() > 0

    await until(is_empty)
