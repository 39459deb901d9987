"""What a request's usage says, and for whom it is recorded."""

import json
from typing import Any

import httpx
import pytest

from deployments.contracts.generation import TokenUsage
from tests.api.fakes import Records, WordsModel

CHAT = {"model": "words", "messages": [{"role": "user", "content": "hello there"}]}
TEXT = {"model": "words", "prompt": "hello there"}
RESPONSE = {"model": "words", "input": "hello there", "store": False}
MESSAGES = {**CHAT, "max_tokens": 9}
EMBED = {"model": "letters", "input": "hello"}
REASONED = TokenUsage(10, 7, 4, 3, is_estimated=True, cost=1_234)


async def usage_of(client: httpx.AsyncClient, route: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"/v1/{route}", json=body)
    assert answer.status_code == 200, answer.text
    usage: dict[str, Any] = answer.json()["usage"]
    return usage


@pytest.mark.parametrize(
    ("route", "body", "member", "details"),
    [
        ("chat/completions", CHAT, "completion_tokens_details", {"reasoning_tokens": 3}),
        ("completions", TEXT, "completion_tokens_details", {"reasoning_tokens": 3}),
        ("responses", RESPONSE, "output_tokens_details", {"reasoning_tokens": 3}),
        ("messages", MESSAGES, "output_tokens", 7),
    ],
)
async def test_reasoning_and_estimates_are_told(
    client: httpx.AsyncClient, model: WordsModel, route: str, body: dict[str, Any],
    member: str, details: object,
) -> None:  # fmt: skip
    model.reported = REASONED
    usage = await usage_of(client, route, body)
    assert (usage[member], usage["estimated"]) == (details, True)

    model.reported = None
    assert "estimated" not in await usage_of(client, route, body)


async def test_a_stream_tells_them_too(client: httpx.AsyncClient, model: WordsModel) -> None:
    model.reported = REASONED
    body = CHAT | {"stream": True, "stream_options": {"include_usage": True}}
    answer = await client.post("/v1/chat/completions", json=body)

    *_, last, end = [line for line in answer.text.split("\n\n") if line]
    usage = json.loads(last.removeprefix("data: "))["usage"]
    assert end == "data: [DONE]"
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 3}
    assert usage["estimated"] is True


async def test_what_the_model_reports_is_recorded(
    client: httpx.AsyncClient, model: WordsModel, records: Records
) -> None:
    model.reported = REASONED
    await usage_of(client, "chat/completions", CHAT)

    [(_, _, amounts)] = records.usage
    assert (amounts.cached_tokens, amounts.reasoning_tokens) == (4, 3)
    assert amounts.estimated_tokens == 17
    assert records.calls[0][2] == 1_234


@pytest.mark.parametrize(
    "absurd",
    [
        TokenUsage(10, 7, 10**12, 10**12, cost=-1),
        TokenUsage(10, 7, 11, 8, cost=10**30),
    ],
)
async def test_a_part_is_never_more_than_the_whole_and_a_cost_is_possible(
    client: httpx.AsyncClient, model: WordsModel, records: Records, absurd: TokenUsage
) -> None:
    model.reported = absurd
    await usage_of(client, "chat/completions", CHAT)

    [(_, _, amounts)] = records.usage
    assert (amounts.cached_tokens, amounts.reasoning_tokens) == (10, 7)
    assert records.calls[0][2] is None


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("chat/completions", CHAT),
        ("completions", TEXT),
        ("responses", RESPONSE),
        ("messages", MESSAGES),
        ("embeddings", EMBED),
    ],
)
async def test_tags_of_the_header_are_recorded(
    client: httpx.AsyncClient, records: Records, route: str, body: dict[str, Any]
) -> None:
    answer = await client.post(f"/v1/{route}", json=body, headers={"Mobula-Tags": "beta, web"})

    assert answer.status_code == 200
    assert [tags for _, tags, _ in records.calls] == [("beta", "web")]


@pytest.mark.parametrize(
    ("route", "body", "tags"),
    [
        ("chat/completions", CHAT, ["a", "b"]),
        ("chat/completions", CHAT | {"stream": True}, "a, b"),
        ("completions", TEXT, "a,b"),
        ("responses", RESPONSE, "a, b"),
        ("messages", MESSAGES, ["a", "b"]),
    ],
)
async def test_tags_of_the_body_are_recorded(
    client: httpx.AsyncClient, records: Records, route: str, body: dict[str, Any], tags: object
) -> None:
    answer = await client.post(f"/v1/{route}", json=body | {"metadata": {"tags": tags}})

    assert answer.status_code == 200
    assert [found for _, found, _ in records.calls] == [("a", "b")]
    assert "mobula-ignored" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "metadata", "param"),
    [
        ({"Mobula-Tags": "a,b,c,d,e,f"}, {}, "Mobula-Tags"),
        ({"Mobula-Tags": "a,b,c"}, {"tags": "d,e,f"}, "metadata.tags"),
        ({}, {"tags": ["x" * 65]}, "metadata.tags"),
        ({}, {"tags": 5}, "metadata.tags"),
    ],
)
async def test_tags_beyond_the_limits_are_refused_by_name(
    client: httpx.AsyncClient, records: Records, headers: dict[str, str],
    metadata: dict[str, Any], param: str,
) -> None:  # fmt: skip
    body = CHAT | {"metadata": metadata}
    answer = await client.post("/v1/chat/completions", json=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert records.usage == []
