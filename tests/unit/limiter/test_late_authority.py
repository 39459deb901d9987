"""A late authority: slots of wide limits meanwhile, the return to exact decisions, and leases that
ended before they were renewed."""

import asyncio

import pytest

from cluster.runtime.problems import Overloaded, RateLimited
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.cluster.polling import eventually
from tests.unit.limiter.conftest import GENERATE, Bench, Gated, admitted, per_second, plan, tick


@pytest.fixture
def away(bench: Bench) -> TenantLimiter:
    authority = Gated(bench.authority)
    authority.down = True
    return bench.limiter(authority=authority)


async def test_a_64th_of_a_wide_limit_is_given_at_once(away: TenantLimiter) -> None:
    permits = await admitted(away, plan(concurrency={"limit": 6_400}), 120)

    assert len(permits) == 100


async def test_what_comes_back_is_given_again(away: TenantLimiter) -> None:
    wide = plan(concurrency={"limit": 640})
    for permit in await admitted(away, wide, 10):
        permit.close()

    assert len(await admitted(away, wide, 20)) == 10


async def test_of_a_narrow_limit_nothing_is_guessed(away: TenantLimiter) -> None:
    assert await admitted(away, plan(concurrency={"limit": 63}), 5) == []


LIMITED = {
    "budget": plan(budgets={"tokens": {"day": 1000}}),
    "rate": plan(rates={"generate": {"requests": per_second(5)}}),
    "slots": plan(concurrency={"limit": 5}),
}


async def is_refused(limiter: TenantLimiter, tenant: str, limited: Plan) -> bool:
    try:
        permit = await limiter.admit(tenant, limited, GENERATE)
        reservation = await permit.reserve("nano", UsageAmounts(10, 0))
    except (RateLimited, Overloaded):
        return True
    reservation.settle(UsageAmounts(10, 0))
    permit.close()
    return False


@pytest.mark.parametrize("kind", LIMITED)
async def test_degraded_mode_ends_although_no_tenant_has_anything_to_report(
    bench: Bench, kind: str
) -> None:
    """Every exchange came late, and the last one left nothing to renew."""
    authority = Gated(bench.authority)
    limiter = bench.limiter(authority=authority)
    authority.open.clear()
    reserving = asyncio.create_task(is_refused(limiter, "acme", LIMITED[kind]))
    await eventually(lambda: not limiter.authority_is_up)
    for _ in range(20):
        await tick(bench, limiter, seconds=0.0)
        authority.open.set()
        await tick(bench, seconds=0.7)
        authority.open.clear()
    await reserving
    assert not limiter.authority_is_up

    authority.open.set()
    for _ in range(2):
        await tick(bench, limiter)

    assert limiter.authority_is_up
    assert not await is_refused(limiter, "other", LIMITED[kind])


async def test_credits_of_a_budget_whose_lease_ends_before_its_renewal_are_not_lost(
    bench: Bench,
) -> None:
    """As when every exchange takes longer than a lease has left."""
    limited = plan(budgets={"tokens": {"day": 1000}})
    limiter, other = bench.limiter(), bench.limiter("r2")
    spent = 0
    for _ in range(10):
        for _ in range(4):
            assert not await is_refused(limiter, "acme", limited)
            spent += 10
        bench.clock.advance(1.5)

    await tick(bench, limiter, other)
    for _ in range(3):
        await tick(bench, limiter, other, seconds=0.7)
    for each in (limiter, other):
        (status,) = await each.view("acme", limited)
        assert status.remaining == 1000 - spent


async def test_credits_of_a_budget_that_were_granted_and_never_arrived_are_not_lost(
    bench: Bench,
) -> None:
    limited = plan(budgets={"tokens": {"day": 1000}})
    authority = Gated(bench.authority)
    limiter = bench.limiter(authority=authority)
    assert not await is_refused(limiter, "acme", limited)
    spent = 10
    authority.down = True  # it grants, and its results are lost
    for _ in range(5):
        bench.clock.advance(0.3)
        spent += 0 if await is_refused(limiter, "acme", limited) else 10
        await tick(bench, limiter, seconds=0.0)
    bench.clock.advance(3)
    authority.down = False
    await tick(bench, limiter)

    await tick(bench, limiter, seconds=0.7)
    (status,) = await limiter.view("acme", limited)
    assert status.remaining == 1000 - spent
