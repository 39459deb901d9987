"""One test for every door: a key's models, rates and money, and an end user's rates, bind there."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from cluster.runtime.clock import SystemClock
from cluster.runtime.problems import RateLimited, UnknownModel
from cluster.tenants.plan import Plan
from cluster.tenants.policy import CallerPolicies, LimitPolicy, SubjectPolicy
from deployments.contracts.limits import Limiter
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.handle_api import HandleApi
from deployments.ingress.http.app import create_app
from deployments.ingress.services import AppServices
from deployments.limiter.authority.memory import MemoryAuthority
from deployments.limiter.tenant_limiter import TenantLimiter
from tests.api.web import ADMIN_KEY, MakeServices, client_of

CHAT = {"model": "words", "messages": [{"role": "user", "content": "hi"}]}
DOORS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"model": "words", "prompt": "hi"},
    "/v1/responses": {"model": "words", "input": "hi"},
    "/v1/messages": {**CHAT, "max_tokens": 9},
    "/v1/messages/count_tokens": CHAT,
    "/v1/embeddings": {"model": "letters", "input": "hi"},
    "/v1/rerank": {"model": "letters", "query": "hi", "documents": ["hello"]},
    "/v1/moderations": {"model": "judge", "input": "hi"},
    "/tokenize": {"model": "words", "prompt": "hi"},
    "/detokenize": {"model": "words", "tokens": [104, 105]},
    "/api/v1/captions": {"topic": "tea"},
    "/api/v1/captions/batch": {"items": [{"topic": "tea"}]},
    "/api/v1/posts": {"topic": "tea"},
    "/api/v1/posts/batch": {"items": [{"topic": "tea"}]},
    "/openai/deployments/words/chat/completions": {"messages": CHAT["messages"]},
}
HANDLES = {"chat": CHAT, "embeddings": DOORS["/v1/embeddings"], "captions": {"topic": "tea"}}
ONE = {"requests": {"limit": 1, "per": "hour", "burst": 1}}
EVERY_CLASS = {"generate": ONE, "embed": ONE, "batch": ONE}
NAMED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {**CHAT, "user": "ana"},
    "/v1/completions": {**DOORS["/v1/completions"], "user": "ana"},
    "/v1/responses": {**DOORS["/v1/responses"], "safety_identifier": "ana"},
    "/v1/messages": {**DOORS["/v1/messages"], "metadata": {"user_id": "ana"}},
    "/v1/embeddings": {**DOORS["/v1/embeddings"], "user": "ana"},
    "/v1/rerank": {**DOORS["/v1/rerank"], "user": "ana"},
    "/api/v1/captions": {"topic": "tea", "user": "ana"},
    "/api/v1/posts": {"topic": "tea", "user": "ana"},
    "/api/v1/captions/batch": {**DOORS["/api/v1/captions/batch"], "user": "ana"},
}
Limited = Callable[..., AppServices]


@pytest.fixture
def limiter() -> Limiter:
    async def unused(*_: object) -> int:
        return 0

    clock = SystemClock()
    return TenantLimiter(MemoryAuthority(clock), "r", clock, unused, lambda _: None)


@pytest.fixture
def limited(make_services: MakeServices) -> Limited:
    """The services in which the admin key has this policy, and the tenant this plan."""

    def make(policy: dict[str, Any] | None = None, **plan: Any) -> AppServices:
        services, of = make_services(), Plan.model_validate({"id": "p", **plan})
        policies = {}
        if policy is not None:
            own = SubjectPolicy("key:admin", LimitPolicy.model_validate(policy))
            policies = {"admin": CallerPolicies((own,))}
        return replace(services, policies=policies, plan_of=lambda _: of)

    return make


async def post(services: AppServices, path: str, body: dict[str, Any]) -> httpx.Response:
    async with client_of(create_app(services)) as client:
        return await client.post(path, json=body)


@pytest.mark.parametrize("path", DOORS)
async def test_a_model_that_the_key_may_not_use_is_unknown(path: str, limited: Limited) -> None:
    services = limited({"models": ["another"]})
    answer = await post(services, path, DOORS[path])

    if path.endswith("/batch"):
        [result] = answer.json()["results"]
        assert result["error"]["status"] == 404
    else:
        assert answer.status_code == 404, answer.text
    allowed = await post(limited({"models": ["words", "letters", "judge"]}), path, DOORS[path])
    assert allowed.status_code == 200, allowed.text


@pytest.mark.parametrize("path", DOORS)
async def test_the_rate_of_a_key_binds(path: str, limited: Limited) -> None:
    services = limited({"rates": EVERY_CLASS})
    first = await post(services, path, DOORS[path])
    second = await post(services, path, DOORS[path])

    assert first.status_code == 200, first.text
    assert second.status_code == 429
    assert '"key:' in second.headers["ratelimit"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/v1/captions"])
async def test_the_rate_of_a_key_binds_streams(path: str, limited: Limited) -> None:
    services, body = limited({"rates": EVERY_CLASS}), {**DOORS[path], "stream": True}

    assert (await post(services, path, body)).status_code == 200
    assert (await post(services, path, body)).status_code == 429


@pytest.mark.parametrize("name", HANDLES)
async def test_models_and_rates_of_a_key_bind_calls_by_handle(name: str, limited: Limited) -> None:
    body = orjson.dumps(HANDLES[name])
    with pytest.raises(UnknownModel):
        await HandleApi(limited({"models": ["another"]})).call(ADMIN_KEY, name, body, 10.0)

    rated = HandleApi(limited({"rates": EVERY_CLASS}))
    await rated.call(ADMIN_KEY, name, body, 10.0)
    with pytest.raises(RateLimited) as refused:
        await rated.call(ADMIN_KEY, name, body, 10.0)
    assert refused.value.extensions["limit"].startswith("key:")


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/api/v1/captions"]
)
async def test_a_key_whose_money_is_spent_has_expired(path: str, limited: Limited) -> None:
    prices = {"requests": 10**9}  # 1,000 of the currency for 1,000 requests
    services = limited({"spend": {"amount": 10**6}}, prices=prices)
    first = await post(services, path, DOORS[path])
    second = await post(services, path, DOORS[path])

    assert first.status_code == 200, first.text
    assert second.status_code == 429
    assert second.headers["x-should-retry"] == "false"
    if path.startswith("/v1/"):
        error = second.json()["error"]
        assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
        assert "key:spend-total" in error["message"]
    else:
        assert second.json()["type"].endswith("/insufficient-quota")
        assert second.json()["limit"] == "key:spend-total"


@pytest.mark.parametrize("path", NAMED)
async def test_the_rate_of_an_end_user_binds_and_no_others(path: str, limited: Limited) -> None:
    services = limited(end_user=ONE)
    first = await post(services, path, NAMED[path])
    second = await post(services, path, NAMED[path])
    unnamed = await post(services, path, DOORS[path])

    assert first.status_code == 200, first.text
    assert second.status_code == 429
    assert '"end-user:requests"' in second.headers["ratelimit"]
    assert unnamed.status_code == 200


async def test_end_users_by_handle_have_limits_too(limited: Limited) -> None:
    handles, body = HandleApi(limited(end_user=ONE)), orjson.dumps({**CHAT, "user": "ana"})
    await handles.call(ADMIN_KEY, "chat", body, 10.0)

    with pytest.raises(RateLimited, match="end-user:requests"):
        await handles.call(ADMIN_KEY, "chat", body, 10.0)


async def test_without_policies_the_same_services_limit_nothing(
    limited: Limited, limiter: Limiter
) -> None:
    services = limited()
    assert isinstance(services.admission, AdmissionControl)

    for _ in range(3):
        answer = await post(services, "/v1/chat/completions", CHAT)
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers
