"""Budgets from outside: when they are announced, and what shadow mode leaves of them."""

import asyncio
import random

import pytest

from cluster.runtime.problems import InvalidRequest, Overloaded, QuotaExceeded
from cluster.tenants.units import UsageAmounts
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.permit import LimiterPermit
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.common.virtual_time import LoopClock, run_in_virtual_time
from tests.unit.limiter.conftest import GENERATE, Bench, Gated, plan, tick

DAY = {"tokens": {"day": 100}}
SHADOW = {"tokens": {"day": 100, "mode": "shadow"}}


async def reserved(permit: LimiterPermit, tokens: int) -> bool:
    try:
        reservation = await permit.reserve("nano", UsageAmounts(tokens, 0))
    except QuotaExceeded:
        return False
    reservation.settle(UsageAmounts(tokens, 0))
    return True


async def test_a_call_larger_than_what_is_left_announces_nothing(
    bench: Bench, limiter: TenantLimiter
) -> None:
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    with pytest.raises(InvalidRequest):
        await permit.reserve("nano", UsageAmounts(101, 0))
    assert await reserved(permit, 50)
    assert not await reserved(permit, 51)
    assert bench.kinds() == ["limit_hit"]

    assert await reserved(permit, 30)
    assert bench.kinds() == ["limit_hit", "budget_80"]
    assert bench.events[-1].remaining == 20


async def test_a_budget_spent_at_once_is_announced_at_both_levels(
    bench: Bench, limiter: TenantLimiter
) -> None:
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    assert await reserved(permit, 100)

    assert bench.kinds() == ["budget_80", "budget_100"]


async def test_a_level_is_announced_once_a_period_however_long_the_tenant_is_away(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(budgets=DAY)
    permit = await limiter.admit("acme", limited, GENERATE)
    await reserved(permit, 90)
    permit.close()
    for _ in range(60):
        await tick(bench, limiter)
    assert limiter.tenants == 0

    again = await limiter.admit("acme", limited, GENERATE)
    await reserved(again, 1)
    assert bench.kinds() == ["budget_80"]

    bench.clock.advance(86_400)
    await reserved(again, 90)
    assert bench.kinds() == ["budget_80", "budget_80"]


async def test_a_reservation_out_of_credits_in_hand_is_announced_at_once(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(budgets={"tokens": {"day": 1000}})
    permit = await limiter.admit("acme", limited, GENERATE)
    spent = 0
    while not bench.events:
        assert await reserved(permit, 10)
        spent += 10
        bench.clock.advance(0.02)
    assert limiter.exchanges < 60
    assert spent == 800


@pytest.mark.parametrize("seed", range(5))
async def test_replicas_announce_what_is_spent_and_not_what_others_hold(
    bench: Bench, seed: int
) -> None:
    rng, limited, spent = random.Random(seed), plan(budgets={"tokens": {"day": 600}}), 0
    limiters = [bench.limiter(f"r{number}") for number in range(4)]
    permits = [await limiter.admit("acme", limited, GENERATE) for limiter in limiters]
    heard: dict[str, int] = {}
    for _ in range(600):
        tokens = rng.randrange(1, 13)
        if await reserved(rng.choice(permits), tokens):
            spent += tokens
        if rng.random() < 0.3:
            await tick(bench, *limiters, seconds=0.1)
        for event in bench.events:
            heard.setdefault(event.kind, spent)
    for _ in range(5):
        await tick(bench, *limiters, seconds=0.3)

    assert spent == 600
    assert 480 <= heard["budget_80"] <= 600
    assert heard["budget_100"] == 600


async def test_a_raised_budget_is_not_taken_for_a_spent_one(
    bench: Bench, limiter: TenantLimiter
) -> None:
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    await reserved(permit, 50)
    raised = await limiter.admit("acme", plan(budgets={"tokens": {"day": 1000}}), GENERATE)
    await reserved(raised, 10)

    assert bench.events == []


async def test_a_budget_that_is_not_open_yet_is_not_announced(bench: Bench) -> None:
    authority = Gated(bench.authority)
    limiter = bench.limiter(authority=authority)
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    reservation = await permit.reserve("nano", UsageAmounts(10, 0))
    authority.behind = MemoryAuthority(bench.clock)
    reservation.settle(UsageAmounts(5, 0))
    for _ in range(3):
        await tick(bench, limiter, seconds=0.6)

    assert bench.events == []


async def test_a_budget_in_shadow_mode_counts_and_refuses_nothing(
    bench: Bench, limiter: TenantLimiter
) -> None:
    permit = await limiter.admit("acme", plan(budgets=SHADOW), GENERATE)
    for tokens in (90, 20, 300):
        assert await reserved(permit, tokens)
        bench.clock.advance(1)

    assert bench.kinds() == ["budget_80", "shadow_hit", "budget_100", "shadow_hit"]
    await tick(bench, limiter)
    enforced = await limiter.admit("acme", plan(budgets={"tokens": {"day": 420}}), GENERATE)
    assert not await reserved(enforced, 11)
    assert await reserved(enforced, 10)


async def test_a_budget_in_shadow_mode_refuses_nothing_while_the_authority_is_away(
    bench: Bench,
) -> None:
    authority = Gated(bench.authority)
    authority.down = True
    limiter = bench.limiter(authority=authority)
    permit = await limiter.admit("acme", plan(budgets=SHADOW), GENERATE)
    assert await reserved(permit, 60)
    assert await reserved(permit, 30)
    with pytest.raises(Overloaded):
        await reserved(await limiter.admit("other", plan(budgets=DAY), GENERATE), 1)
    assert bench.kinds() == ["authority_down"]

    authority.down = False
    for _ in range(3):
        await tick(bench, limiter, seconds=1.0)
    assert bench.kinds() == ["authority_down", "authority_up"]
    enforced = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    assert not await reserved(enforced, 11)


async def test_a_budget_in_shadow_mode_passes_when_the_ledger_cannot_be_read(
    bench: Bench,
) -> None:
    async def broken(*_: object) -> int:
        raise OSError("no such table")

    limiter = TenantLimiter(bench.authority, "r1", bench.clock, broken, bench.events.append)
    permit = await limiter.admit("acme", plan(budgets=SHADOW), GENERATE)

    assert await reserved(permit, 90)


async def read_hanging_ledger() -> None:
    clock = LoopClock(asyncio.get_running_loop())

    async def hanging(*_: object) -> int:
        await asyncio.sleep(1e6)
        return 0

    limiter = TenantLimiter(MemoryAuthority(clock), "r1", clock, hanging, lambda _: None)
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    async with asyncio.timeout(5):
        with pytest.raises(Overloaded):
            await permit.reserve("nano", UsageAmounts(1, 0))


def test_a_hard_budget_is_refused_while_the_ledger_does_not_answer() -> None:
    run_in_virtual_time(read_hanging_ledger())
