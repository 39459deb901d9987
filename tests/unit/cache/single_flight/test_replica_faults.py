"""Replicas that die, streams that break off, a shared tier that goes: time is virtual."""

import asyncio
import contextlib
import random
from collections.abc import Callable

import pytest

from cluster.runtime.problems import DeadlineExceeded, ModelFailed
from deployments.contracts.cache import TierUnavailable
from tests.unit.cache.single_flight.replicas import (
    SAMPLED,
    Faulty,
    Model,
    Replica,
    fleet,
    nothing_is_open,
    settle,
    timed,
)
from tests.unit.cache.single_flight.replicas import tier as new_shared_tier
from tests.unit.cache.single_flight.virtual_time import simulated

SAID = "one two three four"
WORDS = ["one ", "two ", "three ", "four"]
SMOKE = (1, 3, 7)  # these reach all that the others do
SEEDS = [
    pytest.param(seed, marks=() if seed in SMOKE else pytest.mark.exhaustive) for seed in range(12)
]


@pytest.mark.parametrize("stream", [False, True])
@simulated
async def test_a_replica_that_dies_costs_one_more_computation(stream: bool) -> None:
    tier = new_shared_tier()
    leader, *others = fleet(4, tier)
    call: Callable[[Replica], object] = Replica.streamed if stream else Replica.text
    dying = asyncio.ensure_future(call(leader))  # type: ignore[call-overload]
    await asyncio.sleep(0.1)
    tasks = [
        asyncio.ensure_future(call(replica))  # type: ignore[call-overload]
        for replica in others
        for _ in range(25)
    ]
    await asyncio.sleep(1.2)
    leader.die()
    assert await asyncio.gather(*tasks) == [SAID] * 75
    await asyncio.wait([dying])
    assert dying.exception() is not None
    assert leader.model.calls == 2
    assert leader.model.finished == 1
    await settle(*others)
    assert nothing_is_open(tier)


@simulated
async def test_a_sampled_stream_that_has_begun_and_broke_off_ends_with_a_problem() -> None:
    leader, other = fleet(2, new_shared_tier(), Model(every_s=1.0))
    dying = asyncio.ensure_future(timed(leader, sampling=SAMPLED))
    await asyncio.sleep(0.1)
    words: list[str] = []
    following = asyncio.ensure_future(other.words(words, sampling=SAMPLED))
    await asyncio.sleep(1.5)
    leader.die()
    with pytest.raises(ModelFailed):
        await following
    assert words == ["#1 one "]
    await asyncio.wait([dying])
    assert leader.model.calls == 1
    await settle(other)


@simulated
async def test_a_sampled_stream_that_nobody_has_read_yet_is_begun_anew() -> None:
    leader, other = fleet(2, new_shared_tier(), Model(every_s=1.0))
    dying = asyncio.ensure_future(timed(leader, sampling=SAMPLED))
    await asyncio.sleep(0.1)
    following = asyncio.ensure_future(other.text(sampling=SAMPLED))
    await asyncio.sleep(1.5)
    leader.die()
    assert await following == "#2 one two three four #2"
    await asyncio.wait([dying])
    await settle(other)


@simulated
async def test_who_joins_after_a_break_gets_one_answer_from_its_first_chunk() -> None:
    leader, other = fleet(2, new_shared_tier(), Model(every_s=1.0))
    dying = asyncio.ensure_future(timed(leader, sampling=SAMPLED))
    await asyncio.sleep(0.1)
    first = asyncio.ensure_future(other.text(sampling=SAMPLED, streaming=True))
    await asyncio.sleep(1.5)
    leader.die()
    await asyncio.sleep(4.0)
    assert leader.model.open == 1
    late = asyncio.ensure_future(other.streamed(sampling=SAMPLED))
    assert await asyncio.gather(first, late) == ["#2 one two three four #2"] * 2
    await asyncio.wait([dying])
    await settle(other)


