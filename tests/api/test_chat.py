"""`POST /v1/chat/completions` as an OpenAI client sees it."""

import json
from typing import Any

import httpx
import pytest

from deployments.ingress.schemas.answers import ChatCompletion, TextCompletion
from tests.api.fakes import WordsModel

HELLO: dict[str, Any] = {"model": "words", "messages": [{"role": "user", "content": "hello you"}]}


def chunks(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


PICTURE = {
    "role": "user",
    "content": [{"type": "image_url", "image_url": {"url": "https://pictures.test/1.png"}}],
}


async def chat(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post("/v1/chat/completions", json=HELLO | changes)


async def test_an_answer_has_the_documented_shape_and_counts_tokens(
    client: httpx.AsyncClient,
) -> None:
    response = await chat(client)

    assert response.status_code == 200
    answer = ChatCompletion.model_validate_json(response.content)
    assert answer.choices[0].message.content == "one two three"
    assert response.json()["usage"] == {
        "prompt_tokens": 2,
        "completion_tokens": 3,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    assert response.headers["x-request-id"] in answer.id


async def test_sampling_reaches_the_model_as_it_was_asked_for(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    await chat(
        client, n=2, temperature=0, top_p=0.5, top_k=7, stop=["a", "b"], seed=5,
        presence_penalty=1.5, frequency_penalty=-0.5, max_completion_tokens=2,
        logprobs=True, top_logprobs=1, min_p=0.1, repetition_penalty=1.2,
        logit_bias={"7": -3, "5": 0.5, "6": 0}, stop_token_ids=[9, 8, 9], ignore_eos=True,
    )  # fmt: skip

    request = model.requests[0]
    sampling = request.sampling
    assert (request.n, sampling.temperature, sampling.top_p, sampling.top_k) == (2, 0.0, 0.5, 7)
    assert (sampling.stop, sampling.seed, sampling.max_tokens) == (("a", "b"), 5, 2)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (1.5, -0.5)
    assert sampling.logprobs == 1
    assert (sampling.min_p, sampling.repetition_penalty) == (0.1, 1.2)
    assert sampling.logit_bias == ((5, 0.5), (7, -3.0))
    assert (sampling.stop_token_ids, sampling.ignore_eos) == ((8, 9), True)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"top_k": -1, "max_tokens": -1}, id="vllm-says-no-limit"),
        pytest.param({"stop": ""}, id="empty-stop"),
        pytest.param({"stop": []}, id="no-stops"),
        pytest.param({"stop": ["", ""]}, id="empty-stops"),
        pytest.param({"n": 1.0, "top_k": 0.0, "top_p": 1}, id="whole-floats"),
        pytest.param({"logit_bias": {}, "stop_token_ids": []}, id="no-biases"),
        pytest.param({"min_p": 0, "repetition_penalty": 1}, id="neutral"),
        pytest.param({"ignore_eos": None, "min_p": None, "stop_token_ids": None}, id="nulls"),
    ],
)
async def test_what_asks_for_nothing_is_taken_as_if_it_was_not_there(
    client: httpx.AsyncClient, model: WordsModel, change: dict[str, Any]
) -> None:
    plain, other = await chat(client), await chat(client, **change)

    assert (plain.status_code, other.status_code) == (200, 200)
    assert model.requests[0].sampling == model.requests[1].sampling


async def test_numbers_may_be_written_as_floats_and_stops_may_be_many(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    stops = [f"stop {number}" for number in range(32)]
    await chat(client, max_tokens=5.0, seed=7.0, n=2.0, top_k=3.0, stop=stops)

    request = model.requests[0]
    sampling = request.sampling
    assert (sampling.max_tokens, sampling.seed, sampling.top_k, request.n) == (5, 7, 3, 2)
    assert sampling.stop == tuple(stops)


async def test_n_choices_come_back_in_order(client: httpx.AsyncClient) -> None:
    answer = (await chat(client, n=3)).json()

    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["completion_tokens"] == 9


async def test_log_probabilities_carry_text_bytes_and_alternatives(
    client: httpx.AsyncClient,
) -> None:
    answer = (await chat(client, logprobs=True, top_logprobs=2)).json()

    first = answer["choices"][0]["logprobs"]["content"][0]
    assert (first["token"], first["logprob"], first["bytes"]) == ("one", -0.5, list(b"one"))
    assert [entry["token"] for entry in first["top_logprobs"]] == ["one", "other"]


async def test_a_stream_spells_the_same_text_and_ends_with_done(client: httpx.AsyncClient) -> None:
    response = await chat(client, stream=True)

    assert response.headers["content-type"].startswith("text/event-stream")
    found = chunks(response.text)
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in found) == "one two three"
    assert found[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [c["choices"][0]["finish_reason"] for c in found] == [None, None, None, "stop"]


async def test_the_usage_chunk_comes_last_and_only_when_asked_for(
    client: httpx.AsyncClient,
) -> None:
    without = chunks((await chat(client, stream=True)).text)
    with_usage = chunks(
        (await chat(client, stream=True, stream_options={"include_usage": True})).text
    )

    assert all("usage" not in chunk for chunk in without)
    assert with_usage[-1]["choices"] == []
    assert with_usage[-1]["usage"]["total_tokens"] == 5
    assert all(chunk["usage"] is None for chunk in with_usage[:-1])


async def test_messages_may_come_in_text_parts_and_developer_means_system(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    await chat(
        client,
        messages=[{"role": "developer", "content": "be kind"}, {"role": "user", "content": parts}],
    )

    sent = model.requests[0].messages
    assert [(m.role, m.content) for m in sent] == [("system", "be kind"), ("user", "a b")]


async def test_a_plain_completion_continues_a_prompt(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/v1/completions", json={"model": "words", "prompt": "to be", "logprobs": 1}
    )

    answer = TextCompletion.model_validate_json(response.content)
    assert answer.choices[0].text == "one two three"
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs["tokens"] == ["one", " two", " three"]


async def test_a_plain_completion_streams(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/v1/completions", json={"model": "words", "prompt": "to be", "stream": True}
    )

    assert "".join(c["choices"][0]["text"] for c in chunks(response.text)) == "one two three"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        pytest.param({"audio": {"voice": "x"}}, "audio", id="audio"),
        pytest.param({"modalities": ["text", "audio"]}, "modalities", id="modalities"),
        pytest.param({"functions": [{"name": "f"}]}, "functions", id="functions"),
        pytest.param({"web_search_options": {}}, "web_search_options", id="search"),
        pytest.param({"continue_final_message": True}, "continue_final_message", id="prefix"),
        pytest.param({"messages": [PICTURE]}, "messages[0].content[0].image_url.url", id="picture"),
        pytest.param({"top_logprobs": 2}, "top_logprobs", id="top-logprobs-alone"),
        pytest.param({"stream_options": {}}, "stream_options", id="options-without-stream"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(
    client: httpx.AsyncClient, change: dict[str, Any], param: str
) -> None:
    response = await chat(client, **change)

    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("unsupported_parameter", param)


async def test_values_that_ask_for_nothing_are_accepted(client: httpx.AsyncClient) -> None:
    response = await chat(
        client, tools=[], tool_choice="none", response_format={"type": "text"}, store=False,
        user="u1", metadata={"a": "b", "c": 5}, n=None, stop=None, logit_bias=None,
        service_tier="auto", reasoning_effort=None, parallel_tool_calls=False,
        safety_identifier="s", prompt_cache_key="k", modalities=["text"], echo=False,
    )  # fmt: skip

    assert response.status_code == 200
    assert "mobula-ignored" not in response.headers
