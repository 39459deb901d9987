"""What a caller of the limiter sees: admissions, refusals that name the limit, refunds, headers."""

import asyncio

import pytest

from cluster.runtime.problems import InvalidRequest, QuotaExceeded, RateLimited
from cluster.tenants.plan import RequestClass
from cluster.tenants.units import UsageAmounts
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import GENERATE, Bench, admitted, per_second, plan, tick

DAY = {"tokens": {"day": 100}}


async def test_a_plan_without_limits_admits_everything(limiter: TenantLimiter) -> None:
    permit = await limiter.admit("acme", plan(), GENERATE)
    (await permit.reserve("nano", UsageAmounts(10, 10))).settle(UsageAmounts(10, 5))

    assert permit.headers() == []
    assert limiter.exchanges == 0


async def test_requests_beyond_the_burst_are_refused_by_name(limiter: TenantLimiter) -> None:
    limited = plan(rates={"generate": {"requests": {"limit": 60, "burst": 5}}})
    assert len(await admitted(limiter, limited, 5)) == 5

    with pytest.raises(RateLimited) as refusal:
        await limiter.admit("acme", limited, GENERATE)
    assert refusal.value.extensions["limit"] == "generate-requests"
    assert refusal.value.headers["Retry-After"] == "1"


async def test_a_refused_limit_admits_again_when_its_credit_is_there(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(rates={"generate": {"requests": {"limit": 60, "burst": 5}}})
    await admitted(limiter, limited, 6)

    bench.clock.advance(1.01)
    assert len(await admitted(limiter, limited, 3)) == 1


async def test_a_denial_is_answered_from_memory(limiter: TenantLimiter) -> None:
    limited = plan(rates={"generate": {"requests": {"limit": 60, "burst": 5}}})
    await admitted(limiter, limited, 6)
    before = limiter.exchanges

    assert await admitted(limiter, limited, 500) == []
    assert limiter.exchanges == before


async def test_tenants_and_classes_have_limits_of_their_own(limiter: TenantLimiter) -> None:
    limited = plan(rates={"generate": {"requests": {"limit": 1, "burst": 1}}})
    await limiter.admit("acme", limited, GENERATE)

    await limiter.admit("other", limited, GENERATE)
    await limiter.admit("acme", limited, RequestClass.EMBED)
    with pytest.raises(RateLimited):
        await limiter.admit("acme", limited, GENERATE)


@pytest.mark.parametrize("request_class", ["analyse", "batch", "embed", "media"])
async def test_a_class_that_a_plan_does_not_name_has_the_rate_of_generate(
    limiter: TenantLimiter, request_class: str
) -> None:
    limited = plan(rates={"generate": {"requests": {"limit": 1, "burst": 1}}})
    await limiter.admit("acme", limited, RequestClass(request_class))

    with pytest.raises(RateLimited) as refused:
        await limiter.admit("acme", limited, RequestClass(request_class))
    assert refused.value.extensions["limit"] == f"{request_class}-requests"


async def test_an_operation_has_a_rate_beside_that_of_its_class(limiter: TenantLimiter) -> None:
    limited = plan(
        rates={"generate": {"requests": {"limit": 4, "burst": 4}}},
        operations_rates={"captions": {"limit": 1, "burst": 1}},
    )
    await limiter.admit("acme", limited, GENERATE, None, "", "captions")
    with pytest.raises(RateLimited) as refused:
        await limiter.admit("acme", limited, GENERATE, None, "", "captions")
    assert refused.value.extensions["limit"] == "captions-requests"

    for _ in range(3):
        await limiter.admit("acme", limited, GENERATE, None, "", "posts")
    with pytest.raises(RateLimited, match="generate-requests"):
        await limiter.admit("acme", limited, GENERATE, None, "", "posts")
    names = [view.name for view in await limiter.view("acme", limited)]
    assert names == ["generate-requests", "captions-requests"]


@pytest.mark.parametrize(
    ("rates", "request_class"), [({}, "read"), ({}, "admin"), ({"embed": {}}, "embed")]
)
async def test_what_costs_nothing_or_is_named_without_a_rate_is_not_limited(
    limiter: TenantLimiter, rates: dict[str, object], request_class: str
) -> None:
    limited = plan(rates={"generate": {"requests": {"limit": 1, "burst": 1}}, **rates})

    for _ in range(3):
        await limiter.admit("acme", limited, RequestClass(request_class))


async def test_open_requests_are_bounded_and_closing_makes_room(limiter: TenantLimiter) -> None:
    limited = plan(concurrency={"limit": 3})
    permits = await admitted(limiter, limited, 4)
    assert len(permits) == 3

    permits[0].close()
    permits[0].close()
    assert len(await admitted(limiter, limited, 2)) == 1


async def test_a_request_refused_for_concurrency_spends_no_request_credit(
    limiter: TenantLimiter,
) -> None:
    limited = plan(
        rates={"generate": {"requests": {"limit": 2, "per": "hour", "burst": 2}}},
        concurrency={"limit": 1},
    )
    first = await limiter.admit("acme", limited, GENERATE)
    with pytest.raises(RateLimited, match="open at once"):
        await limiter.admit("acme", limited, GENERATE)

    first.close()
    await limiter.admit("acme", limited, GENERATE)


async def test_tokens_are_reserved_and_the_rest_comes_back(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(rates={"generate": {"tokens": {"limit": 100, "per": "hour", "burst": 100}}})
    permit = await limiter.admit("acme", limited, GENERATE)
    reservation = await permit.reserve("nano", UsageAmounts(20, 80))
    with pytest.raises(RateLimited) as refusal:
        await permit.reserve("nano", UsageAmounts(1, 0))
    assert refusal.value.extensions["limit"] == "generate-tokens"

    reservation.settle(UsageAmounts(20, 10))
    reservation.settle(UsageAmounts(0, 0))
    await tick(bench, limiter, seconds=0.6)
    await permit.reserve("nano", UsageAmounts(70, 0))
    with pytest.raises(RateLimited):
        await permit.reserve("nano", UsageAmounts(2, 0))


async def test_what_was_used_beyond_a_reservation_is_owed(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(rates={"generate": {"tokens": per_second(10, 100)}})
    permit = await limiter.admit("acme", limited, GENERATE)
    (await permit.reserve("nano", UsageAmounts(50, 0))).settle(UsageAmounts(50, 100))
    await tick(bench, limiter, seconds=0.6)

    with pytest.raises(RateLimited) as refusal:
        await permit.reserve("nano", UsageAmounts(1, 0))
    assert refusal.value.extensions["retry_after_s"] == pytest.approx(5.1, abs=0.1)


async def test_a_refund_after_the_lease_has_expired_counts(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(rates={"generate": {"tokens": {"limit": 3600, "per": "hour", "burst": 3600}}})
    permit = await limiter.admit("acme", limited, GENERATE)
    reservation = await permit.reserve("nano", UsageAmounts(3600, 0))
    bench.clock.advance(30)
    reservation.settle(UsageAmounts(100, 0))

    await permit.reserve("nano", UsageAmounts(3500, 0))


async def test_every_limit_of_a_call_is_taken_or_none(limiter: TenantLimiter) -> None:
    limited = plan(
        rates={"generate": {"tokens": {"limit": 100, "per": "hour", "burst": 100}}},
        models_rates={"nano": {"requests": {"limit": 1, "per": "hour", "burst": 1}}},
    )
    permit = await limiter.admit("acme", limited, GENERATE)
    await permit.reserve("nano", UsageAmounts(10, 0))
    with pytest.raises(RateLimited) as refusal:
        await permit.reserve("nano", UsageAmounts(90, 0))

    assert refusal.value.extensions["limit"] == "nano-requests"
    await permit.reserve("other", UsageAmounts(90, 0))


async def test_cost_units_span_modalities(limiter: TenantLimiter) -> None:
    limited = plan(
        rates={"generate": {"cost_units": {"limit": 5000, "per": "hour", "burst": 5000}}}
    )
    permit = await limiter.admit("acme", limited, GENERATE)
    await permit.reserve("nano", UsageAmounts(input_tokens=1000, output_tokens=250, images=3))

    with pytest.raises(RateLimited) as refusal:
        await permit.reserve("nano", UsageAmounts(input_tokens=1))
    assert refusal.value.extensions["limit"] == "generate-cost_units"


async def test_more_than_a_limit_ever_holds_is_a_bad_request(limiter: TenantLimiter) -> None:
    limited = plan(rates={"generate": {"tokens": per_second(10, 100)}})
    permit = await limiter.admit("acme", limited, GENERATE)

    with pytest.raises(InvalidRequest, match="'generate-tokens' lets at most 100") as refusal:
        await permit.reserve("nano", UsageAmounts(101, 0))
    assert refusal.value.extensions["capacity"] == 100


async def test_a_budget_is_spent_to_the_unit_and_then_refuses_until_midnight(
    limiter: TenantLimiter,
) -> None:
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)
    (await permit.reserve("nano", UsageAmounts(60, 0))).settle(UsageAmounts(60, 0))
    await permit.reserve("nano", UsageAmounts(40, 0))

    with pytest.raises(QuotaExceeded) as refusal:
        await permit.reserve("nano", UsageAmounts(1, 0))
    assert refusal.value.extensions["limit"] == "tokens-day"
    assert 3600 < refusal.value.extensions["retry_after_s"] <= 86_400


async def test_a_budget_opens_with_what_the_ledger_says(
    bench: Bench, limiter: TenantLimiter
) -> None:
    bench.ledger["acme|tokens|2023-11-14|2023-11-14"] = 70
    permit = await limiter.admit("acme", plan(budgets=DAY), GENERATE)

    with pytest.raises(QuotaExceeded):
        await permit.reserve("nano", UsageAmounts(31, 0))
    await permit.reserve("nano", UsageAmounts(30, 0))


async def test_a_new_day_has_a_new_budget_and_the_month_goes_on(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(budgets={"tokens": {"day": 100, "month": 150}})
    permit = await limiter.admit("acme", limited, GENERATE)
    yesterday = await permit.reserve("nano", UsageAmounts(100, 0))

    bench.clock.advance(86_400)
    with pytest.raises(QuotaExceeded) as refusal:
        await permit.reserve("nano", UsageAmounts(60, 0))
    assert refusal.value.extensions["limit"] == "tokens-month"

    yesterday.settle(UsageAmounts(90, 0))
    await permit.reserve("nano", UsageAmounts(60, 0))


async def test_a_call_that_failed_before_it_gave_anything_costs_no_request(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(
        budgets={"requests": {"day": 2}},
        models_rates={"nano": {"requests": {"limit": 2, "per": "hour", "burst": 2}}},
    )
    permit = await limiter.admit("acme", limited, GENERATE)
    for _ in range(5):
        (await permit.reserve("nano", UsageAmounts(5, 0))).settle(UsageAmounts(), requests=0)
        await tick(bench, limiter, seconds=0.6)

    for _ in range(2):
        (await permit.reserve("nano", UsageAmounts(5, 0))).settle(UsageAmounts(5, 0))
    with pytest.raises(RateLimited):
        await permit.reserve("nano", UsageAmounts(5, 0))


async def test_a_caller_that_leaves_while_waiting_takes_nothing(
    bench: Bench, limiter: TenantLimiter
) -> None:
    limited = plan(concurrency={"limit": 1})
    leaving = asyncio.create_task(limiter.admit("acme", limited, GENERATE))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving

    await tick(bench, limiter)
    assert len(await admitted(limiter, limited, 2)) == 1
