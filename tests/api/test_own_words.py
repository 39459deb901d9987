"""An assistant's message goes back as it came: the idiom of every conversation in several turns."""

from typing import Any

import httpx
import pytest

from deployments.contracts.generation import Choice, Completion, Message, TokenUsage, ToolCall
from tests.api.fakes import WordsModel

CHAT = "/v1/chat/completions"
USER = {"role": "user", "content": "hello you"}
HELLO: dict[str, Any] = {"model": "words", "messages": [USER]}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "5"}


async def test_the_exact_answer_is_the_next_turn(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    answer = (await client.post(CHAT, json=HELLO)).json()["choices"][0]["message"]
    again = await client.post(CHAT, json=HELLO | {"messages": [USER, answer, USER]})

    assert again.status_code == 200
    assert "mobula-ignored" not in again.headers
    assert model.requests[1].messages[1] == Message("assistant", "one two three")


async def test_the_exact_answer_with_tool_calls_is_the_next_turn(
    client: httpx.AsyncClient, model: WordsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ToolCall("call_1", "no tool's name.", '{"a": 1}')

    async def calls_a_tool(request: object) -> Completion:
        return Completion((Choice(0, "", "tool_calls", tool_calls=(call,)),), TokenUsage(), "words")

    with monkeypatch.context() as patch:
        patch.setattr(model, "generate", calls_a_tool)
        answer = (await client.post(CHAT, json=HELLO)).json()["choices"][0]["message"]
    again = await client.post(CHAT, json=HELLO | {"messages": [USER, answer, RESULT]})

    assert again.status_code == 200
    assert "mobula-ignored" not in again.headers
    assert model.requests[0].messages[1:] == (
        Message("assistant", "", (call,)),
        Message("tool", "5", (), "call_1"),
    )


# As clients write a message that they got: an object of openai-python, its `model_dump()`, that of
# openai-node, what was put together from a stream, and what other servers put into their answers.
DUMPED = {"refusal": None, "annotations": None, "audio": None, "function_call": None}
TURNS = [
    pytest.param({"content": "a", "refusal": None}, "a", id="our-own"),
    pytest.param({"content": "a", **DUMPED, "tool_calls": None}, "a", id="model-dump"),
    pytest.param({"content": "a", "refusal": None, "annotations": []}, "a", id="openai-node"),
    pytest.param({"content": "a", "tool_calls": []}, "a", id="no-calls"),
    pytest.param({"content": None, "tool_calls": [CALL]}, "", id="calls-only"),
    pytest.param({"tool_calls": [CALL]}, "", id="no-content-field"),
    pytest.param({"content": None, "tool_calls": [CALL | {"index": 0}]}, "", id="from-a-stream"),
    pytest.param({"content": None}, "", id="null"),
    pytest.param({"content": []}, "", id="no-parts"),
    pytest.param({"content": [{"type": "text", "text": "a"}]}, "a", id="parts"),
    pytest.param({"content": [{"type": "refusal", "refusal": "no"}]}, "no", id="refusal-part"),
    pytest.param({"content": None, "refusal": "I will not"}, "I will not", id="refusal"),
    pytest.param({"content": None, "audio": {"id": "audio_1"}}, "", id="audio"),
    pytest.param(
        {"content": None, "function_call": {"name": "f", "arguments": "{}"}}, "", id="older-call"
    ),
    pytest.param({"content": "a", "annotations": [{"type": "url_citation"}]}, "a", id="citations"),
    pytest.param({"content": "a", "reasoning_content": "hm", "parsed": None}, "a", id="others"),
]


@pytest.mark.parametrize(("turn", "text"), TURNS)
async def test_every_form_of_an_assistants_message_is_accepted(
    client: httpx.AsyncClient, model: WordsModel, turn: dict[str, Any], text: str
) -> None:
    turns = [USER, {"role": "assistant", **turn}, USER]
    response = await client.post(CHAT, json=HELLO | {"messages": turns})

    assert response.status_code == 200, response.text
    assert model.requests[0].messages[1].content == text


async def test_the_older_form_of_a_result_may_be_without_content(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    result = {"role": "function", "name": "f", "content": None}
    response = await client.post(CHAT, json=HELLO | {"messages": [USER, result]})

    assert response.status_code == 200
    assert model.requests[0].messages[1] == Message("tool", "", name="f")


@pytest.mark.parametrize(
    ("turn", "param"),
    [
        pytest.param({"role": "user", "content": None}, "content", id="user-without-content"),
        pytest.param(USER | {"tool_calls": [CALL]}, "tool_calls", id="a-users-calls"),
        pytest.param({"role": "tool", "content": "5"}, "tool_call_id", id="result-of-no-call"),
    ],
)
async def test_what_makes_no_turn_is_refused_by_name(
    client: httpx.AsyncClient, turn: dict[str, Any], param: str
) -> None:
    response = await client.post(CHAT, json=HELLO | {"messages": [USER, turn]})

    assert response.status_code == 400
    assert response.json()["error"]["param"] == f"messages[1].{param}"
