"""An authority that has lost its state: what a replica has in hand goes on, once.

A tenant far from its limits notices nothing; one at them gets nothing twice.
"""

import pytest

from cluster.runtime.problems import Overloaded, Problem
from cluster.tenants.units import UsageAmounts
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import GENERATE, Bench, Gated, admitted, per_second, plan, tick

WIDE = plan(
    rates={"generate": {"requests": per_second(100, 200), "tokens": per_second(10_000, 40_000)}},
    concurrency={"limit": 64},
    budgets={"tokens": {"day": 10_000_000}},
)
CALL = UsageAmounts(20, 30)


async def use_lightly(bench: Bench, limiters: list[TenantLimiter], seconds: float) -> int:
    """Twenty calls a second at each, each open for a tick; how many were refused."""
    refused = 0
    for _ in range(round(seconds / 0.05)):
        permits = []
        for limiter in limiters:
            try:
                permit = await limiter.admit("acme", WIDE, GENERATE)
                permits.append(permit)
                (await permit.reserve("nano", CALL)).settle(CALL)
            except Problem:
                refused += 1
        await tick(bench, *limiters, seconds=0.05)
        for permit in permits:
            permit.close()
    return refused


@pytest.fixture
def authority(bench: Bench) -> Gated:
    return Gated(bench.authority)


@pytest.fixture
def pair(bench: Bench, authority: Gated) -> list[TenantLimiter]:
    return [bench.limiter(name, authority) for name in ("r1", "r2")]


async def test_a_tenant_far_from_its_limits_is_not_refused_while_the_authority_has_forgotten(
    bench: Bench, authority: Gated, pair: list[TenantLimiter]
) -> None:
    assert await use_lightly(bench, pair, 3.0) == 0
    authority.behind = MemoryAuthority(bench.clock)

    assert await use_lightly(bench, pair, 6.0) == 0


async def test_slots_are_given_by_the_rules_of_an_outage_until_the_authority_has_learned(
    bench: Bench, authority: Gated, pair: list[TenantLimiter]
) -> None:
    slotted = plan(concurrency={"limit": 64})
    for limiter in pair:
        (await limiter.admit("acme", slotted, GENERATE)).close()
    authority.down = True
    for _ in range(30):
        await tick(bench, *pair)
    assert not pair[0].authority_is_up
    authority.behind, authority.down = MemoryAuthority(bench.clock), False
    await tick(bench, *pair)
    assert pair[0].authority_is_up

    permits = await admitted(pair[0], slotted, 40)
    assert len(permits) == 32


@pytest.mark.parametrize("taken", [0, 10, 40])
async def test_slots_in_hand_are_not_given_to_others_too(
    bench: Bench, authority: Gated, pair: list[TenantLimiter], taken: int
) -> None:
    slotted = plan(concurrency={"limit": 40})
    here = await admitted(pair[0], slotted, taken)
    await pair[1].view("acme", slotted)
    authority.behind = MemoryAuthority(bench.clock)
    there = 0
    for _ in range(30):
        await tick(bench, *pair)
        there += len(await admitted(pair[1], slotted, 5))

    assert 39 <= len(here) + there <= 40  # one free slot may stay with the first


async def test_of_a_budget_what_is_in_hand_is_spent_and_no_more_than_the_budget(
    bench: Bench, authority: Gated
) -> None:
    limiter, budgeted = bench.limiter(authority=authority), plan(budgets={"tokens": {"day": 1000}})
    permit, spent = await limiter.admit("acme", budgeted, GENERATE), 0
    for _ in range(40):
        (await permit.reserve("nano", UsageAmounts(10, 0))).settle(UsageAmounts(10, 0))
        spent += 10
        await tick(bench, limiter, seconds=0.05)
    bench.ledger["acme|tokens|2023-11-14|2023-11-14"] = spent
    authority.behind = MemoryAuthority(bench.clock)
    at_once = 0
    while at_once < 1000:
        try:
            (await permit.reserve("nano", UsageAmounts(1, 0))).settle(UsageAmounts(1, 0))
        except Overloaded:
            break
        at_once += 1
    assert at_once > 0
    bench.ledger["acme|tokens|2023-11-14|2023-11-14"] = spent + at_once
    for _ in range(20):
        await tick(bench, limiter)
    later = 0
    while later < 1000:
        try:
            (await permit.reserve("nano", UsageAmounts(1, 0))).settle(UsageAmounts(1, 0))
        except Problem:
            break
        later += 1

    assert spent + at_once + later == 1000


async def test_what_a_rate_has_in_hand_is_charged_to_what_refills(
    bench: Bench, authority: Gated
) -> None:
    limited = plan(rates={"generate": {"requests": per_second(10, 100)}})
    limiter, other = bench.limiter("r1", authority), bench.limiter("r2", authority)
    for _ in range(20):
        await admitted(limiter, limited, 1)
        await tick(bench, limiter, other, seconds=0.1)
    authority.behind = MemoryAuthority(bench.clock)
    first = len(await admitted(limiter, limited, 100))
    for _ in range(10):
        await tick(bench, limiter, other, seconds=0.1)
    second = len(await admitted(other, limited, 100))

    assert first <= 50
    assert first + second <= 50 + 10 + 1
