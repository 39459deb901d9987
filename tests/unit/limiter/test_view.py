"""Limits seen as they stand: nothing is spent, nothing is asked for twice, nothing is made up."""

import asyncio

import pytest

from cluster.tenants.units import UsageAmounts
from deployments.limiter.status import LimitStatus
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import GENERATE, Bench, Gated, admitted, plan, tick

ALL = plan(
    rates={
        "generate": {
            "requests": {"limit": 60, "burst": 10},
            "tokens": {"limit": 6000, "burst": 600},
        }
    },
    models_rates={"nano": {"cost_units": {"limit": 3600, "per": "hour", "burst": 1000}}},
    concurrency={"limit": 4},
    budgets={"tokens": {"day": 10_000, "month": 20_000}},
)


def left(views: list[LimitStatus]) -> dict[str, int | None]:
    return {view.name: view.remaining for view in views}


async def test_every_limit_of_the_plan_is_shown_once(bench: Bench, limiter: TenantLimiter) -> None:
    bench.ledger["acme|tokens|2023-11-01|2023-11-30"] = 5000
    views = await limiter.view("acme", ALL)

    assert [(view.name, view.kind, view.unit, view.capacity) for view in views] == [
        ("generate-requests", "rate", "requests", 10),
        ("concurrency", "slots", "requests", 4),
        ("generate-tokens", "rate", "tokens", 600),
        ("tokens-day", "budget", "tokens", 10_000),
        ("tokens-month", "budget", "tokens", 20_000),
        ("nano-cost_units", "rate", "cost_units", 1000),
    ]
    assert [view.remaining for view in views] == [10, 4, 600, 10_000, 15_000, 1000]
    assert [view.reset_s for view in views] == [0, 0, 0, 6400, 1_388_800, 0]
    assert limiter.exchanges == 1


async def test_looking_spends_nothing_and_is_forgotten(
    bench: Bench, limiter: TenantLimiter
) -> None:
    for _ in range(20):
        await limiter.view("acme", ALL)
    assert len(await admitted(bench.limiter("r2"), ALL, 5)) == 4
    for _ in range(20):
        await tick(bench, limiter)

    assert limiter.tenants == 0


async def test_what_another_replica_has_spent_is_seen(bench: Bench, limiter: TenantLimiter) -> None:
    other = bench.limiter("r2")
    permit = await other.admit("acme", ALL, GENERATE)
    (await permit.reserve("nano", UsageAmounts(100, 50))).settle(UsageAmounts(100, 50))
    await tick(bench, other, seconds=0.7)

    views = await limiter.view("acme", ALL)
    assert left(views) == {
        "generate-requests": 9,
        "concurrency": 3,
        "generate-tokens": 450,
        "tokens-day": 9850,
        "tokens-month": 19_850,
        "nano-cost_units": 700,
    }
    assert {view.name: view.reset_s for view in views}["nano-cost_units"] == 300


async def test_what_this_replica_has_taken_since_the_last_exchange_is_seen(
    limiter: TenantLimiter,
) -> None:
    permit = await limiter.admit("acme", ALL, GENERATE)
    reservation = await permit.reserve("nano", UsageAmounts(300, 0))
    assert left(await limiter.view("acme", ALL))["tokens-day"] == 9700

    reservation.settle(UsageAmounts(100, 0))
    assert left(await limiter.view("acme", ALL))["tokens-day"] == 9900


async def test_a_look_while_requests_wait_does_not_disturb_them(bench: Bench) -> None:
    authority = Gated(bench.authority)
    limiter = bench.limiter(authority=authority)
    authority.open.clear()
    request = asyncio.create_task(limiter.admit("acme", ALL, GENERATE))
    await authority.asked.wait()
    look = asyncio.create_task(limiter.view("acme", ALL))
    await asyncio.sleep(0)
    authority.open.set()

    await request
    assert left(await look)["generate-requests"] == 9


@pytest.mark.parametrize("looks", [1, 2])
async def test_without_the_authority_nothing_is_made_up(bench: Bench, looks: int) -> None:
    authority = Gated(bench.authority)
    authority.down = True
    limiter = bench.limiter(authority=authority)
    for _ in range(looks):
        views = await limiter.view("acme", ALL)

    assert {view.remaining for view in views} == {None}


async def test_a_plan_without_limits_has_nothing_to_show(limiter: TenantLimiter) -> None:
    assert await limiter.view("acme", plan()) == []
    assert limiter.exchanges == 0
