"""Tools over `POST /v1/chat/completions`, as OpenAI clients use them.

The model is echo, which repeats the last message: so a message that is a call is one.
"""

import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx
import pytest

from cluster.client.values import ChatResponse
from cluster.runtime.clock import SystemClock
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    ModelCard,
    ModelLoad,
)
from deployments.ingress.schemas.answers import ChatCompletion
from deployments.model.engines.echo import EchoEngine
from deployments.model.spec import Limits
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from mobula_client.responses import ChatResponse as RemoteChatResponse

CHAT = "/v1/chat/completions"
CALL = '{"name":"weather","arguments":{"city":"Turin"}}'
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather now",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
ASKED: dict[str, Any] = {
    "model": "words",
    "messages": [{"role": "user", "content": CALL}],
    "tools": [WEATHER],
}


class EchoModel:
    """A model in this process."""

    def __init__(self) -> None:
        card = ModelCard("words", "echo", "echo", "1", 8_192, 1_700_000_000)
        self._model = TextModel(
            EchoEngine(), ByteTokenizer(), card, Limits(context_length=8_192), SystemClock()
        )
        self.requests: list[GenerateRequest] = []

    async def card(self) -> ModelCard:
        return self._model.card()

    async def load(self) -> ModelLoad:
        return ModelLoad(0, 0, 0, 0, 0, 0, 0, 0)

    async def generate(self, request: GenerateRequest) -> Completion:
        self.requests.append(request)
        return await self._model.generate(request)

    def stream(self, request: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        self.requests.append(request)
        return self._model.stream(request)


@pytest.fixture
def model() -> EchoModel:
    return EchoModel()


async def chat(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post(CHAT, json=ASKED | changes)


def events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.split("\n\n"):
        if line and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


async def test_a_call_is_answered_in_openais_shape(client: httpx.AsyncClient) -> None:
    response = await chat(client)

    [choice] = ChatCompletion.model_validate_json(response.content).choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls is not None
    [call] = choice.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"Turin"}')


async def test_a_streamed_call_names_itself_first(client: httpx.AsyncClient) -> None:
    response = await chat(client, stream=True)

    choices = [event["choices"][0] for event in events(response.text)]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    assert (calls[0]["index"], calls[0]["type"]) == (0, "function")
    assert calls[0]["id"].startswith("call_")
    assert calls[0]["function"]["name"] == "weather"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"city":"Turin"}'
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert not any(choice["delta"].get("content") for choice in choices)


async def test_a_loop_ends_with_the_tools_answer(client: httpx.AsyncClient) -> None:
    message = (await chat(client)).json()["choices"][0]["message"]
    result = {
        "role": "tool",
        "tool_call_id": message["tool_calls"][0]["id"],
        "content": "22 degrees",
    }

    response = await chat(client, messages=[*ASKED["messages"], message, result])

    [choice] = response.json()["choices"]
    assert choice["message"]["content"] == "Result of weather: 22 degrees"
    assert choice["finish_reason"] == "stop"


async def test_no_call_is_made_where_none_is_to_be(client: httpx.AsyncClient) -> None:
    [choice] = (await chat(client, tool_choice="none")).json()["choices"]

    assert (choice["message"]["content"], choice["finish_reason"]) == (CALL, "stop")
    assert "tool_calls" not in choice["message"]


async def test_one_call_where_they_are_not_to_be_parallel(client: httpx.AsyncClient) -> None:
    two = [{"role": "user", "content": f"{CALL}\n{CALL}"}]

    both = (await chat(client, messages=two)).json()["choices"][0]["message"]
    one = (await chat(client, messages=two, parallel_tool_calls=False)).json()["choices"][0]

    assert len(both["tool_calls"]) == 2
    assert len(one["message"]["tool_calls"]) == 1


async def test_the_python_clients_read_calls(client: httpx.AsyncClient) -> None:
    raw = (await chat(client)).json()

    for kind in (ChatResponse, RemoteChatResponse):
        response = kind.of(raw)
        assert (response.text, response.finish_reason) == ("", "tool_calls")
        assert response.tool_calls[0]["function"]["name"] == "weather"
        assert response.message == raw["choices"][0]["message"]


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "weather", **function}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return {"type": "object", "properties": {"a": schema}}


RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "22"}
NAMED = {"type": "function", "function": {"name": "clock"}}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        pytest.param({"tools": [WEATHER, WEATHER]}, "tools", id="equal names"),
        pytest.param(
            {"tools": [tool(parameters={"type": "string"})]},
            "tools[0].function.parameters.type",
            id="arguments that are no object",
        ),
        pytest.param(
            {"tools": [tool(parameters=nested(80))]},
            "tools[0].function.parameters",
            id="a deep schema",
        ),
        pytest.param(
            {"tools": [tool(parameters={"description": "a" * 70_000})]},
            "tools[0].function.parameters",
            id="a large schema",
        ),
        pytest.param(
            {"tool_choice": NAMED}, "tool_choice.function.name", id="a choice of another tool"
        ),
        pytest.param(
            {"tools": [], "tool_choice": "required"}, "tool_choice", id="no tools to call"
        ),
        pytest.param({"tool_choice": "required"}, "tool_choice", id="an engine without grammars"),
        pytest.param(
            {"messages": [*ASKED["messages"], RESULT]},
            "messages[1].tool_call_id",
            id="a result without a call",
        ),
        pytest.param(
            {
                "tools": [
                    tool(strict=True, parameters={"type": "object", "not": {"required": ["a"]}})
                ]
            },
            "tools[0].function.parameters/not",
            id="a strict schema outside of the subset",
        ),
    ],
)
async def test_what_contradicts_itself_is_refused_by_name(
    client: httpx.AsyncClient, changes: dict[str, Any], param: str
) -> None:
    response = await chat(client, **changes)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    "name", [pytest.param("a" * 65, id="long"), pytest.param("a b", id="a blank"), ""]
)
async def test_names_that_no_function_has_are_refused(client: httpx.AsyncClient, name: str) -> None:
    response = await chat(client, tools=[{"type": "function", "function": {"name": name}}])

    assert response.status_code in (400, 422)
    assert response.json()["error"]["param"].endswith("function.name")
