"""Limits of keys, teams and end users from outside: whose limit binds, and what a refusal costs."""

import asyncio

import pytest

import deployments.limiter.subject_limits as subject_limits
from cluster.runtime.problems import InsufficientQuota, Overloaded, QuotaExceeded, RateLimited
from cluster.tenants.plan import RequestClass
from cluster.tenants.policy import CallerPolicies, SubjectPolicy
from cluster.tenants.units import UsageAmounts
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.unit.limiter.conftest import GENERATE, Bench, Gated, per_second, plan, tick
from tests.unit.limiter.subjects import KEY, TEAM, policies, policy

WIDE = plan(rates={"generate": {"requests": per_second(100)}})
PRICED = plan(prices={"output_tokens": 1000, "cache_hits": 2000})  # a token is 1 micro-currency
HOURLY = {"limit": 100, "per": "hour", "burst": 100}
TWO = policy(rates={"generate": {"requests": per_second(2)}})


def spends(amount: int, period: str = "total") -> CallerPolicies:
    return policies(key=policy(spend={"amount": amount, "period": period}))


async def remaining(
    limiter: TenantLimiter, of: object = WIDE, binding: CallerPolicies | None = None
) -> dict[str, int | None]:
    return {each.name: each.remaining for each in await limiter.view("acme", of, binding)}


async def test_the_narrowest_of_tenant_team_and_key_binds_and_is_named(
    limiter: TenantLimiter,
) -> None:
    three = policy(rates={"generate": {"requests": per_second(3)}})
    binding = policies(team=three, key=TWO)

    for _ in range(2):
        (await limiter.admit("acme", WIDE, GENERATE, binding)).close()
    with pytest.raises(RateLimited) as refused:
        await limiter.admit("acme", WIDE, GENERATE, binding)

    assert refused.value.extensions["limit"] == "key:generate-requests"


async def test_what_one_limit_refuses_takes_nothing_from_the_others(
    limiter: TenantLimiter,
) -> None:
    binding = policies(team=policy(rates={"generate": {"requests": per_second(50)}}), key=TWO)
    for _ in range(2):
        (await limiter.admit("acme", WIDE, GENERATE, binding)).close()

    before = await remaining(limiter, WIDE, binding)
    for _ in range(20):
        with pytest.raises(RateLimited):
            await limiter.admit("acme", WIDE, GENERATE, binding)

    assert await remaining(limiter, WIDE, binding) == before
    assert before == {
        "generate-requests": 98,
        "team:generate-requests": 48,
        "key:generate-requests": 0,
    }


async def test_keys_of_a_team_share_its_limits_and_others_do_not(limiter: TenantLimiter) -> None:
    one = CallerPolicies((SubjectPolicy(TEAM, TWO),))
    other = CallerPolicies((SubjectPolicy(TEAM, one.subjects[0].policy),))

    await limiter.admit("acme", WIDE, GENERATE, one)
    await limiter.admit("acme", WIDE, GENERATE, other)
    with pytest.raises(RateLimited, match="team:generate-requests"):
        await limiter.admit("acme", WIDE, GENERATE, one)

    await limiter.admit("acme", WIDE, GENERATE)
    await limiter.admit("acme", WIDE, GENERATE, policies(key=TWO))
    await limiter.admit("other", WIDE, GENERATE, one)


async def test_a_key_has_slots_of_its_own(limiter: TenantLimiter) -> None:
    binding = policies(key=policy(concurrency={"limit": 1}))
    first = await limiter.admit("acme", plan(), GENERATE, binding)
    with pytest.raises(RateLimited) as refused:
        await limiter.admit("acme", plan(), GENERATE, binding)
    first.close()

    assert refused.value.extensions["limit"] == "key:concurrency"
    await limiter.admit("acme", plan(), GENERATE, binding)


async def test_budgets_of_keys_and_teams_begin_with_what_the_ledger_says(bench: Bench) -> None:
    days = "2023-11-14|2023-11-14"
    bench.ledger |= {f"acme|{KEY}|tokens|{days}": 60, f"acme|{TEAM}|tokens|{days}": 95}
    day = policy(budgets={"tokens": {"day": 100}})
    limiter = bench.limiter()

    of_key = await limiter.admit("acme", plan(), GENERATE, policies(key=day))
    of_both = await limiter.admit("acme", plan(), GENERATE, policies(team=day, key=day))

    with pytest.raises(QuotaExceeded) as refused:
        await of_both.reserve("nano", UsageAmounts(10, 0))
    assert refused.value.extensions["limit"] == "team:tokens-day"
    await of_key.reserve("nano", UsageAmounts(40, 0))
    with pytest.raises(QuotaExceeded) as refused:
        await of_key.reserve("nano", UsageAmounts(1, 0))
    assert refused.value.extensions["limit"] == "key:tokens-day"


