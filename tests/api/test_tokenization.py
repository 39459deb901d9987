"""`/tokenize` and `/detokenize` over models whose tokens are characters."""

from typing import Any

import httpx
import pytest

from cluster.tenants.plan import Plan
from deployments.ingress.schemas.answers import OpenAIErrorBody
from deployments.ingress.schemas.tokenization import (
    MAX_CHARS,
    MAX_TOKENS,
    DetokenizeResponse,
    TokenizeResponse,
)
from tests.api.fakes import CONTEXT, Records


async def tokenize(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/tokenize", json={"model": "words", **body})


async def detokenize(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/detokenize", json={"model": "words", "tokens": [97], **body})


@pytest.mark.parametrize("asked", ["words", "letters"])
async def test_a_prompt_becomes_ids_and_text_again(client: httpx.AsyncClient, asked: str) -> None:
    answer = (await tokenize(client, model=asked, prompt="ab")).raise_for_status().json()
    found = TokenizeResponse.model_validate(answer)
    back = await detokenize(client, model=asked, tokens=found.tokens)

    assert (found.tokens, found.count, found.max_model_len) == ([2, 97, 98], 3, CONTEXT)
    assert found.token_strs is None
    assert DetokenizeResponse.model_validate(back.json()).prompt == "<s>ab"


async def test_special_tokens_and_names_are_options(client: httpx.AsyncClient) -> None:
    options = {"add_special_tokens": False, "return_token_strs": True}
    found = (await tokenize(client, prompt="ab", **options)).json()

    assert (found["tokens"], found["token_strs"]) == ([97, 98], ["a", "b"])


async def test_a_chat_becomes_the_ids_of_its_prompt(client: httpx.AsyncClient) -> None:
    messages = [
        {"role": "developer", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}]},
    ]
    found = (await tokenize(client, messages=messages)).json()

    assert found["tokens"] == [2, *map(ord, "a b")]


async def test_it_costs_nothing_and_is_audited(client: httpx.AsyncClient, records: Records) -> None:
    await tokenize(client, prompt="ab")

    assert records.usage == []
    line = records.lines[-1]
    assert (line.action, line.resource, line.outcome) == ("tokenize", "model:words", "ok")


@pytest.mark.parametrize(
    ("body", "status", "param", "says"),
    [
        pytest.param({}, 400, "prompt", "messages", id="nothing"),
        pytest.param(
            {"prompt": "a", "messages": [{"role": "user", "content": "a"}]},
            400, "prompt", "either", id="both",
        ),
        pytest.param({"prompt": "a" * (MAX_CHARS + 1)}, 400, "prompt", "262144", id="long"),
        pytest.param(
            {"messages": [{"role": "user", "content": "a" * 200_000}] * 2},
            400, "messages", "262144", id="long chat",
        ),
        pytest.param({"messages": []}, 400, "messages", "", id="no messages"),
        pytest.param(
            {"model": "letters", "messages": [{"role": "user", "content": "a"}]},
            400, "messages", "no chats", id="no chats",
        ),
        pytest.param(
            {"model": "cross", "prompt": "a"}, 404, "model", "words, letters", id="no tokenizer"
        ),
    ],
)  # fmt: skip
async def test_what_cannot_be_tokenized_is_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, param: str, says: str
) -> None:
    answer = await tokenize(client, **body)
    error = OpenAIErrorBody.model_validate(answer.json()).error

    assert (answer.status_code, error.param) == (status, param)
    assert says in error.message


@pytest.mark.parametrize(
    ("tokens", "param"),
    [([-1], "tokens[0]"), (["a"], "tokens[0]"), ([1] * (MAX_TOKENS + 1), "tokens")],
    ids=["negative", "text", "many"],
)
async def test_what_is_no_token_is_refused_by_name(
    client: httpx.AsyncClient, tokens: list[Any], param: str
) -> None:
    answer = await detokenize(client, tokens=tokens)

    assert answer.status_code == 400
    assert OpenAIErrorBody.model_validate(answer.json()).error.param == param


class TestPlans:
    @pytest.fixture
    def plan(self) -> Plan:
        return Plan(id="letters-only", models=("letters",))

    async def test_a_model_that_the_plan_leaves_out_does_not_exist(
        self, client: httpx.AsyncClient
    ) -> None:
        refused = await tokenize(client, prompt="a")

        assert refused.status_code == 404
        assert "models: letters." in refused.json()["error"]["message"]
        assert (await detokenize(client)).status_code == 404
