"""Slots that one replica has in hand and does not use come to the replica that lacks them."""

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cluster.runtime.problems import RateLimited
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.common.virtual_time import LoopClock, run_in_virtual_time
from load_tests.benchmarks.limits.simulated_limiters import SimulatedLimiters, SimulatedNetwork
from tests.unit.limiter.conftest import GENERATE, plan

PAUSE_S = 2.0
LONGEST_S = 8.0  # until what was in the wrong place has moved


async def two_replicas(slots: int) -> SimulatedLimiters:
    authority = MemoryAuthority(LoopClock(asyncio.get_running_loop()))
    fleet = SimulatedLimiters(authority, SimulatedNetwork(1), plan(concurrency={"limit": slots}))
    await fleet.grow(2)
    return fleet


async def hold(fleet: SimulatedLimiters, limiter: TenantLimiter, held_s: float) -> bool:
    """Whether a request was admitted; it is open for so long."""
    try:
        permit = await limiter.admit(fleet.tenant, fleet.plan, GENERATE)
    except RateLimited:
        return False
    await asyncio.sleep(held_s)
    permit.close()
    return True


async def open_at_once(
    fleet: SimulatedLimiters, first: int, second: int, held_s: float = 0.4
) -> bool:
    """Whether all of so many requests are admitted, by each of the two replicas."""
    one, other = (member.limiter for member in fleet.members)
    limiters = [one] * first + [other] * second
    return all(await asyncio.gather(*(hold(fleet, limiter, held_s) for limiter in limiters)))


async def seconds_until_all_are_open(
    slots: int, before: list[tuple[float, float]], share: float
) -> float:
    """After bursts of which the first replica had a share each, for some seconds: the same burst
    again and again."""
    fleet, loop = await two_replicas(slots), asyncio.get_running_loop()
    for past, held_s in before:
        first = round(past * slots)
        await open_at_once(fleet, first, slots - first, held_s)
        await asyncio.sleep(PAUSE_S)
    began, first = loop.time(), round(share * slots)
    while not await open_at_once(fleet, first, slots - first):
        if loop.time() > began + 60:
            break
        await asyncio.sleep(PAUSE_S)
    await fleet.close()
    return loop.time() - began


@given(
    slots=st.integers(2, 12),
    before=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([0.1, 0.4, 3.0])), min_size=1, max_size=4
    ),
    share=st.floats(0, 1),
)
@example(
    slots=8, before=[(0.625, 3.0)], share=0.5
)  # all were open when one looked for what to return
def test_all_slots_of_a_narrow_limit_can_be_open_at_once_wherever_they_were_before(
    slots: int, before: list[tuple[float, float]], share: float
) -> None:
    ran = seconds_until_all_are_open(slots, before, share)
    assert run_in_virtual_time(ran) <= LONGEST_S


@pytest.mark.parametrize(("slots", "others"), [(8, 7), (100, 80)])
def test_a_busy_replica_keeps_few_slots_that_its_requests_do_not_need(
    slots: int, others: int
) -> None:
    """Twenty short requests a second, one after the other, hold one slot."""

    async def run() -> bool:
        fleet, loop = await two_replicas(slots), asyncio.get_running_loop()
        await open_at_once(fleet, slots, 0)

        async def traffic() -> None:
            while True:
                await hold(fleet, fleet.members[0].limiter, 0.03)
                await asyncio.sleep(0.02)

        busy, began, opened = asyncio.create_task(traffic()), loop.time(), False
        while not opened and loop.time() < began + LONGEST_S:
            opened = await open_at_once(fleet, 0, others)
            await asyncio.sleep(PAUSE_S)
        busy.cancel()
        await fleet.close()
        return opened

    assert run_in_virtual_time(run())
