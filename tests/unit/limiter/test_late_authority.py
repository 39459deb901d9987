"""Slots while the authority is late: of wide limits some are given, of narrow ones none."""

import pytest

from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import Bench, Gated, admitted, plan


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
