"""One flight's way through the tiers, and through tiers that fail; time is virtual."""

import asyncio
from contextlib import aclosing

import pytest

from cluster.runtime.problems import DeadlineExceeded, ModelFailed, NotCached
from deployments.cache.codec import decode
from deployments.cache.single_flight.tiered_fetch import refresh_lease_key
from deployments.contracts.cache import LeaseAcquired
from tests.unit.cache.single_flight.replicas import (
    SEALER,
    Disk,
    Faulty,
    Model,
    Replica,
    completion,
    entry,
    settle,
)
from tests.unit.cache.single_flight.replicas import tier as new_shared_tier
from tests.unit.cache.single_flight.virtual_time import simulated

KEY = b"k" * 32
SAID = "one two three four"


def sealed(text: str, as_of: int = 0) -> bytes:
    return SEALER.encrypt(KEY, entry(completion(text), as_of=as_of))


@simulated
async def test_what_is_computed_is_kept_in_every_tier() -> None:
    tier, disk = new_shared_tier(), Disk()
    replica = Replica(Model(), tier, disk)
    waiter = replica.waiter()
    answer = await waiter.result()
    await settle(replica)

    assert waiter.flight is not None
    assert waiter.flight.source == "model"
    (held,) = replica.keeping.held
    assert waiter.flight.entry is held
    assert held.took_s == pytest.approx(2.0, abs=0.01)
    assert decode(held.body) == answer
    kept = await tier.get(KEY)
    assert kept is not None
    assert kept == disk.kept[KEY]
    assert SEALER.decrypt(KEY, kept) == held
    assert tier.figures()["claims"] == 0


@pytest.mark.parametrize("streaming", [False, True])
@simulated
async def test_an_answer_of_the_shared_tier_asks_no_model(streaming: bool) -> None:
    tier = new_shared_tier()
    await tier.put(KEY, sealed("shared"), 60)
    replica = Replica(Model(), tier)
    assert await (replica.streamed() if streaming else replica.text()) == "shared"
    await settle(replica)
    assert replica.model.calls == 0
    assert replica.retrieval.figures()["l2"] == 1
    assert len(replica.keeping.held) == 1


@simulated
async def test_an_archived_answer_is_promoted_to_the_shared_tier() -> None:
    tier, disk = new_shared_tier(), Disk()
    disk.kept[KEY] = sealed("archived")
    replica = Replica(Model(), tier, disk)
    assert await replica.text() == "archived"
    await settle(replica)
    assert await tier.get(KEY) == disk.kept[KEY]
    assert tier.figures()["claims"] == 0
    assert replica.retrieval.figures()["l3"] == 1
    assert replica.model.calls == 0


@simulated
async def test_an_archive_alone_and_no_tier_at_all_will_do() -> None:
    disk = Disk()
    for tier in (disk, None):
        replica = Replica(Model(), None, tier)
        assert await replica.text() == SAID
        await settle(replica)
    assert list(disk.kept) == [KEY]


@simulated
async def test_bytes_that_do_not_open_are_missing() -> None:
    tier, disk = new_shared_tier(), Disk()
    await tier.put(KEY, b"poison", 60)
    disk.kept[KEY] = b"rot"
    replica = Replica(Model(), tier, disk)
    assert await replica.text() == SAID
    await settle(replica)
    assert replica.retrieval.figures()["unopenable"] == 2
    assert await tier.get(KEY) == disk.kept[KEY] != b"rot"


@simulated
async def test_a_tier_that_gives_nothing_but_garbage_is_done_without() -> None:
    tier = Faulty(new_shared_tier())

    async def look(key: bytes, lease_s: float) -> bytes:
        return b"garbage"

    tier.get_or_lease = look  # type: ignore[attr-defined]
    replica = Replica(Model(), tier)  # type: ignore[arg-type]
    assert await replica.text() == SAID
    await settle(replica)


@simulated
async def test_what_may_not_be_used_is_computed_anew_while_it_stays() -> None:
    tier = new_shared_tier()
    await tier.put(KEY, sealed("outdated", as_of=1), 60)
    replica = Replica(Model(), tier)
    replica.keeping.as_of = 2
    async with aclosing(replica.waiter(streaming=True, as_of=2).chunks()) as chunks:
        await anext(chunks)
        assert await tier.get(KEY) is not None
        assert tier.figures()["claims"] == 1
        async for _ in chunks:
            pass
    await settle(replica)
    kept = await tier.get(KEY)
    assert kept is not None
    found = SEALER.decrypt(KEY, kept)
    assert found is not None
    assert found.as_of == 2
    assert tier.figures()["claims"] == 0
    assert await tier.get(refresh_lease_key(KEY)) == kept


