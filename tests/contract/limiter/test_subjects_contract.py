"""Keys, teams and end users on every authority: their buckets are their tenant's, and go with it.

Replicas race for the budget of a key and for its money, through real limiters.
"""

import asyncio

import pytest

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import RateLimited
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.policy import CallerPolicies, LimitPolicy, SubjectPolicy
from cluster.tenants.units import UsageAmounts
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.limits.simulated_limiters import nothing_spent
from tests.contract.limiter.conftest import Subject

GENERATE = RequestClass.GENERATE
PRICED = Plan.model_validate({"id": "p", "prices": {"tokens": 1000}})  # 1 micro for a token


def limiters(subject: Subject, count: int) -> list[TenantLimiter]:
    return [
        TenantLimiter(
            subject.authority, f"r{n}", SystemClock(), nothing_spent, lambda _: None, patience_s=5.0
        )
        for n in range(count)
    ]


def bound(**policy: object) -> CallerPolicies:
    return CallerPolicies((SubjectPolicy("key:k1", LimitPolicy.model_validate(policy)),))


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param({"budgets": {"tokens": {"day": 1000}}}, id="budget"),
        pytest.param({"spend": {"amount": 1000}}, id="spend"),
    ],
)
async def test_replicas_that_race_for_a_keys_budget_spend_exactly_it(
    subject: Subject, policy: dict[str, object]
) -> None:
    replicas, spent, refused = limiters(subject, 3), 0, 0
    policies = bound(**policy)

    async def work(limiter: TenantLimiter, cost: int) -> None:
        nonlocal spent, refused
        for _ in range(40):
            try:
                permit = await limiter.admit("acme", PRICED, GENERATE, policies)
            except RateLimited:
                refused += 1
                continue
            try:
                reservation = await permit.reserve("nano", UsageAmounts(2 * cost, 0))
                await asyncio.sleep(0)
                reservation.settle(UsageAmounts(cost, 0))
                spent += cost
            except RateLimited:
                refused += 1
            finally:
                permit.close()

    await asyncio.gather(*(work(each, cost) for each in replicas for cost in (3, 5, 7)))
    for limiter in replicas:
        await limiter.close()

    assert refused
    assert 1000 - 2 * 7 <= spent <= 1000


async def test_slots_of_a_key_are_exact_across_replicas(subject: Subject) -> None:
    replicas, policies = limiters(subject, 3), bound(concurrency={"limit": 4})
    permits = [
        permit
        for limiter in replicas
        for permit in await asyncio.gather(
            *(limiter.admit("acme", PRICED, GENERATE, policies) for _ in range(4)),
            return_exceptions=True,
        )
        if not isinstance(permit, BaseException)
    ]

    assert len(permits) == 4
    for permit in permits:
        permit.close()
    for limiter in replicas:
        await limiter.close()


async def test_end_users_are_limited_across_replicas(subject: Subject) -> None:
    rates = {"requests": {"limit": 5, "per": "hour", "burst": 5}}
    plan, passed = Plan.model_validate({"id": "p", "end_user": rates}), 0
    replicas = limiters(subject, 2)
    for number in range(12):
        try:
            await replicas[number % 2].admit("acme", plan, GENERATE, end_user="ana")
            passed += 1
        except RateLimited:
            pass
    for limiter in replicas:
        await limiter.close()

    assert passed == 5
