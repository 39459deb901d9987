"""What a replica's limiter tells the scrape: full budgets, and times of exchanges."""

from cluster.metrics.catalogue import limits
from cluster.metrics.catalogue.limits import FULLEST
from cluster.metrics.metric import Metric
from cluster.metrics.series import LabelValues
from cluster.tenants.units import UsageAmounts
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import GENERATE, Bench, plan

DAY = {"tokens": {"day": 100}}


def figures(limiter: TenantLimiter) -> dict[Metric, dict[LabelValues, object]]:
    return {metric: dict(samples) for metric, samples in limiter.read_metrics()}


async def spend(limiter: TenantLimiter, tenant: str, tokens: int) -> None:
    permit = await limiter.admit(tenant, plan(budgets=DAY), GENERATE)
    reservation = await permit.reserve("nano", UsageAmounts(tokens, 0))
    reservation.settle(UsageAmounts(tokens, 0))
    permit.close()


async def test_budgets_that_are_half_spent_are_reported(limiter: TenantLimiter) -> None:
    await spend(limiter, "thrifty", 40)
    await spend(limiter, "acme", 60)

    assert figures(limiter)[limits.BUDGET_USED] == {("acme", "tokens-day"): 0.6}


async def test_only_the_fullest_are_reported_however_many_there_are(limiter: TenantLimiter) -> None:
    for number in range(FULLEST + 5):
        await spend(limiter, f"t{number}", 60 + number)

    told = figures(limiter)[limits.BUDGET_USED]

    assert len(told) == FULLEST
    assert ("t0", "tokens-day") not in told
    assert told[f"t{FULLEST + 4}", "tokens-day"] == 0.84


async def test_a_period_that_is_over_is_not_reported(bench: Bench, limiter: TenantLimiter) -> None:
    await spend(limiter, "acme", 60)
    bench.clock.advance(86_400.0)

    assert figures(limiter)[limits.BUDGET_USED] == {}


async def test_exchanges_are_timed(limiter: TenantLimiter) -> None:
    await spend(limiter, "acme", 10)

    [((outcome,), value)] = figures(limiter)[limits.EXCHANGES].items()

    assert outcome == "answered"
    assert isinstance(value, tuple)
    assert sum(value[0]) == limiter.exchanges > 0
