"""`POST /v1/responses` as OpenAI's clients see it."""

from typing import Any

import httpx
import pytest

from cluster.runtime.problems import Overloaded, PromptTooLong
from deployments.contracts.generation import TokenUsage
from deployments.ingress.schemas.response_answers import ResponseObject
from tests.api.translation import reading
from tests.api.translation.scripted import Script, ScriptedModel, failing

PATH = "/v1/responses"
HELLO: dict[str, Any] = {"model": "words", "input": "hello there"}
WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALL = Script(
    texts=("Let me look.",),
    calls=(("call_1", "weather", ('{"city":', '"Oslo"}')),),
    finish_reason="tool_calls",
)


async def create(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post(PATH, json=HELLO | changes)


def names(response: httpx.Response) -> list[str]:
    return [name for name, _ in reading.events(response.text)]


def message_of(response: httpx.Response) -> str:
    return str(response.json()["error"]["message"])


async def test_an_answer_has_the_documented_shape(client: httpx.AsyncClient) -> None:
    response = await create(client)

    assert response.status_code == 200
    answer = ResponseObject.model_validate_json(response.content)
    assert answer.id.startswith("resp_")
    assert answer.status == "completed"
    [item] = answer.output
    assert item.type == "message"
    assert (item.status, item.content[0].text) == ("completed", "one two three")
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 3)
    assert answer.usage.input_tokens_details.cached_tokens == 2


async def test_what_was_asked_for_is_repeated(client: httpx.AsyncClient) -> None:
    schema = {"type": "json_schema", "name": "city", "schema": {"type": "object"}, "strict": True}
    asked: dict[str, Any] = {
        "instructions": "Be brief.",
        "max_output_tokens": 5,
        "metadata": {"order": "17"},
        "temperature": 0.5,
        "top_p": 0.25,
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "name": "weather"},
        "parallel_tool_calls": False,
        "text": {"format": schema},
        "user": "ada",
    }

    answer = (await create(client, **asked)).json()

    tools = [WEATHER | {"strict": False}]
    assert {name: answer[name] for name in asked} == asked | {"tools": tools}


