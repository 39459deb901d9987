"""The limiter that limits nothing."""

from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import UsageAmounts
from deployments.limiter.unlimited import NullLimiter
from tests.unit.limiter.conftest import plan


async def test_everything_is_admitted_and_nothing_is_reported() -> None:
    limiter, tight = NullLimiter(), plan(concurrency={"limit": 1})
    assert isinstance(tight, Plan)
    for _ in range(3):
        permit = limiter.try_admit("acme", tight, RequestClass.GENERATE)
        reservation = await permit.reserve("words", UsageAmounts(input_tokens=10**9))
        reservation.settle(UsageAmounts(input_tokens=10**9))
        assert permit.headers() == []
    assert await limiter.admit("acme", tight, RequestClass.GENERATE) is limiter