@simulated
async def test_new_is_new_and_kept() -> None:
    tier = new_shared_tier()
    await tier.put(KEY, sealed("old"), 60)
    replica = Replica(Model(), tier)
    assert await replica.text(recompute=True) == SAID
    await settle(replica)
    kept = await tier.get(KEY)
    assert kept is not None
    assert kept != sealed("old")
    other = Replica(Model(), tier)
    assert await other.text() == SAID
    assert other.model.calls == 0
    await settle(other)


@simulated
async def test_only_if_cached_computes_and_claims_nothing() -> None:
    tier, disk = new_shared_tier(), Disk()
    replica = Replica(Model(), tier, disk)
    with pytest.raises(NotCached):
        await replica.text(only_if_cached=True)
    assert tier.figures()["claims"] == 0
    disk.kept[KEY] = sealed("archived")
    assert await replica.text(only_if_cached=True) == "archived"
    assert await replica.streamed(only_if_cached=True) == "archived"
    assert replica.model.calls == 0
    await settle(replica)


@simulated
async def test_who_takes_cached_responses_only_waits_for_nobody_and_nobody_for_him() -> None:
    tier = new_shared_tier()
    replica, other = Replica(Model(), tier), Replica(Model(), tier)
    async with asyncio.timeout(0.1):
        only = asyncio.ensure_future(replica.text(only_if_cached=True))
        computing = asyncio.ensure_future(replica.text())
        with pytest.raises(NotCached):
            await only
        for one in (replica, other):
            with pytest.raises(NotCached):
                await one.text(only_if_cached=True)
    assert await computing == SAID
    await settle(replica, other)


@pytest.mark.parametrize("call", ["get_or_lease", "publish", "store", "put", "get"])
@pytest.mark.parametrize("streaming", [False, True])
@simulated
async def test_a_tier_that_goes_down_costs_nobody_the_answer(call: str, streaming: bool) -> None:
    tier, disk = Faulty(new_shared_tier()), Faulty(Disk())
    replica = Replica(Model(), tier, disk)  # type: ignore[arg-type]

    def fall() -> None:
        tier.down = disk.down = True

    tier.before[call] = disk.before[call] = fall
    assert await (replica.streamed() if streaming else replica.text()) == SAID
    await settle(replica)
    assert call in tier.calls + disk.calls
    assert replica.retrieval.figures()["down"] >= 1
    assert len(replica.keeping.held) == 1
    assert replica.model.calls == 1


@simulated
async def test_an_answer_that_is_not_kept_is_kept_nowhere() -> None:
    tier, disk = new_shared_tier(), Disk()
    replica = Replica(Model(), tier, disk)
    replica.keeping.keeps = False
    assert await replica.text() == SAID
    await settle(replica)
    assert (await tier.get(KEY), disk.kept, replica.keeping.held) == (None, {}, [])
    assert tier.figures()["claims"] == 0


@simulated
async def test_a_failure_and_a_cancellation_give_the_claim_back() -> None:
    tier = new_shared_tier()
    replica = Replica(Model(failing=ModelFailed("nano")), tier)
    with pytest.raises(ModelFailed):
        await replica.text()
    await replica.retrieval.close()
    assert tier.figures()["claims"] == 0

    task = asyncio.ensure_future(replica.streamed())
    await asyncio.sleep(0.3)
    assert tier.figures()["claims"] == 1
    task.cancel()
    await asyncio.wait([task])
    await replica.retrieval.close()
    assert tier.figures()["claims"] == 0
    await settle(replica)


@simulated
async def test_a_claim_that_is_made_while_the_caller_leaves_is_given_back() -> None:
    tier = Faulty(new_shared_tier())
    replica = Replica(Model(), tier)  # type: ignore[arg-type]
    for moment_s in (0.0, 0.0005, 0.001, 0.0015):
        task = asyncio.ensure_future(replica.text())
        await asyncio.sleep(moment_s)
        task.cancel()
        await asyncio.wait([task])
        await settle(replica)
        found = await tier.behind.get_or_lease(KEY, 1.0)
        assert isinstance(found, LeaseAcquired)
        await tier.behind.release(KEY, found.token)


@simulated
async def test_a_hung_tier_ends_with_the_deadline() -> None:
    tier = Faulty(new_shared_tier())

    async def look(key: bytes, lease_s: float) -> None:
        await asyncio.sleep(3600)

    tier.get_or_lease = look  # type: ignore[attr-defined]
    replica = Replica(Model(), tier)  # type: ignore[arg-type]
    with pytest.raises(DeadlineExceeded) as caught:
        await replica.text(timeout_s=3.0)
    assert caught.value.extensions["stage"] == "cache"
    await settle(replica)


@simulated
async def test_what_was_answered_is_saved_before_the_replica_closes() -> None:
    tier = Faulty(new_shared_tier())
    replica = Replica(Model(), tier)  # type: ignore[arg-type]
    await replica.text()
    assert await tier.behind.get(KEY) is None
    await replica.flights.close()
    assert await tier.behind.get(KEY) is not None
    await settle(replica)
