"""What the trace of a request shows of its lookup beyond memory; time is virtual."""

import asyncio

from deployments.cache.lookup import ARCHIVE, FOLLOW, SHARED
from deployments.ingress.context import ModelWaitTimer
from tests.unit.cache.single_flight.replicas import (
    SEALER,
    Disk,
    Faulty,
    Model,
    Replica,
    completion,
    entry,
    settle,
    waiting,
)
from tests.unit.cache.single_flight.replicas import tier as new_shared_tier
from tests.unit.cache.single_flight.virtual_time import LoopClock, simulated

KEY = b"k" * 32


def stages(timer: ModelWaitTimer) -> list[tuple[str, float]]:
    """Names and seconds."""
    return [(name, round(until - since, 3)) for name, since, until in timer.stages or ()]


@simulated
async def test_each_tier_that_was_asked_is_a_stage() -> None:
    timer, shared, disk = ModelWaitTimer(LoopClock()), Faulty(new_shared_tier()), Faulty(Disk())
    disk.behind.kept[KEY] = SEALER.encrypt(KEY, entry(completion()))
    replica = Replica(Model(), shared, disk)  # type: ignore[arg-type]

    await replica.text(waiting=timer)

    assert stages(timer) == [(SHARED, 0.001), (ARCHIVE, 0.001)]
    await settle(replica)


@simulated
async def test_so_is_one_that_is_down() -> None:
    timer, shared = ModelWaitTimer(LoopClock()), Faulty(new_shared_tier())
    shared.down = True
    replica = Replica(Model(), shared)  # type: ignore[arg-type]

    await replica.text(waiting=timer)

    assert stages(timer) == [(SHARED, 0.001)]
    await settle(replica)


@simulated
async def test_so_is_the_wait_for_another_replica_s_computation() -> None:
    timer, shared, model = ModelWaitTimer(LoopClock()), new_shared_tier(), Model()
    leader, follower = Replica(model, shared), Replica(model, shared)

    async with waiting(leader.text()) as [led]:
        await follower.text(waiting=timer)
        await led

    [(looked, _), (followed, followed_s), *_] = stages(timer)
    assert (looked, followed, model.calls) == (SHARED, FOLLOW, 1)
    assert 1.9 < followed_s < 2.2, "the model takes 2 s"
    await settle(leader, follower)


@simulated
async def test_without_further_tiers_there_is_no_stage() -> None:
    timer, replica = ModelWaitTimer(LoopClock()), Replica(Model())

    await asyncio.gather(replica.text(waiting=timer), replica.text(waiting=timer))

    assert timer.stages is None
    await settle(replica)
