"""What holds when a plan changes, another replica refunds, or a tenant pauses."""

import asyncio

import pytest

from cluster.runtime.problems import QuotaExceeded, RateLimited
from cluster.tenants.units import UsageAmounts
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import GENERATE, Bench, Gated, admitted, per_second, plan, tick

DAY = {"tokens": {"day": 100}}


async def test_a_changed_plan_holds_at_once(limiter: TenantLimiter) -> None:
    tight = plan(rates={"generate": {"requests": {"limit": 1, "per": "hour", "burst": 1}}})
    await admitted(limiter, tight, 2)

    assert len(await admitted(limiter, plan(), 5)) == 5


async def test_a_raised_limit_forgets_what_it_refused(bench: Bench, limiter: TenantLimiter) -> None:
    tight = plan(rates={"generate": {"requests": {"limit": 1, "per": "hour", "burst": 1}}})
    await admitted(limiter, tight, 2)

    bench.clock.advance(0.1)
    raised = plan(rates={"generate": {"requests": per_second(100)}})
    assert len(await admitted(limiter, raised, 5)) == 5


async def test_a_limit_raised_during_an_exchange_refuses_nobody_by_the_old_terms(
    bench: Bench,
) -> None:
    authority = Gated(bench.authority)
    limiter = bench.limiter(authority=authority)
    tight, wide = (plan(budgets={"tokens": {"day": day}}) for day in (100, 1000))
    first = await limiter.admit("acme", tight, GENERATE)
    await first.reserve("nano", UsageAmounts(90, 0))
    authority.open.clear()
    authority.asked.clear()
    before = asyncio.create_task(first.reserve("nano", UsageAmounts(60, 0)))
    await authority.asked.wait()
    permit = await limiter.admit("acme", wide, GENERATE)
    after = asyncio.create_task(permit.reserve("nano", UsageAmounts(60, 0)))
    await asyncio.sleep(0)
    authority.open.set()

    await asyncio.gather(before, after)
    assert bench.kinds() == ["budget_80"]


async def test_a_call_that_goes_on_after_its_request_has_left_counts_for_a_tenant_forgotten_since(
    bench: Bench, limiter: TenantLimiter
) -> None:
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    permit.close()
    for _ in range(60):
        await tick(bench, limiter)
    assert limiter.tenants == 0

    reservation = await permit.reserve("nano", UsageAmounts(90, 0), lasting=True)
    assert limiter.tenants == 1
    reservation.settle(UsageAmounts(80, 0))
    await tick(bench, limiter, seconds=0.6)
    later = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    await later.reserve("nano", UsageAmounts(20, 0))
    with pytest.raises(QuotaExceeded):
        await later.reserve("nano", UsageAmounts(1, 0))


async def test_a_tenant_with_an_open_request_is_not_forgotten(
    bench: Bench, limiter: TenantLimiter
) -> None:
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    await tick(bench, limiter)
    (await permit.reserve("nano", UsageAmounts(90, 0))).settle(UsageAmounts(10, 0))
    await tick(bench, limiter, seconds=0.6)

    other = await bench.limiter("r2").admit("acme", plan(budgets=DAY), GENERATE)
    await other.reserve("nano", UsageAmounts(50, 0))
    permit.close()
    for _ in range(60):
        await tick(bench, limiter)
    assert limiter.tenants == 0


async def test_a_denial_is_remembered_for_half_a_second_at_most(bench: Bench) -> None:
    limited = plan(rates={"generate": {"tokens": {"limit": 100, "per": "hour", "burst": 100}}})
    here, there = bench.limiter("r1"), bench.limiter("r2")
    reservation = await (await there.admit("acme", limited, GENERATE)).reserve(
        "nano", UsageAmounts(100, 0)
    )
    permit = await here.admit("acme", limited, GENERATE)
    with pytest.raises(RateLimited):
        await permit.reserve("nano", UsageAmounts(50, 0))
    reservation.settle(UsageAmounts(10, 0))
    await tick(bench, there, seconds=0.51)

    await permit.reserve("nano", UsageAmounts(50, 0))
