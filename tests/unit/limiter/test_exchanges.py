"""How many exchanges there are, and which tenants they are for."""

import asyncio
from collections.abc import Sequence

import pytest

from deployments.contracts.limits import Authority, ExchangeResult, LeaseRequest
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import GENERATE, Bench, admitted, per_second, plan, tick

WIDE = plan(rates={"generate": {"requests": per_second(600, 600)}}, concurrency={"limit": 600})


class Recorded:
    """An authority and the tenants of each exchange."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self.exchanges: list[list[str]] = []

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        tenants = {request.spec.key.split("|", 1)[0] for request in requests}
        self.exchanges.append(sorted(tenants))
        return await self._authority.exchange(replica, epoch, ttl_s, requests)


@pytest.fixture
def authority(bench: Bench) -> Recorded:
    return Recorded(bench.authority)


@pytest.fixture
def limiter(bench: Bench, authority: Recorded) -> TenantLimiter:
    return bench.limiter(authority=authority)


async def use(limiter: TenantLimiter, *tenants: str) -> None:
    for tenant in tenants:
        (await limiter.admit(tenant, WIDE, GENERATE)).close()


async def test_reports_of_all_tenants_share_one_exchange(
    bench: Bench, limiter: TenantLimiter, authority: Recorded
) -> None:
    narrow = plan(rates={"generate": {"requests": per_second(10, 10)}})
    for tenant in ("a", "b", "c"):
        for _ in range(8):
            await limiter.admit(tenant, narrow, GENERATE)
    authority.exchanges.clear()
    await tick(bench, limiter, seconds=0.7)

    assert authority.exchanges == [["a", "b", "c"]]


async def test_requests_that_wait_meanwhile_share_the_next_one(
    limiter: TenantLimiter, authority: Recorded
) -> None:

    await asyncio.gather(*(use(limiter, f"t{number}") for number in range(50)))

    assert len(authority.exchanges) <= 2
    assert sum(len(tenants) for tenants in authority.exchanges) == 50


async def test_tenants_inside_their_leases_are_in_no_exchange(
    bench: Bench, limiter: TenantLimiter, authority: Recorded
) -> None:
    tenants = [f"t{number}" for number in range(100)]
    for _ in range(2):
        await use(limiter, *tenants)
        await tick(bench, limiter, seconds=1.0)
    authority.exchanges.clear()
    for _ in range(20):
        await use(limiter, *tenants[::5])
        await tick(bench, limiter, seconds=0.5)

    assert authority.exchanges
    assert authority.exchanges == [[]] * len(authority.exchanges)  # the session's renewal only
    assert len(authority.exchanges) <= 20


async def test_a_tenant_that_pauses_returns_all_after_a_minute_and_is_forgotten(
    bench: Bench, limiter: TenantLimiter, authority: Recorded
) -> None:
    await use(limiter, "a", "a", "a")
    for _ in range(420):
        await tick(bench, limiter)
    assert limiter.tenants == 0
    authority.exchanges.clear()
    for _ in range(20):
        await tick(bench, limiter)

    assert authority.exchanges == []  # without tenants there is no session to renew


async def test_what_a_paused_tenant_returned_others_may_have(
    bench: Bench, limiter: TenantLimiter
) -> None:
    other = bench.limiter("r2", bench.authority)
    await use(limiter, *["acme"] * 20)
    for _ in range(420):
        await tick(bench, limiter, other)

    assert len(await admitted(other, WIDE, 600)) >= 590


async def test_a_tenant_that_needs_its_exchange_no_more_is_looked_at_again(
    bench: Bench, limiter: TenantLimiter
) -> None:
    """Its credits were low, and it was to be looked at; they came back before the exchange."""
    slots, permits = plan(concurrency={"limit": 600}), []
    (await limiter.admit("acme", slots, GENERATE)).close()
    await tick(bench, limiter, seconds=6)
    for _ in range(24):
        await tick(bench, limiter)
    while (permit := limiter.try_admit("acme", slots, GENERATE)) is not None:
        permits.append(permit)
    for permit in permits:
        permit.close()
    await tick(bench, limiter, seconds=0.3)
    other = bench.limiter("r2", bench.authority)
    for _ in range(420):
        await tick(bench, limiter, other)

    assert len(await admitted(other, slots, 600)) >= 590
