"""Budgets get back what was settled as used and was not used after all."""

import pytest

from cluster.runtime.problems import QuotaExceeded
from cluster.tenants.plan import RequestClass
from cluster.tenants.units import UsageAmounts
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import Bench, plan, tick
from tests.unit.limiter.subjects import policies, policy

LIMITED = plan(budgets={"video_seconds": {"day": 100}})
ALL = UsageAmounts(video_seconds=100)


async def test_what_a_failed_job_had_set_aside_can_be_used_again_and_no_more_than_that(
    bench: Bench, limiter: TenantLimiter
) -> None:
    permit = await limiter.admit("acme", LIMITED, RequestClass.MEDIA)
    (await permit.reserve("clipper", ALL)).settle(ALL, requests=0)

    limiter.refund_budget(
        "acme", LIMITED, RequestClass.MEDIA, "clipper", UsageAmounts(video_seconds=40)
    )
    await tick(bench, limiter)

    await permit.reserve("clipper", UsageAmounts(video_seconds=40))
    with pytest.raises(QuotaExceeded):
        await permit.reserve("clipper", UsageAmounts(video_seconds=1))


async def test_a_keys_budget_and_its_money_get_it_back_too(
    bench: Bench, limiter: TenantLimiter
) -> None:
    priced = plan(prices={"video_seconds": 1000})  # 1 micro-currency for a second
    binding = policies(key=policy(budgets=LIMITED.budgets, spend={"amount": 100}))
    permit = await limiter.admit("acme", priced, RequestClass.MEDIA, binding)
    (await permit.reserve("clipper", ALL)).settle(ALL, requests=0)

    returned = UsageAmounts(video_seconds=40)
    limiter.refund_budget("acme", priced, RequestClass.MEDIA, "clipper", returned, binding)
    await tick(bench, limiter)

    states = await limiter.view("acme", priced, binding)
    assert {each.name: each.remaining for each in states} == {
        "key:video_seconds-day": 40,
        "key:spend-total": 40,
    }
