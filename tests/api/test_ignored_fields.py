"""What of a body has no effect is named in `Mobula-Ignored`, and refused on native routes."""

from typing import Any

import httpx
import pytest

from deployments.ingress.http.ignored_fields import MAX_NAMES
from tests.api.fakes import WordsModel

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "words", "messages": [{"role": "user", "content": "hello you"}]}


async def ignored(client: httpx.AsyncClient, body: dict[str, Any], path: str = CHAT) -> list[str]:
    """The names in the header of a response to `body`."""
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    value = response.headers.get("mobula-ignored", "")
    return value.split(", ") if value else []


@pytest.mark.parametrize("stream", [False, True])
async def test_unknown_fields_are_named_whole_and_streamed(
    client: httpx.AsyncClient, model: WordsModel, stream: bool
) -> None:
    body = HELLO | {"temprature": 0, "best": {"of": 1}, "stream": stream}

    assert await ignored(client, body) == ["temprature", "best"]
    assert model.requests[0].sampling.temperature == 1.0


async def test_unknown_fields_are_named_at_every_depth(client: httpx.AsyncClient) -> None:
    part = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}", "x": 1}}
    body = HELLO | {
        "messages": [
            {"role": "user", "content": [part], "mood": "good"},
            {"role": "assistant", "content": None, "reasoning": "none", "tool_calls": [call]},
            {"role": "tool", "content": "5", "tool_call_id": "1"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }

    assert set(await ignored(client, body)) == {
        "messages.0.mood",
        "messages.0.content.0.cache_control",
        "messages.1.reasoning",
        "messages.1.tool_calls.0.function.x",
        "stream_options.continuous_usage_stats",
    }


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        ("reasoning_effort", "low"),
        ("verbosity", "high"),
        ("service_tier", "flex"),
        ("store", True),
        ("prediction", {"type": "content", "content": "x"}),
        ("chat_template_kwargs", {"enable_thinking": False}),
    ],
)
async def test_hints_that_change_nothing_are_named(
    client: httpx.AsyncClient, hint: str, value: object
) -> None:
    assert await ignored(client, HELLO | {hint: value}) == [hint]


async def test_the_header_is_short_and_safe_whatever_the_names_are(
    client: httpx.AsyncClient,
) -> None:
    names = ['a"b', "c,d", "e\r\nSet-Cookie: f", "\u00e9", "", "k" * 10_000]
    found = await ignored(client, HELLO | dict.fromkeys(names, 1))
    many = await ignored(client, HELLO | {f"x{number}": 1 for number in range(MAX_NAMES + 3)})

    assert found[:5] == ["a?b", "c?d", "e??Set-Cookie??f", "?", "?"]
    assert found[5].startswith("kkk")
    assert len(found[5]) <= 100
    assert many[-1] == "+3"
    assert len(many) == MAX_NAMES + 1


async def test_a_refusal_names_real_faults_only_and_the_header_what_was_ignored(
    client: httpx.AsyncClient,
) -> None:
    wrong = await client.post(CHAT, json=HELLO | {"typo": 1, "n": "two"})
    unknown = await client.post(CHAT, json=HELLO | {"typo": 1, "model": "none"})

    assert wrong.status_code == 400
    assert wrong.json()["error"]["param"] == "n"
    assert "more" not in wrong.json()["error"]["message"]
    assert unknown.status_code == 404
    assert unknown.headers["mobula-ignored"] == "typo"


async def test_completions_and_embeddings_ignore_them_too(client: httpx.AsyncClient) -> None:
    prompt = {"model": "words", "prompt": "to be", "use_beam_search": False}

    assert await ignored(client, prompt, "/v1/completions") == ["use_beam_search"]
    text = {"model": "letters", "input": "abc", "truncate": "END"}
    assert await ignored(client, text, "/v1/embeddings") == ["truncate"]


async def test_native_routes_stay_strict(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/captions", json={"topic": "tea", "tpoic": "x"})

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/tpoic"
    assert "mobula-ignored" not in response.headers
