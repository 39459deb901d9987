"""The fast path holds keys and end users to their limits, as the whole application does."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from cluster.runtime.clock import SystemClock
from cluster.tenants.caller import Caller, Scope
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies, LimitPolicy, SubjectPolicy
from deployments.contracts.limits import Limiter
from deployments.ingress.pipeline.fast_path import FastPath
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.api.caching.answers import CHAT, URL
from tests.api.caching.conftest import MakeApp
from tests.api.fakes import Records
from tests.api.web import ADMIN_KEY, CALLERS
from tests.api.wire import Wire


@pytest.fixture
def limiter() -> Limiter:
    async def unused(*_: object) -> int:
        return 0

    clock = SystemClock()
    return TenantLimiter(MemoryAuthority(clock), "r", clock, unused, lambda _: None)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request that the fast path looked at, whether it answered."""
    answered: list[bool] = []
    respond = FastPath._respond

    def watched(self: FastPath, *arguments: Any) -> Any:
        response = respond(self, *arguments)
        answered.append(response is not None)
        return response

    monkeypatch.setattr(FastPath, "_respond", watched)
    return answered


Post = Callable[[dict[str, Any]], Awaitable[int]]


@pytest.fixture
def post(make_cached_app: MakeApp) -> Post:
    """Sends a chat whose body comes in one message, as the fast path takes it; the status."""
    app = make_cached_app()
    headers = [("authorization", f"Bearer {ADMIN_KEY}"), ("content-type", "application/json")]

    async def send(body: dict[str, Any]) -> int:
        wire = Wire(app, URL, headers=headers).start().body(json.dumps(body).encode())
        await wire.ended()
        return int(wire.status)

    return send


def limit(policies: dict[str, CallerPolicies], **policy: Any) -> None:
    """From now on the admin key has this policy."""
    own = SubjectPolicy("key:admin", LimitPolicy.model_validate(policy))
    policies["admin"] = CallerPolicies((own,))


def hourly(count: int) -> dict[str, Any]:
    return {"requests": {"limit": count, "per": "hour", "burst": count}}


async def test_a_model_taken_from_a_key_is_not_served_from_memory(
    post: Post, policies: dict[str, CallerPolicies], fast: list[bool]
) -> None:
    for _ in range(2):
        assert await post(CHAT) == 200
    limit(policies, models=["another"])
    refused = await post(CHAT)

    assert fast == [False, True, False]
    assert refused == 404


async def test_a_keys_rate_counts_fast_answers(
    post: Post, policies: dict[str, CallerPolicies], fast: list[bool]
) -> None:
    limit(policies, rates={"generate": hourly(12)})
    statuses = [await post(CHAT) for _ in range(14)]

    assert statuses == [200] * 12 + [429] * 2
    assert sum(fast) > 5


async def test_a_key_pays_for_fast_answers_until_its_money_is_spent(
    post: Post,
    policies: dict[str, CallerPolicies],
    plans: dict[str, Plan],
    fast: list[bool],
) -> None:
    plans["acme"] = Plan.model_validate({"id": "p", "prices": {"cache_hits": 1_000_000}})
    limit(policies, spend={"amount": 40_000})  # 1,000 for each
    statuses = [await post(CHAT) for _ in range(43)]

    assert statuses == [200] * 41 + [429] * 2  # the first is no hit
    assert sum(fast) > 10


async def test_an_operations_rate_counts_answers_from_memory(
    post: Post, plans: dict[str, Plan], fast: list[bool]
) -> None:
    rate = {"limit": 3, "per": "hour", "burst": 3}
    plans["acme"] = Plan.model_validate({"id": "p", "operations_rates": {"chat": rate}})

    assert [await post(CHAT) for _ in range(5)] == [200] * 3 + [429] * 2
    assert not any(fast)


async def test_an_end_users_rate_counts_fast_answers_and_usage_names_the_user(
    post: Post,
    plans: dict[str, Plan],
    fast: list[bool],
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plans["acme"] = Plan.model_validate({"id": "p", "end_user": hourly(12)})
    named: list[str] = []

    def note(caller: Caller, plan: Plan, model: str, *_: object) -> None:
        named.append(caller.end_user)

    monkeypatch.setattr(records, "record_cache_hit", note)
    ana, ben = {**CHAT, "user": "ana"}, {**CHAT, "user": "ben\N{SNOWMAN}"}
    statuses = [await post(ana) for _ in range(14)]

    assert statuses == [200] * 12 + [429] * 2
    assert await post(ben) == 200
    assert await post(ben) == 200
    assert sum(fast) > 5
    assert set(named) == {"ana", "ben\N{SNOWMAN}"}


async def test_what_one_keys_limit_refuses_is_not_refused_to_another_key(
    web: httpx.AsyncClient,
    policies: dict[str, CallerPolicies],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An invalid request is remembered as such; one that a limit never lets pass is not."""
    second = Caller("acme", "second", frozenset({Scope.GENERATE}))
    monkeypatch.setitem(CALLERS, "mob_second_secret", second)
    limit(policies, rates={"generate": {"tokens": {"limit": 2, "per": "second", "burst": 2}}})
    headers = {"Authorization": "Bearer mob_second_secret"}

    refused = await web.post(URL, json=CHAT)
    passed = await web.post(URL, json=CHAT, headers=headers)

    assert (refused.status_code, passed.status_code) == (400, 200)


async def test_a_key_that_waits_for_anothers_answer_is_not_refused_by_its_limits(
    web: httpx.AsyncClient,
    policies: dict[str, CallerPolicies],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = Caller("acme", "second", frozenset({Scope.GENERATE}))
    monkeypatch.setitem(CALLERS, "mob_second_secret", second)
    limit(policies, rates={"generate": {"tokens": {"limit": 2, "per": "second", "burst": 2}}})
    headers = {"Authorization": "Bearer mob_second_secret"}

    answers = await asyncio.gather(
        web.post(URL, json=CHAT), *(web.post(URL, json=CHAT, headers=headers) for _ in range(5))
    )

    assert [answer.status_code for answer in answers] == [400] + [200] * 5
