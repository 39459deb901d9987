"""OpenAI's own package reads responses: its types hold, and its client puts streams together."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from starlette.types import ASGIApp

from tests.api.translation.scripted import Script, ScriptedModel
from tests.api.web import ADMIN_KEY, client_of

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
CALL = Script(("I look.",), (("c1", "weather", ('{"city":', '"Oslo"}')),), "tool_calls")
SCRIPTS = {
    "text": Script(),
    "call": CALL,
    "cut": Script(finish_reason="length"),
    "empty": Script(()),
}


class City(BaseModel):
    city: str


@pytest.fixture
async def api(app: ASGIApp) -> AsyncIterator[openai.AsyncOpenAI]:
    base_url = "http://mobula.test/v1"
    async with (
        client_of(app, key=None) as client,
        openai.AsyncOpenAI(
            base_url=base_url, api_key=ADMIN_KEY, http_client=client, max_retries=0
        ) as api,
    ):
        yield api


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_types_of_the_package_hold(
    client: httpx.AsyncClient, scripted: ScriptedModel, name: str
) -> None:
    """Checked, which the package itself does not do."""
    scripted.script = SCRIPTS[name]
    body = {"model": "words", "input": "x", "tools": [TOOL], "store": False}

    whole = await client.post("/v1/responses", json=body)
    streamed = await client.post("/v1/responses", json=body | {"stream": True})

    TypeAdapter(Response).validate_json(whole.content)
    events: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for frame in streamed.text.split("\n\n"):
        if frame:
            data = frame.split("\n")[1].removeprefix("data: ")
            assert events.validate_json(data).type == json.loads(data)["type"]


async def test_its_client_puts_a_stream_together(
    api: openai.AsyncOpenAI, scripted: ScriptedModel
) -> None:
    scripted.script = CALL

    async with api.responses.stream(model="words", input="x", tools=[TOOL]) as stream:
        names = [event.type async for event in stream]
        response = await stream.get_final_response()

    assert names[-1] == "response.completed"
    assert response.output_text == "I look."
    [call] = [item for item in response.output if item.type == "function_call"]
    assert (call.call_id, call.arguments) == ("c1", '{"city":"Oslo"}')


async def test_its_client_reads_structured_output(
    api: openai.AsyncOpenAI, scripted: ScriptedModel
) -> None:
    scripted.script = Script(('{"city":', '"Oslo"}'))

    response = await api.responses.parse(model="words", input="x", text_format=City)

    assert response.output_parsed == City(city="Oslo")


async def test_what_it_got_goes_back_as_it_came(
    api: openai.AsyncOpenAI, scripted: ScriptedModel
) -> None:
    scripted.script = CALL
    first = await api.responses.create(model="words", input="x", tools=[TOOL])
    scripted.script = Script()
    history: Any = [{"role": "user", "content": "x"}, *first.output]
    result = {"type": "function_call_output", "call_id": "c1", "output": "rain"}

    second = await api.responses.create(model="words", input=[*history, result], tools=[TOOL])

    assert second.output_text == "one two three"
    roles = [message.role for message in scripted.requests[-1].messages]
    assert roles == ["user", "assistant", "tool"]


async def test_refusals_are_its_typed_errors(api: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await api.responses.create(model="words", input="x", background=True)
    assert refused.value.param == "background"
    with pytest.raises(openai.NotFoundError) as missing:
        await api.responses.create(model="other", input="x")
    assert missing.value.code == "model_not_found"