async def test_rates_of_a_model_are_the_keys_own(limiter: TenantLimiter) -> None:
    narrow = policy(models_rates={"nano": {"tokens": per_second(10)}})
    permit = await limiter.admit("acme", plan(), GENERATE, policies(key=narrow))
    await permit.reserve("nano", UsageAmounts(10, 0))

    with pytest.raises(RateLimited) as refused:
        await permit.reserve("nano", UsageAmounts(1, 0))
    assert refused.value.extensions["limit"] == "key:nano-tokens"
    await permit.reserve("large", UsageAmounts(1000, 0))


async def test_a_key_that_has_spent_its_money_has_expired(limiter: TenantLimiter) -> None:
    binding = spends(100)
    permit = await limiter.admit("acme", PRICED, GENERATE, binding)
    reservation = await permit.reserve("nano", UsageAmounts(5, 60))
    reservation.settle(UsageAmounts(5, 100))
    permit.close()

    with pytest.raises(InsufficientQuota) as refused:
        await limiter.admit("acme", PRICED, GENERATE, binding)
    assert refused.value.extensions["limit"] == "key:spend-total"
    assert refused.value.headers["x-should-retry"] == "false"
    assert "Retry-After" not in refused.value.headers

    await limiter.admit("acme", PRICED, RequestClass.READ, binding)
    await limiter.admit("acme", PRICED, GENERATE)


async def test_spend_is_exact_to_the_nano_and_returns_what_was_only_reserved(
    limiter: TenantLimiter,
) -> None:
    cheap = plan(prices={"input_tokens": 1, "requests": 7})  # a token is 1 nano-currency
    binding = spends(1)
    permit = await limiter.admit("acme", cheap, GENERATE, binding)
    (await permit.reserve("nano", UsageAmounts(993, 0))).settle(UsageAmounts(900, 0))
    permit.close()

    last = await limiter.admit("acme", cheap, GENERATE, binding)
    with pytest.raises(InsufficientQuota):
        await last.reserve("nano", UsageAmounts(87, 0))  # 87 + 7, and 93 are left
    (await last.reserve("nano", UsageAmounts(86, 0))).settle(UsageAmounts(86, 0))
    last.close()

    with pytest.raises(InsufficientQuota):
        await limiter.admit("acme", cheap, GENERATE, binding)


async def test_money_of_a_day_is_there_again_on_the_next(bench: Bench) -> None:
    limiter, binding = bench.limiter(), spends(10, "day")
    permit = await limiter.admit("acme", PRICED, GENERATE, binding)
    (await permit.reserve("nano", UsageAmounts(0, 10))).settle(UsageAmounts(0, 10))
    permit.close()
    with pytest.raises(InsufficientQuota) as refused:
        await limiter.admit("acme", PRICED, GENERATE, binding)
    assert 0 < refused.value.extensions["retry_after_s"] <= 86_400

    await tick(bench, limiter, seconds=86_400)

    await limiter.admit("acme", PRICED, GENERATE, binding)


async def test_a_call_that_costs_more_than_may_ever_be_spent_is_not_told_to_come_back(
    limiter: TenantLimiter,
) -> None:
    permit = await limiter.admit("acme", PRICED, GENERATE, spends(10, "day"))
    with pytest.raises(InsufficientQuota) as refused:
        await permit.reserve("nano", UsageAmounts(0, 11))

    assert "Retry-After" not in refused.value.headers
    await permit.reserve("nano", UsageAmounts(0, 10))


async def test_a_call_is_settled_by_the_prices_of_its_own_request(limiter: TenantLimiter) -> None:
    """By which the ledger charges it, though the plan's prices change while it runs."""
    binding, dear = spends(1000), plan(prices={"output_tokens": 100_000})
    permit = await limiter.admit("acme", PRICED, GENERATE, binding)
    reservation = await permit.reserve("nano", UsageAmounts(0, 10))
    await limiter.admit("acme", dear, GENERATE)
    reservation.settle(UsageAmounts(0, 9))

    assert (await remaining(limiter, dear, binding))["key:spend-total"] == 991


async def test_hits_of_the_cache_are_spent_where_they_have_a_price(limiter: TenantLimiter) -> None:
    binding = spends(5)
    for _ in range(3):
        permit = await limiter.admit("acme", PRICED, GENERATE, binding)
        permit.charge_cache_hit("nano")
        permit.close()

    with pytest.raises(InsufficientQuota):
        await limiter.admit("acme", PRICED, GENERATE, binding)


async def test_without_the_authority_no_money_is_spent(bench: Bench) -> None:
    gated = Gated(bench.authority)
    limiter, binding = bench.limiter(authority=gated), spends(5)
    gated.down = True

    with pytest.raises(Overloaded):
        await limiter.admit("acme", PRICED, GENERATE, binding)


