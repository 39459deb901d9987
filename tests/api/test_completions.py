"""`POST /v1/completions`: several prompts, prompts of token ids, and prompts in the answer."""

from typing import Any

import httpx
import pytest

from deployments.ingress.operations.text_offsets import TextOffsets
from deployments.ingress.schemas.answers import TextCompletion
from tests.api.fakes import WordsModel
from tests.api.test_chat import chunks

URL = "/v1/completions"
ONE: dict[str, Any] = {"model": "words", "prompt": "to be"}


async def complete(client: httpx.AsyncClient, **changes: Any) -> TextCompletion:
    response = await client.post(URL, json=ONE | changes)
    assert response.status_code == 200, response.text
    return TextCompletion.model_validate_json(response.content)


async def test_each_prompt_of_a_list_has_its_choices_at_its_place(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    answer = await complete(client, prompt=["a", "b c", "d"], n=2, echo=True)

    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3, 4, 5]
    texts = [choice.text.split("|")[0] for choice in answer.choices]
    assert texts == ["a", "a", "b c", "b c", "d", "d"]
    assert answer.usage.prompt_tokens == 4
    assert answer.usage.completion_tokens == 18
    assert len({request.request_id for request in model.requests}) == 3


async def test_a_stream_of_several_prompts_says_the_same(client: httpx.AsyncClient) -> None:
    whole = await complete(client, prompt=["a", "b c"], n=2, echo=True)
    body = ONE | {
        "prompt": ["a", "b c"],
        "n": 2,
        "echo": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    *parts, last = chunks((await client.post(URL, json=body)).text)

    texts: dict[int, str] = {}
    for choice in (part["choices"][0] for part in parts):
        texts[choice["index"]] = texts.get(choice["index"], "") + choice["text"]
    assert [texts[index] for index in range(4)] == [choice.text for choice in whole.choices]
    assert last["usage"]["total_tokens"] == whole.usage.total_tokens


async def test_a_prompt_that_fails_fails_the_request(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.fail_after = 1
    whole = await client.post(URL, json=ONE | {"prompt": ["a", "b"]})

    assert whole.status_code == 502
    assert model.open == 0


async def test_token_ids_reach_the_model_as_they_are(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    one = await complete(client, prompt=[5, 6, 7])
    await complete(client, prompt=[[5, 6], [7]])

    assert one.usage.prompt_tokens == 3
    assert [request.prompt_ids for request in model.requests] == [(5, 6, 7), (5, 6), (7,)]
    assert [request.prompt for request in model.requests] == [None] * 3


async def test_the_prompt_comes_back_with_its_log_probabilities(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    answer = await complete(client, echo=True, logprobs=1, max_tokens=2)

    (choice,) = answer.choices
    assert choice.text == "to be|one two"
    assert choice.logprobs == {
        "tokens": ["to be|", "one", " two"],
        "token_logprobs": [None, -0.5, -0.5],
        "top_logprobs": [None, {"one": -0.5}, {" two": -0.5}],
        "text_offset": [0, 6, 9],
    }
    assert model.requests[0].echo


async def test_nothing_is_generated_where_only_the_prompt_is_asked_for(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    answer = await complete(client, echo=True, max_tokens=0)
    refused = await client.post(URL, json=ONE | {"max_tokens": 0})

    assert answer.choices[0].text == "to be|"
    assert model.requests[0].sampling.max_tokens == 0
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "max_tokens")


async def test_the_usual_number_of_tokens_is_sixteen_and_minus_one_is_no_limit(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    await complete(client)
    await complete(client, max_tokens=-1)

    assert [request.sampling.max_tokens for request in model.requests] == [16, None]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        pytest.param({"prompt": []}, "prompt", id="no-prompt"),
        pytest.param({"prompt": [[]]}, "prompt[0]", id="no-ids"),
        pytest.param({"prompt": ["a"] * 65}, "prompt", id="too-many-prompts"),
        pytest.param({"prompt": ["a"] * 64, "n": 3}, "prompt", id="too-many-choices"),
        pytest.param({"prompt": [-1]}, "prompt[0]", id="no-id"),
        pytest.param({"prompt": ["a", 1]}, "prompt[0]", id="mixed"),
        pytest.param({"best_of": 3}, "best_of", id="best-of"),
        pytest.param({"suffix": "x"}, "suffix", id="suffix"),
    ],
)
async def test_what_cannot_be_continued_is_refused_by_name(
    client: httpx.AsyncClient, change: dict[str, Any], param: str
) -> None:
    response = await client.post(URL, json=ONE | change)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


async def test_the_best_of_as_many_as_are_asked_for_are_all_of_them(
    client: httpx.AsyncClient,
) -> None:
    assert len((await complete(client, n=2, best_of=2)).choices) == 2


OFFSETS = [
    pytest.param([("one two", [b"one", b" two"])], [[0, 3]], id="words"),
    pytest.param([("one", [b"one"]), (" two", [b" two"])], [[0], [3]], id="in-pieces"),
    pytest.param([("\u00e9x", [b"\xc3", b"\xa9", b"x"])], [[0, 0, 1]], id="within-a-character"),
    pytest.param([("hi", [b"<s>", b"hi"])], [[0, 0]], id="a-special-token"),
    pytest.param([("Hello you", [b" Hello", b" you"])], [[0, 5]], id="a-space-that-is-dropped"),
    pytest.param([("on", [b"one"]), ("e two", [b" two"])], [[0], [3]], id="held-back"),
    pytest.param([("xyz", [b"##q"]), ("one", [b"one"])], [[0], [3]], id="other-text"),
]


@pytest.mark.parametrize(("pieces", "expected"), OFFSETS)
def test_offsets_are_where_tokens_begin_in_the_text(
    pieces: list[tuple[str, list[bytes]]], expected: list[list[int]]
) -> None:
    offsets = TextOffsets()

    assert [offsets.add(text, tokens) for text, tokens in pieces] == expected
