"""The fast path where everything is configured: what it may answer, and what it never may."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deployments.ingress.pipeline.fast_path import FastPath
from tests.contract.providers.crossed_features import (
    CLEAN,
    END_USER,
    LEAKY,
    MAIL,
    PROVIDER,
    TAG,
    TEAM,
    Crossed,
    Seen,
    by_http,
    crossed_features,
    says,
)
from tests.upstream_server.answers import PROMPT_TOKENS, WORDS, UpstreamAnswer
from tests.upstream_server.provider_models import KEYS
from tests.upstream_server.server import UpstreamServer

ALLOWED = {"models": ["remote", "local"]}
USERS = {"end_user": {"requests": {"limit": 12, "per": "hour", "burst": 12}}}


@pytest.fixture
def plan() -> dict[str, Any]:
    return {}


@pytest.fixture
async def crossed(
    upstream: UpstreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]
) -> AsyncIterator[Crossed]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    async with crossed_features(upstream, tmp_path / "home", **plan) as crossed:
        yield crossed


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


def body(**more: Any) -> dict[str, Any]:
    turn = {"role": "user", "content": "hi"}
    return {"model": "fast", "messages": [turn], "temperature": 0, **more}


async def ask(crossed: Crossed, key: str, times: int, **more: Any) -> list[Seen]:
    return [await by_http(crossed, key, body(**more)) for _ in range(times)]


async def test_an_alias_a_policy_guardrails_and_an_end_user_are_answered_from_bytes(
    crossed: Crossed, upstream: UpstreamServer, fast: list[bool]
) -> None:
    key = await crossed.key(ALLOWED, TEAM)

    seen = await ask(crossed, key, 3, user=END_USER)

    assert fast == [False, True, True]
    assert {(each.text, each.model) for each in seen} == {(WORDS, "remote")}
    assert {each.headers["mobula-model"] for each in seen} == {"remote"}
    assert len(upstream.requests) == 1
    for dimension, value in {"team": TEAM, "provider": PROVIDER, "model": "remote"}.items():
        found = (await crossed.usage(dimension))[(value,)]
        counts = (found["requests"], found["cache_hits"], found["input_tokens"])
        assert counts == (1, 2, PROMPT_TOKENS), dimension
    [found] = (await crossed.usage("end_user")).values()
    assert found["cache_hits"] == 2


async def test_another_key_of_the_tenant_gets_them_only_if_it_may_use_the_model(
    crossed: Crossed, upstream: UpstreamServer, fast: list[bool]
) -> None:
    keys = [await crossed.key(policy) for policy in (ALLOWED, ALLOWED, {"models": ["local"]})]

    statuses = [(await ask(crossed, key, 1))[0].status for key in keys]

    assert statuses == [200, 200, 404]
    assert fast == [False, True, False]
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("more", "times"),
    [
        pytest.param({"template": {"id": "greet", "variables": {"name": "Ada"}}}, 3, id="template"),
        pytest.param({"metadata": {"tags": TAG}}, 3, id="tags in the body"),
        pytest.param(
            {"messages": [{"role": "user", "content": f"hi {MAIL}"}]}, 3, id="redacted input"
        ),
    ],
)
async def test_what_the_bytes_do_not_say_is_asked_every_time(
    crossed: Crossed,
    upstream: UpstreamServer,
    fast: list[bool],
    more: dict[str, Any],
    times: int,
) -> None:
    key = await crossed.key(ALLOWED)

    seen = await ask(crossed, key, times, **more)

    assert fast == [False] * times
    assert {each.text for each in seen} == {WORDS}
    assert len(upstream.requests) == 1, "the cache has answered"
    if "metadata" in more:
        assert (await crossed.usage("tag"))[(TAG,)]["cache_hits"] == times - 1


async def test_tags_in_a_header_are_counted_every_time(
    crossed: Crossed, upstream: UpstreamServer, fast: list[bool]
) -> None:
    key = await crossed.key(ALLOWED)
    for _ in range(3):
        headers = {"Mobula-Tags": TAG}
        answer = await crossed.ask(
            key, "POST", "/v1/chat/completions", json=body(), headers=headers
        )
        assert answer.status_code == 200

    assert fast == []
    assert (await crossed.usage("tag"))[(TAG,)]["cache_hits"] == 2


async def test_a_response_that_was_redacted_is_redacted_every_time(
    crossed: Crossed, upstream: UpstreamServer, fast: list[bool]
) -> None:
    upstream.default = says(LEAKY)
    key = await crossed.key(ALLOWED)

    seen = await ask(crossed, key, 3)

    assert {each.text for each in seen} == {CLEAN}
    assert fast == [False] * 3
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("plan", [USERS], ids=["rates of end users"])
async def test_an_end_users_rate_counts_what_comes_from_bytes(
    crossed: Crossed, fast: list[bool]
) -> None:
    key = await crossed.key(ALLOWED, TEAM)

    of_ana = await ask(crossed, key, 14, user=END_USER)
    of_ben = await ask(crossed, key, 1, user="ben")

    assert [each.status for each in of_ana] == [200] * 12 + [429] * 2
    assert [each.status for each in of_ben] == [200]
    assert any(fast)


async def test_a_policy_that_changes_counts_at_once(
    crossed: Crossed, upstream: UpstreamServer, fast: list[bool]
) -> None:
    upstream.default = says(UpstreamAnswer("fine"))
    key = await crossed.key(ALLOWED)
    first = await ask(crossed, key, 2)
    path = f"/api/v1/tenants/gateway/keys/{key.split('_')[1]}"
    changed = await crossed.gateway.operator.patch(path, json={"policy": {"models": ["local"]}})
    after = await ask(crossed, key, 1)

    assert changed.status_code == 200, changed.text
    assert [each.status for each in (*first, *after)] == [200, 200, 404]
    assert fast == [False, True, False]