async def test_instructions_are_the_first_message(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    history = [
        {"role": "developer", "content": "No jokes."},
        {"role": "user", "content": [{"type": "input_text", "text": "Weather in Oslo?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "rain"},
    ]

    assert (await create(client, instructions="Be brief.", input=history)).status_code == 200

    messages = scripted.requests[0].messages
    assert [(each.role, each.content) for each in messages] == [
        ("system", "Be brief."),
        ("system", "No jokes."),
        ("user", "Weather in Oslo?"),
        ("assistant", ""),
        ("tool", "rain"),
    ]
    assert messages[3].tool_calls[0].id == messages[4].tool_call_id == "c1"


async def test_a_stream_has_the_events_of_the_api_in_their_order(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.script = CALL

    response = await create(client, stream=True, tools=[WEATHER])

    assert response.headers["content-type"].startswith("text/event-stream")
    assert names(response) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert reading.response_stream(response.text).calls == (
        ("call_1", "weather", '{"city":"Oslo"}'),
    )


async def test_what_was_cut_off_is_incomplete_and_says_why(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.script = Script(finish_reason="length")

    answer = (await create(client)).json()
    streamed = await create(client, stream=True)

    assert answer["status"] == answer["output"][0]["status"] == "incomplete"
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert names(streamed)[-1] == "response.incomplete"


async def test_a_response_without_text_is_an_empty_message(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.script = Script(texts=(), usage=TokenUsage(7, 0))

    answer = (await create(client)).json()
    streamed = reading.events((await create(client, stream=True)).text)[-1][1]["response"]

    assert answer["output"][0]["content"][0]["text"] == ""
    assert streamed["output"][0]["content"] == answer["output"][0]["content"]


async def test_log_probabilities_come_where_they_are_asked_for(client: httpx.AsyncClient) -> None:
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}

    whole = (await create(client, **asked)).json()["output"][0]["content"][0]
    streamed = reading.events((await create(client, **asked, stream=True)).text)
    last = streamed[-1][1]["response"]["output"][0]["content"][0]
    deltas = [data["logprobs"] for name, data in streamed if name.endswith("text.delta")]

    assert [each["token"] for each in whole["logprobs"]] == ["one", " two", " three"]
    assert last["logprobs"] == whole["logprobs"]
    assert [each[0]["token"] for each in deltas] == ["one", " two", " three"]


async def test_a_failure_before_the_first_event_is_an_error(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.problem = Overloaded("Too many requests wait.")

    response = await create(client, stream=True)

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "overloaded"


async def test_a_failure_after_the_first_event_ends_the_stream_with_response_failed(
    services: Any, client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    late = failing(2)
    scripted.problem, scripted.problem_after = late.problem, late.problem_after

    found = reading.events((await create(client, stream=True)).text)

    name, data = found[-1]
    assert name == "response.failed"
    assert data["sequence_number"] == len(found) - 1
    assert data["response"]["id"] == found[0][1]["response"]["id"]
    assert data["response"]["status"] == "failed"
    assert data["response"]["error"] == {
        "code": "server_error",
        "message": "The model could not complete this.",
    }


async def test_a_prompt_that_is_too_long_names_the_input(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.problem = PromptTooLong("words", 5_000, 4_096)

    for stream in (False, True):
        error = (await create(client, stream=stream)).json()["error"]
        assert (error["param"], error["code"]) == ("input", "context_length_exceeded")


@pytest.mark.parametrize("stream", [False, True])
async def test_the_oldest_items_are_left_out_where_that_is_allowed(
    client: httpx.AsyncClient, scripted: ScriptedModel, stream: bool
) -> None:
    scripted.most_characters = 30
    turns = [{"role": "user", "content": f"{number} " + "x" * 8} for number in range(9)]
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "y"}
    given = {"instructions": "Be brief.", "input": [*turns, call, result], "stream": stream}

    response = await create(client, **given, truncation="auto")
    refused = await create(client, **given, truncation="disabled")

    assert response.status_code == 200, response.text
    kept = [each.content for each in scripted.served[0].messages]
    assert kept == ["Be brief.", "7 xxxxxxxx", "8 xxxxxxxx", "", "y"]
    assert refused.json()["error"]["param"] == "input"


async def test_an_input_that_cannot_be_shortened_is_refused(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.most_characters = 30

    response = await create(client, input="x" * 31, truncation="auto")

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        pytest.param({"background": True}, "background", id="background"),
        pytest.param({"conversation": "conv_1"}, "conversation", id="conversation"),
        pytest.param({"tools": [{"type": "web_search"}]}, "tools[0]", id="built-in-tool"),
        pytest.param({"tool_choice": {"type": "mcp"}}, "tool_choice", id="built-in-choice"),
        pytest.param({"tool_choice": "required"}, "tool_choice", id="choice-without-tools"),
        pytest.param(
            {"tools": [WEATHER], "tool_choice": {"type": "function", "name": "add"}},
            "tool_choice.name",
            id="unknown-choice",
        ),
        pytest.param(
            {
                "tools": [WEATHER],
                "tool_choice": {"type": "allowed_tools", "tools": [{"name": "add"}]},
            },
            "tool_choice.tools",
            id="unknown-allowed-tool",
        ),
        pytest.param({"tools": [WEATHER, WEATHER]}, "tools", id="equal-names"),
        pytest.param(
            {"text": {"format": {"type": "json_schema", "name": "x"}}},
            "text.format.schema",
            id="no-schema",
        ),
        pytest.param(
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
            "input[0].content[0]",
            id="image",
        ),
        pytest.param({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0]", id="item"),
        pytest.param({"input": [{"id": "msg_1"}]}, "input[0].id", id="unknown-reference"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    client: httpx.AsyncClient, change: dict[str, Any], param: str
) -> None:
    for stream in (False, True):
        response = await create(client, **change, stream=stream)
        assert response.status_code == 400, response.text
        assert response.json()["error"]["param"] == param
        assert param.split("[")[0].split(".")[0] in message_of(response)


async def test_only_allowed_tools_reach_the_model(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    other = WEATHER | {"name": "add"}
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"name": "add"}]}

    await create(client, tools=[WEATHER, other], tool_choice=choice)

    settings = scripted.requests[0].tool_settings
    assert settings is not None
    assert ([tool.name for tool in settings.tools], settings.mode) == (["add"], "required")


async def test_fields_that_change_nothing_are_ignored_and_named(client: httpx.AsyncClient) -> None:
    ignored = {"reasoning": {"effort": "low"}, "service_tier": "flex", "foo": 1}

    for stream in (False, True):
        response = await create(client, **ignored, stream=stream)
        assert response.status_code == 200
        assert response.headers["mobula-ignored"] == "foo, reasoning, service_tier"


@pytest.mark.parametrize("body", [{"input": "x"}, {"model": "words"}, {"model": "x", "input": 5}])
async def test_a_body_that_is_none_is_refused_in_openais_words(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    response = await client.post(PATH, json=body)

    assert response.status_code in (400, 422)
    assert response.json()["error"]["type"] == "invalid_request_error"
