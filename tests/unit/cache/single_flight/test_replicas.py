"""Single flight over several replicas that share a tier; time is virtual."""

import asyncio
import random

import pytest

from cluster.tenants.caller import Priority
from tests.unit.cache.single_flight.replicas import (
    SAMPLED,
    SEALER,
    Faulty,
    Model,
    completion,
    entry,
    fleet,
    nothing_is_open,
    settle,
    timed,
)
from tests.unit.cache.single_flight.replicas import tier as new_shared_tier
from tests.unit.cache.single_flight.virtual_time import LoopClock, simulated

KEY = b"k" * 32
SAID = "one two three four"
WORDS = ["one ", "two ", "three ", "four"]


@pytest.mark.parametrize("streamed", [0, 50, 100], ids=lambda share: f"{share}% streams")
@simulated
async def test_a_hundred_equal_calls_over_four_replicas_are_one_computation(streamed: int) -> None:
    tier = new_shared_tier()
    replicas = fleet(4, tier)
    found = await asyncio.gather(
        *(
            replicas[n % 4].streamed() if n // 4 < streamed // 4 else replicas[n % 4].text()
            for n in range(100)
        )
    )
    assert found == [SAID] * 100
    assert replicas[0].model.calls == 1
    await settle(*replicas)
    assert [len(replica.keeping.held) for replica in replicas] == [1] * 4
    assert sum(replica.retrieval.figures()["peer"] for replica in replicas) == 3
    assert nothing_is_open(tier)


@simulated
async def test_sampled_answers_are_one_answer() -> None:
    replicas = fleet(4, new_shared_tier())
    found = await asyncio.gather(
        *(replica.streamed(sampling=SAMPLED) for replica in replicas),
        *(replica.text(sampling=SAMPLED) for replica in replicas),
    )
    assert len(set(found)) == 1
    await settle(*replicas)


@simulated
async def test_a_stream_is_followed_from_its_first_chunk_and_as_it_comes() -> None:
    tier = new_shared_tier()
    leader, *others = fleet(4, tier, Model(every_s=1.0))
    tasks = [asyncio.ensure_future(timed(leader))]
    for number, other in enumerate(others):
        await asyncio.sleep(1.0 + 0.1 * number)
        tasks.append(asyncio.ensure_future(timed(other)))
    first, *rest = await asyncio.gather(*tasks)
    assert [word for word, _ in first] == WORDS
    for told in rest:
        assert [word for word, _ in told] == WORDS
        assert told[0][1] < 4.0
        late = [then - first[n][1] for n, (_, then) in enumerate(told)]
        assert late[-1] < 0.3
    await settle(leader, *others)
    assert nothing_is_open(tier)


@simulated
async def test_a_leader_whose_callers_all_leave_gives_its_claim_back_at_once() -> None:
    tier = new_shared_tier()
    leader, other = fleet(2, tier)
    leaving = asyncio.ensure_future(leader.text())
    await asyncio.sleep(0.5)
    leaving.cancel()
    await asyncio.wait((leaving,))
    await leader.retrieval.close()
    assert nothing_is_open(tier)
    assert await other.text() == SAID
    assert LoopClock().monotonic() == pytest.approx(2.5, abs=0.05)
    assert leader.model.calls == 2
    await settle(leader, other)


@simulated
async def test_a_leader_who_leaves_hands_over_to_those_on_its_replica() -> None:
    tier = new_shared_tier()
    leader, other = fleet(2, tier)
    first = asyncio.ensure_future(leader.text())
    await asyncio.sleep(0.1)
    rest = [asyncio.ensure_future(wait) for wait in (leader.text(), other.text())]
    await asyncio.sleep(0.1)
    first.cancel()
    assert await asyncio.gather(*rest) == [SAID] * 2
    assert leader.model.calls == 1
    await settle(leader, other)


@pytest.mark.parametrize("stream", [False, True])
@simulated
async def test_an_answer_that_is_not_kept_is_shared_by_those_who_wait_for_it(stream: bool) -> None:
    tier = new_shared_tier()
    replicas = fleet(4, tier)
    for replica in replicas:
        replica.keeping.keeps = False
    tasks = [
        asyncio.ensure_future(replica.streamed() if stream else replica.text())
        for replica in replicas
    ]
    assert await asyncio.gather(*tasks) == [SAID] * 4
    assert replicas[0].model.calls == 1
    await settle(*replicas)
    assert nothing_is_open(tier)
    assert await replicas[1].text() == SAID
    assert replicas[0].model.calls == 2
    await settle(*replicas)


@simulated
async def test_nobody_follows_what_was_begun_before_an_invalidation() -> None:
    tier = new_shared_tier()
    before, after = fleet(2, tier)
    streams = [asyncio.ensure_future(before.streamed(sampling=SAMPLED))]
    await asyncio.sleep(0.6)
    after.keeping.as_of = 7
    streams.append(asyncio.ensure_future(after.streamed(as_of=7, sampling=SAMPLED)))
    first, second = await asyncio.gather(*streams)
    assert first != second
    assert before.model.calls == 2
    assert [held.as_of for held in after.keeping.held] == [7]
    await settle(before, after)
    assert nothing_is_open(tier)


@simulated
async def test_a_stampede_at_expiry_is_one_computation() -> None:
    tier = new_shared_tier()
    await tier.put(KEY, SEALER.encrypt(KEY, entry(completion("outdated"))), 60)
    replicas = fleet(4, tier)
    for replica in replicas:
        replica.keeping.as_of = 1
        assert replica.flights.refresh(replica.ask(as_of=1))
    await settle(*replicas)
    assert replicas[0].model.calls == 1
    assert [len(replica.keeping.held) for replica in replicas] == [1] * 4
    assert nothing_is_open(tier)


@simulated
async def test_the_urgent_follow_no_flight_of_their_own_replica_that_is_not() -> None:
    tier = new_shared_tier()
    (replica,) = fleet(1, tier)
    batch = asyncio.ensure_future(replica.text(priority=Priority.BATCH))
    await asyncio.sleep(1.0)
    assert await replica.text(priority=Priority.INTERACTIVE) == SAID
    assert LoopClock().monotonic() == pytest.approx(3.0, abs=0.01)
    await batch
    await settle(replica)
    assert nothing_is_open(tier)


@pytest.mark.parametrize("stream", [False, True])
@simulated
async def test_answers_of_a_megabyte_are_shared(stream: bool) -> None:
    rng = random.Random(1)
    words = [f"{rng.random():.18f}" * 13_000 for _ in range(4)]
    replicas = fleet(4, new_shared_tier(), Model(words=words))
    found = await asyncio.gather(
        *(replica.streamed() if stream else replica.text() for replica in replicas)
    )
    assert len(found[0]) > 1_000_000
    assert set(found) == {"".join(words)}
    assert replicas[0].model.calls == 1
    await settle(*replicas)


@simulated
async def test_nothing_of_a_stream_is_published_before_somebody_follows() -> None:
    tier = Faulty(new_shared_tier())
    leader, other = fleet(2, tier)
    published: list[int] = []
    publish = tier.behind.publish

    async def noted(key: bytes, token: int, frames: list[bytes], lease_s: float) -> int:
        published.append(len(frames))
        return await publish(key, token, frames, lease_s)

    tier.behind.publish = noted
    first = asyncio.ensure_future(leader.streamed())
    await asyncio.sleep(1.3)
    assert len(published) > 3
    assert sum(published) == 0
    second = asyncio.ensure_future(other.streamed())
    assert await asyncio.gather(first, second) == [SAID] * 2
    assert sum(published) > 1
    await settle(leader, other)