@simulated
async def test_frames_that_may_not_have_arrived_are_not_sent_twice() -> None:
    tier = Faulty(new_shared_tier())
    leader, other = fleet(2, tier, Model(every_s=1.0))
    publish, torn = tier.behind.publish, 0

    async def lossy(key: bytes, token: int, frames: list[bytes], lease_s: float) -> int:
        nonlocal torn
        followers = await publish(key, token, frames, lease_s)
        if frames and not torn:
            torn += 1
            raise TierUnavailable("the answer was lost")
        return followers

    tier.behind.publish = lossy
    tasks = [asyncio.ensure_future(timed(replica)) for replica in (leader, other)]
    for told in await asyncio.gather(*tasks):
        assert "".join(text for text, _ in told) == SAID
    assert torn == 1
    assert leader.model.calls == 1
    await settle(leader, other)


@pytest.mark.parametrize("repeatable", [True, False])
@simulated
async def test_a_broken_stream_goes_on_only_if_the_model_says_the_same(repeatable: bool) -> None:
    tier = new_shared_tier()
    leader, other = fleet(2, tier, Model(every_s=1.0))
    dying = asyncio.ensure_future(timed(leader))
    await asyncio.sleep(0.1)
    following = asyncio.ensure_future(timed(other))
    await asyncio.sleep(2.5)
    leader.die()
    if not repeatable:
        leader.model.words = ["one ", "too ", "many"]
        with pytest.raises(ModelFailed):
            await following
    else:
        told = [word for word, _ in await following]
        assert "".join(told) == SAID
        assert told[:2] == WORDS[:2]
    await asyncio.wait([dying])
    await settle(other)
    assert nothing_is_open(tier)


@pytest.mark.parametrize("stream", [False, True])
@simulated
async def test_the_shared_tier_may_die_while_others_follow(stream: bool) -> None:
    tier = Faulty(new_shared_tier())
    replicas = fleet(4, tier)
    tasks = [
        asyncio.ensure_future(replica.streamed() if stream else replica.text())
        for replica in replicas
    ]
    await asyncio.sleep(1.2)
    tier.down = True
    assert await asyncio.gather(*tasks) == [SAID] * 4
    assert replicas[0].model.calls <= 4
    await settle(*replicas)


@simulated
async def test_those_who_follow_a_failure_compute_for_themselves() -> None:
    tier = new_shared_tier()
    replicas = fleet(4, tier, Model(failing=ModelFailed("nano")))
    found = await asyncio.gather(
        *(replica.text() for replica in replicas for _ in range(5)), return_exceptions=True
    )
    assert {type(error) for error in found} == {ModelFailed}
    assert replicas[0].model.calls == 4
    await settle(*replicas)
    assert nothing_is_open(tier)


@pytest.mark.parametrize("seed", SEEDS)
@simulated
async def test_whatever_happens_nothing_stays_open(seed: int) -> None:
    rng = random.Random(seed)
    tier = new_shared_tier()
    faulty = Faulty(tier)
    replicas = fleet(3, faulty, Model(every_s=0.05))
    for replica in replicas:
        replica.keeping.keeps = seed % 3 > 0
    answered: list[bytes] = []

    async def call() -> None:
        await asyncio.sleep(rng.random() * 10)
        replica, key = rng.choice(replicas), bytes([rng.randrange(8)]) * 32
        fields = {"key": key, "timeout_s": rng.choice((0.05, 0.3, 60.0))}
        wait = replica.streamed(**fields) if rng.random() < 0.5 else replica.text(**fields)
        task = asyncio.ensure_future(wait)
        asyncio.get_running_loop().call_later(rng.random(), task.cancel)
        with contextlib.suppress(asyncio.CancelledError, DeadlineExceeded, ModelFailed):
            assert await task == SAID
            answered.append(key)

    async def faults() -> None:
        for _ in range(20):
            await asyncio.sleep(rng.random())
            faulty.down = not faulty.down and seed % 2 == 0
            replicas[0].model.failing = ModelFailed("nano") if rng.random() < 0.2 else None
            for key in range(8):
                await tier.remove(bytes([key]) * 32)

    await asyncio.gather(faults(), *(call() for _ in range(400)))
    faulty.down = False
    await settle(*replicas)
    if seed % 2 == 0:  # claims that could not be given back end with their lease
        await asyncio.sleep(3.0)
    assert nothing_is_open(tier)
    assert replicas[0].model.finished < len(answered) > 100
    assert all(replica.flights.figures()["open"] == 0 for replica in replicas)
