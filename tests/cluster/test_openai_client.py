"""The unmodified `openai` package against a real cluster."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from load_tests.benchmarks.common.local_serve import LocalServe

HELLO = [{"role": "user", "content": "Write an Instagram caption about a bakery"}]


@pytest.fixture
async def api(cluster: LocalServe) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{cluster.url}/v1", api_key=cluster.key, max_retries=0
    ) as api:
        yield api


async def test_it_lists_and_describes_models(api: openai.AsyncOpenAI) -> None:
    listed = {model.id: model.model_extra or {} async for model in api.models.list()}
    names = {id for id, extra in listed.items() if {"root", "targets"} & extra.keys()}
    assert listed.keys() - names == {"echo", "elastic", "minilm", "nano", "slow"}
    assert {"gpt-4o-mini", "canary", "openai/nano"} <= names
    assert (await api.models.retrieve("nano")).owned_by == "mobula"


async def test_it_embeds(api: openai.AsyncOpenAI) -> None:
    texts = ["A new coffee shop", "A cafe that just opened", "The tax form is due"]
    answer = await api.embeddings.create(model="minilm", input=texts)

    shop, cafe, tax = (item.embedding for item in answer.data)
    assert len(shop) == 384
    assert _cosine(shop, cafe) > _cosine(shop, tax) + 0.2
    assert answer.usage.prompt_tokens > 10


async def test_it_moderates(api: openai.AsyncOpenAI) -> None:
    answer = await api.moderations.create(input=["I will kill you tonight", "A new coffee shop"])

    assert [result.flagged for result in answer.results] == [True, False]


async def test_documents_are_ranked_and_tokens_counted_by_the_replicas(
    api: openai.AsyncOpenAI,
) -> None:
    """Of other servers' APIs, by the same client."""
    documents = ["The tax form is due", "A cafe that just opened"]
    asked = {"model": "minilm", "query": "coffee shop", "documents": documents}
    ranked = await api.post("/rerank", cast_to=dict[str, Any], body=asked)
    root = api.with_options(base_url=str(api.base_url).removesuffix("v1/"))
    for model in ("minilm", "nano"):
        text = {"model": model, "prompt": "coffee", "add_special_tokens": False}
        tokens = await root.post("/tokenize", cast_to=dict[str, Any], body=text)
        ids = {"model": model, "tokens": tokens["tokens"]}
        back = await root.post("/detokenize", cast_to=dict[str, Any], body=ids)
        assert back == {"prompt": "coffee"}

    assert [each["index"] for each in ranked["results"]] == [1, 0]


def _cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))  # of length 1


async def test_it_chats(api: openai.AsyncOpenAI) -> None:
    answer = await api.chat.completions.create(
        model="nano", messages=HELLO, max_tokens=48, n=2, seed=1, logprobs=True
    )

    assert len(answer.choices) == 2
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert all(token.logprob <= 0 for token in logprobs.content)


async def test_it_streams_with_usage(api: openai.AsyncOpenAI) -> None:
    stream = await api.chat.completions.create(
        model="nano",
        messages=HELLO,
        max_tokens=48,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]

    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > chunks[-1].usage.completion_tokens > 0


async def test_it_completes_and_stops_at_a_stop_string(api: openai.AsyncOpenAI) -> None:
    answer = await api.completions.create(model="echo", prompt="one two three", stop=" three")

    assert answer.choices[0].text == "one two"
    assert answer.choices[0].finish_reason == "stop"


async def test_it_gets_typed_errors(cluster: LocalServe, api: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await api.chat.completions.create(model="gpt-9", messages=HELLO)
    assert missing.value.code == "model_not_found"

    with pytest.raises(openai.BadRequestError) as malformed:
        await api.chat.completions.create(model="nano", messages=[])
    assert malformed.value.param == "messages"

    async with openai.AsyncOpenAI(base_url=f"{cluster.url}/v1", api_key="wrong") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()
