"""What is seen from outside a request: observers, headers, shut-down and memory."""

import itertools

import pytest

from cluster.runtime.problems import RateLimited
from cluster.tenants.plan import RequestClass
from cluster.tenants.units import UsageAmounts
from deployments.contracts.limits import BucketKind, BucketSpec, LeaseRequest
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import GENERATE, Bench, admitted, per_second, plan, tick

numbers = itertools.count(1)


def last_ask() -> LeaseRequest:
    return LeaseRequest(BucketSpec("x|slots", BucketKind.SLOTS, 1), next(numbers), 0)


DAY = {"tokens": {"day": 100}}


async def test_a_limit_in_shadow_mode_is_observed_and_refuses_nothing(
    bench: Bench, limiter: TenantLimiter
) -> None:
    shadow = plan(
        rates={"generate": {"requests": {"limit": 60, "burst": 2, "mode": "shadow"}}},
        concurrency={"limit": 1, "mode": "shadow"},
    )
    assert len(await admitted(limiter, shadow, 10)) == 10

    assert set(bench.kinds()) == {"shadow_hit"}
    assert {event.limit for event in bench.events} == {"generate-requests", "concurrency"}


ONE_AN_HOUR = {"limit": 1, "per": "hour", "burst": 1}


async def test_hits_are_told_once_a_second_with_their_count(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(rates={"generate": {"requests": ONE_AN_HOUR}})
    await admitted(limiter, limited, 50)
    assert [(event.kind, event.count) for event in bench.events] == [("limit_hit", 1)]

    bench.clock.advance(1.0)
    await admitted(limiter, limited, 50)
    assert [event.count for event in bench.events] == [1, 49]


async def test_hits_of_the_last_second_are_told_without_another(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(rates={"generate": {"requests": ONE_AN_HOUR}})
    await admitted(limiter, limited, 50)
    await tick(bench, limiter, seconds=1.0)
    assert [event.count for event in bench.events] == [1, 48]

    await admitted(limiter, limited, 2)
    await limiter.close()
    assert sum(event.count for event in bench.events) == 51


async def test_a_hit_names_the_class_and_the_model(bench: Bench, limiter: TenantLimiter) -> None:
    limited = plan(
        rates={"embed": {"requests": ONE_AN_HOUR}}, models_rates={"nano": {"requests": ONE_AN_HOUR}}
    )
    permit = await limiter.admit("acme", limited, RequestClass.EMBED)
    await permit.reserve("nano", UsageAmounts(1, 0))
    with pytest.raises(RateLimited):
        await permit.reserve("nano", UsageAmounts(1, 0))
    with pytest.raises(RateLimited):
        await limiter.admit("acme", limited, RequestClass.EMBED)

    assert [(event.limit, event.request_class, event.model) for event in bench.events] == [
        ("nano-requests", "embed", "nano"),
        ("embed-requests", "embed", ""),
    ]


async def test_a_budget_is_announced_at_80_and_at_100_percent(
    bench: Bench, limiter: TenantLimiter
) -> None:
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    await permit.reserve("nano", UsageAmounts(79, 0))
    assert bench.kinds() == []
    await permit.reserve("nano", UsageAmounts(1, 0))
    assert bench.kinds() == ["budget_80"]
    await permit.reserve("nano", UsageAmounts(19, 0))
    assert bench.kinds() == ["budget_80"]
    await permit.reserve("nano", UsageAmounts(1, 0))
    assert bench.kinds() == ["budget_80", "budget_100"]


async def test_an_observer_that_fails_does_not_reach_the_request(bench: Bench) -> None:
    def broken(event: object) -> None:
        raise OSError("no such file")

    limiter = TenantLimiter(bench.authority, "r1", bench.clock, bench.spent, broken)
    limited = plan(rates={"generate": {"requests": {"limit": 60, "burst": 1}}})

    assert len(await admitted(limiter, limited, 3)) == 1


async def test_headers_state_each_limit_in_whole_numbers(limiter: TenantLimiter) -> None:
    limited = plan(
        rates={
            "generate": {
                "requests": {"limit": 600, "burst": 60},
                "tokens": {"limit": 6000, "burst": 600},
            }
        },
        concurrency={"limit": 8},
        budgets={"tokens": {"day": 10_000}},
    )
    permit = await limiter.admit("acme", limited, GENERATE)
    await permit.reserve("nano", UsageAmounts(100, 100))

    headers = dict(permit.headers())
    assert headers[b"ratelimit-policy"] == (
        b'"generate-requests";q=600;w=60, "concurrency";q=8;qu="concurrent-requests", '
        b'"generate-tokens";q=6000;w=60, "tokens-day";q=10000;w=86400'
    )
    assert headers[b"ratelimit"] == (
        b'"generate-requests";r=59;t=1, "concurrency";r=7, '
        b'"generate-tokens";r=400;t=2, "tokens-day";r=9800;t=6400'
    )
    assert headers[b"x-ratelimit-limit-requests"] == b"600"
    assert headers[b"x-ratelimit-remaining-requests"] == b"59"
    assert headers[b"x-ratelimit-remaining-tokens"] == b"400"
    assert headers[b"x-ratelimit-reset-tokens"] == b"2s"


async def test_closing_returns_what_is_held(bench: Bench) -> None:
    limited = plan(rates={"generate": {"requests": {"limit": 1000, "per": "hour", "burst": 1000}}})
    first, second = bench.limiter("r1"), bench.limiter("r2")
    for _ in range(200):
        await first.admit("acme", limited, GENERATE)
        bench.clock.advance(0.001)
    await first.close()

    assert len(await admitted(second, limited, 1000)) == 800


@pytest.mark.parametrize("tenants", [1_500, pytest.param(10_000, marks=pytest.mark.exhaustive)])
async def test_thousands_of_tenants_come_and_go(bench: Bench, tenants: int) -> None:
    limiter = bench.limiter()
    limited = plan(rates={"generate": {"requests": per_second(10)}}, concurrency={"limit": 4})
    most = 0
    for number in range(tenants):
        (await limiter.admit(f"tenant-{number}", limited, GENERATE)).close()
        if number % 50 == 0:
            await tick(bench, limiter, seconds=1.0)
        most = max(most, limiter.tenants)
    assert most < 1000
    assert bench.authority.buckets < 20_000

    for _ in range(20):
        await tick(bench, limiter, seconds=60)
    assert limiter.tenants == 0
    await limiter.admit("last", limited, GENERATE)
    for _ in range(2 * tenants):
        await bench.authority.exchange("x", "", 1.0, [last_ask()])
    assert bench.authority.buckets < 10