async def test_each_end_user_has_limits_of_its_own(limiter: TenantLimiter) -> None:
    each = plan(end_user={"requests": per_second(2), "tokens": per_second(50)})
    for user in ("ana", "ben"):
        for _ in range(2):
            await limiter.admit("acme", each, GENERATE, end_user=user)
        with pytest.raises(RateLimited) as refused:
            await limiter.admit("acme", each, GENERATE, end_user=user)
        assert refused.value.extensions["limit"] == "end-user:requests"

    permit = await limiter.admit("acme", each, GENERATE, end_user="cleo")
    await permit.reserve("nano", UsageAmounts(50, 0))
    with pytest.raises(RateLimited, match="end-user:tokens"):
        await permit.reserve("nano", UsageAmounts(1, 0))
    await limiter.admit("acme", each, GENERATE)
    await limiter.admit("acme", each, GENERATE)


async def test_no_event_and_no_bucket_tells_an_end_users_name(bench: Bench) -> None:
    each, limiter = plan(end_user={"requests": per_second(1)}), bench.limiter()
    await limiter.admit("acme", each, GENERATE, end_user="ana@example.org")
    with pytest.raises(RateLimited):
        await limiter.admit("acme", each, GENERATE, end_user="ana@example.org")

    [event] = bench.events
    assert event.subject.startswith("user:")
    assert "ana" not in repr(event)


async def test_idle_end_users_are_forgotten_and_too_many_at_once_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_limits, "MAX_END_USERS", 3)
    each, limiter = plan(end_user={"requests": per_second(1)}), bench.limiter()
    for user in ("ana", "ben", "cleo"):
        (await limiter.admit("acme", each, GENERATE, end_user=user)).close()
    with pytest.raises(RateLimited) as refused:
        await limiter.admit("acme", each, GENERATE, end_user="dora")
    assert refused.value.extensions["limit"] == "end-users"
    assert limiter.try_admit("acme", each, GENERATE, end_user="dora") is None

    held = await limiter.admit("acme", each, GENERATE)  # the tenant itself is not idle
    for _ in range(80):
        await tick(bench, limiter, seconds=1.0)

    await limiter.admit("acme", each, GENERATE, end_user="dora")
    held.close()


async def test_a_changed_policy_applies_to_the_next_request(limiter: TenantLimiter) -> None:
    for _ in range(2):
        await limiter.admit("acme", plan(), GENERATE, policies(key=TWO))
    with pytest.raises(RateLimited):
        await limiter.admit("acme", plan(), GENERATE, policies(key=TWO))

    await limiter.admit("acme", plan(), GENERATE, policies(key=policy()))


async def test_headers_and_the_view_show_the_limits_of_all_subjects(
    limiter: TenantLimiter,
) -> None:
    binding = policies(team=TWO, key=policy(spend={"amount": 5_000_000}))
    permit = await limiter.admit("acme", PRICED, GENERATE, binding)
    await permit.reserve("nano", UsageAmounts(0, 1000))

    headers = dict(permit.headers())
    assert b'"team:generate-requests";q=2;w=1' in headers[b"ratelimit-policy"]
    assert b'"key:spend-total";q=5000000' in headers[b"ratelimit-policy"]
    assert b'"key:spend-total";r=4999000;t=0' in headers[b"ratelimit"]
    assert headers[b"x-ratelimit-remaining-requests"] == b"1"
    [spent] = [
        each
        for each in await limiter.view("acme", PRICED, binding)
        if each.name == "key:spend-total"
    ]
    assert (spent.subject, spent.capacity, spent.remaining) == (KEY, 5_000_000, 4_999_000)


async def test_one_key_that_waits_for_its_own_credits_holds_up_no_other(bench: Bench) -> None:
    gated = Gated(bench.authority)
    limiter = bench.limiter(authority=gated)
    (await limiter.admit("acme", WIDE, GENERATE)).close()
    for _ in range(3):
        (await limiter.admit("acme", WIDE, GENERATE)).close()
    gated.open.clear()
    waits = asyncio.create_task(limiter.admit("acme", WIDE, GENERATE, policies(key=TWO)))
    await asyncio.sleep(0)

    assert limiter.try_admit("acme", WIDE, GENERATE) is not None

    gated.open.set()
    await waits


async def test_what_hundreds_of_end_users_have_left_is_known_to_the_other_replicas(
    bench: Bench,
) -> None:
    users, each = [f"u{n}" for n in range(200)], plan(end_user={"requests": HOURLY})
    first, second = bench.limiter("r1"), bench.limiter("r2")
    for user in users:
        for _ in range(30):
            (await first.admit("acme", each, GENERATE, end_user=user)).close()
    await first.close()

    passed = 0
    for user in users[::10]:
        for _ in range(110):
            try:
                (await second.admit("acme", each, GENERATE, end_user=user)).close()
            except RateLimited:
                break
            passed += 1
    assert passed == 70 * len(users[::10])
