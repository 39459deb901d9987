"""A name, a template, a guardrail, a policy, a provider and a fallback, all on one request.

Each feature has tests of its own; these are of what each must not undo of the others.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.contract.providers.crossed_features import (
    CLEAN,
    DOORS,
    END_USER,
    LEAKY,
    MAIL,
    PATH,
    PROVIDER,
    TAG,
    TEAM,
    Crossed,
    by_http,
    crossed_features,
    says,
)
from tests.upstream_server.answers import CACHED_TOKENS, PROMPT_TOKENS, UpstreamAnswer, UpstreamCall
from tests.upstream_server.provider_models import KEYS
from tests.upstream_server.server import UpstreamServer

OUTPUT_TOKENS = 5
CHARGE = (PROMPT_TOKENS - CACHED_TOKENS) * 4 + CACHED_TOKENS * 1 + OUTPUT_TOKENS * 8  # micro
TOOL = {
    "type": "function",
    "function": {"name": "send", "parameters": {"type": "object", "properties": {"to": {}}}},
}
CALL = UpstreamCall("call_1", "send", f'{{"to": "{MAIL}", "text": "hello"}}')
# With `--all` every door.
SAMPLE = [
    pytest.param(door, marks=() if door in ("http", "handle stream") else pytest.mark.exhaustive)
    for door in DOORS
]
CALLING = UpstreamAnswer("", (CALL,), finish="tool_calls")


@pytest.fixture
async def crossed(
    upstream: UpstreamServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Crossed]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    upstream.default = says(LEAKY)
    async with crossed_features(upstream, tmp_path / "home") as crossed:
        yield crossed


def templated(temperature: float = 1, **more: Any) -> dict[str, Any]:
    """A chat by the alias, whose template renders an address."""
    return {
        "model": "fast",
        "template": {"id": "greet", "variables": {"name": MAIL}},
        "temperature": temperature,
        "user": END_USER,
        "metadata": {"tags": TAG},
        **more,
    }


def plain(**more: Any) -> dict[str, Any]:
    return {"model": "fast", "messages": [{"role": "user", "content": "hi"}], **more}


def crossings() -> Iterator[Any]:
    """Each door, uncached and cached in turn; both with `--all`."""
    for number, door in enumerate(DOORS):
        for temperature, kind in enumerate(("cached", "uncached")):
            marks = () if temperature == number % 2 else pytest.mark.exhaustive
            yield pytest.param(door, temperature, id=f"{door}-{kind}", marks=marks)


@pytest.mark.parametrize(("door", "temperature"), list(crossings()))
async def test_one_request_with_everything(
    crossed: Crossed, upstream: UpstreamServer, door: str, temperature: float
) -> None:
    key = await crossed.key({"models": ["remote", "local"]}, TEAM)

    seen = [await DOORS[door](crossed, key, templated(temperature)) for _ in range(2)]

    assert [(each.text, each.model) for each in seen] == [(CLEAN, "remote")] * 2
    if "http" in door:
        for each in seen:
            assert each.headers["mobula-template"] == "greet@1"
            assert each.headers["mobula-model"] == "remote"
            assert each.headers["mobula-guardrails"] == "house/pii;redact"
    calls = 1 if temperature == 0 else 2
    assert len(upstream.requests) == calls
    sent = upstream.requests[0].json
    assert (sent["model"], sent["messages"][-1]["content"]) == ("up", "Greet [EMAIL].")
    expected = {
        "requests": calls,
        "input_tokens": calls * PROMPT_TOKENS,
        "output_tokens": calls * OUTPUT_TOKENS,
        "cached_tokens": calls * CACHED_TOKENS,
        "revenue": calls * CHARGE,
    }
    if calls == 1:
        expected["cache_hits"] = 1
    groups = {"model": "remote", "provider": PROVIDER, "team": TEAM, "tag": TAG}
    for dimension, value in groups.items():
        found = (await crossed.usage(dimension))[(value,)]
        assert {unit: found[unit] for unit in expected} == expected, dimension
        assert "estimated_tokens" not in found
    [found] = (await crossed.usage("end_user")).values()
    assert found["input_tokens"] == expected["input_tokens"]


@pytest.mark.parametrize("door", SAMPLE)
async def test_a_fallback_answers_under_the_same_guardrail_and_policy(
    crossed: Crossed, upstream: UpstreamServer, door: str
) -> None:
    both = await crossed.key({"models": ["remote", "local"]}, TEAM)
    one = await crossed.key({"models": ["remote"]}, TEAM)
    await upstream.kill()

    seen = await DOORS[door](crossed, both, templated())

    assert (seen.text, seen.model) == ("Greet [EMAIL].", "local")
    if door == "http":
        assert seen.headers["mobula-fallback"] == "local"
    assert (await DOORS[door](crossed, one, templated())).status in (502, 503)
    assert {*await crossed.usage("provider")} == {("local",)}
    assert (await crossed.usage("team"))[(TEAM,)]["requests"] == 1
    assert (await crossed.usage("tag"))[(TAG,)]["requests"] == 1


async def test_a_key_without_the_aliass_model_knows_neither(
    crossed: Crossed, upstream: UpstreamServer
) -> None:
    key = await crossed.key({"models": ["local"]}, TEAM)

    for name, door in DOORS.items():
        refused = await door(crossed, key, templated())

        assert refused.status == 404, name
        assert "remote" not in refused.problem, name
    listed = (await crossed.ask(key, "GET", "/v1/models")).json()["data"]
    assert [each["id"] for each in listed] == ["local"]
    assert upstream.requests == []
    assert await crossed.usage("model") == {}


@pytest.mark.parametrize("door", SAMPLE)
async def test_arguments_of_a_providers_calls_are_redacted_piece_by_piece(
    crossed: Crossed, upstream: UpstreamServer, door: str
) -> None:
    upstream.default = says(CALLING)
    key = await crossed.key()
    body = plain(tools=[TOOL], tool_choice="required", temperature=0)

    for _ in range(2):  # the second from the cache
        seen = await DOORS[door](crossed, key, body)

        assert orjson.loads(seen.arguments) == {"to": "[EMAIL]", "text": "hello"}
        assert MAIL not in seen.text
    assert len(upstream.requests) == 1


async def test_a_keys_budget_is_used_by_what_the_provider_reports(
    crossed: Crossed, upstream: UpstreamServer
) -> None:
    """It reports 12 tokens of each call, whatever was reserved; the third would be too much."""
    body = plain(
        max_tokens=OUTPUT_TOKENS, messages=[{"role": "user", "content": "hello there " * 3}]
    )
    for name, door in DOORS.items():
        key = await crossed.key({"budgets": {"tokens": {"day": 30}}})
        upstream.requests.clear()
        for calls in (1, 2):
            await door(crossed, key, body)
            view = await crossed.limit(key, "key:tokens-day")
            used = view.capacity - (view.remaining or 0)
            assert used == calls * (PROMPT_TOKENS + OUTPUT_TOKENS), name

        assert (await door(crossed, key, body)).status == 429, name
        assert len(upstream.requests) == 2, name


async def test_a_keys_money_is_spent_by_what_the_provider_reports(
    crossed: Crossed, upstream: UpstreamServer
) -> None:
    key = await crossed.key({"spend": {"amount": 3 * CHARGE + 1}}, TEAM)
    body = plain(max_tokens=OUTPUT_TOKENS)
    statuses = [(await by_http(crossed, key, body)).status for _ in range(4)]

    assert statuses == [200, 200, 200, 429]
    assert (await crossed.usage("team"))[(TEAM,)]["revenue"] == 3 * CHARGE
    assert len(upstream.requests) == 3


async def test_a_batch_and_other_apis_keep_to_all_of_it(
    crossed: Crossed, upstream: UpstreamServer
) -> None:
    allowed = await crossed.key({"models": ["remote"]}, TEAM)
    barred = await crossed.key({"models": ["local"]}, TEAM)
    doors: dict[str, dict[str, Any]] = {
        PATH: plain(),
        "/v1/responses": {"model": "fast", "input": f"hi {MAIL}"},
        "/v1/messages": {**plain(), "max_tokens": 9},
        "/v1/completions": {"model": "fast", "prompt": f"hi {MAIL}"},
        "/api/v1/captions": {"model": "fast", "topic": f"tea for {MAIL}"},
        "/api/v1/captions/batch": {"items": [{"model": "fast", "topic": f"tea for {MAIL}"}]},
    }
    for path, body in doors.items():
        answer = await crossed.ask(allowed, "POST", path, json=body)
        refused = await crossed.ask(barred, "POST", path, json=body)

        if path.endswith("/batch"):
            assert refused.json()["results"][0]["error"]["status"] == 404, refused.text
        else:
            assert refused.status_code == 404, (path, refused.text)
        assert MAIL not in answer.text, path
        if path != "/v1/completions":  # providers complete no plain text
            assert answer.status_code == 200, (path, answer.text)
            assert "[EMAIL]" in answer.text, path
    assert all(MAIL not in request.body.decode() for request in upstream.requests)
