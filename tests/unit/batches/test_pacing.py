"""Calls of batches run many at a time while nobody waits, and one at a time while somebody does."""

import asyncio

from cluster.runtime.clock import ManualClock
from deployments.batches.pacing import BUSY_S, PARALLEL, BatchPacer


class People:
    """How many calls somebody has made."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        return self.calls


async def running(pacer: BatchPacer, slots: asyncio.Semaphore) -> int:
    """How many of many calls run at once."""
    open_calls, most, go = 0, 0, asyncio.Event()

    async def call() -> None:
        nonlocal open_calls, most
        async with pacer.turn(slots):
            open_calls += 1
            most = max(most, open_calls)
            await go.wait()
            open_calls -= 1

    calls = [asyncio.create_task(call()) for _ in range(3 * PARALLEL)]
    for _ in range(5):
        await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*calls)
    return most


async def test_a_batch_has_its_slots_while_nobody_waits() -> None:
    assert await running(BatchPacer(ManualClock()), asyncio.Semaphore(PARALLEL)) == PARALLEL


async def test_one_call_runs_while_people_call() -> None:
    people, clock = People(), ManualClock()
    pacer = BatchPacer(clock, people)
    people.calls += 1

    assert pacer.is_busy()
    assert await running(pacer, asyncio.Semaphore(PARALLEL)) == 1


async def test_people_who_have_gone_are_forgotten() -> None:
    people, clock = People(), ManualClock()
    pacer = BatchPacer(clock, people)
    people.calls += 1
    assert pacer.is_busy()
    clock.advance(BUSY_S)

    assert not pacer.is_busy()
    assert await running(pacer, asyncio.Semaphore(PARALLEL)) == PARALLEL
