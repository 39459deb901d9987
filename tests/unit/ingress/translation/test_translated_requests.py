"""Requests of the Responses and Messages APIs, as their documentation has them, as chats."""

from typing import Any

import pytest

from cluster.runtime.problems import InvalidRequest
from deployments.ingress.schemas.messages import MessageRequest
from deployments.ingress.schemas.responses import ResponseCreate
from deployments.ingress.translation import messages, responses
from deployments.ingress.translation.response_items import (
    chat_messages,
    input_items,
    referenced_responses,
)

SCHEMA = {"type": "object", "properties": {"location": {"type": "string"}}}


def chat_of_response(**body: Any) -> dict[str, Any]:
    parsed = ResponseCreate.model_validate({"model": "nano", **body})
    items = input_items(parsed, "0" * 48, {})
    chat = responses.chat_request(parsed, items, stream=False)
    return chat.model_dump(exclude_unset=True, by_alias=True)


def chat_of_message(**body: Any) -> dict[str, Any]:
    parsed = MessageRequest.model_validate({"model": "nano", "max_tokens": 1_024, **body})
    chat = messages.chat_request(parsed, stream=False)
    return chat.model_dump(exclude_unset=True, by_alias=True)


def test_openais_example_with_text_and_instructions() -> None:
    chat = chat_of_response(
        instructions="Talk like a pirate.", input="Are semicolons optional in JavaScript?"
    )

    assert chat["messages"] == [
        {"role": "system", "content": "Talk like a pirate."},
        {"role": "user", "content": "Are semicolons optional in JavaScript?"},
    ]


def test_openais_example_with_a_function_and_its_output() -> None:
    tool = {
        "type": "function",
        "name": "get_weather",
        "description": "Get current temperature for a given location.",
        "parameters": SCHEMA,
        "strict": True,
    }
    chat = chat_of_response(
        input=[
            {"role": "user", "content": "What is the weather like in Paris today?"},
            {
                "type": "function_call",
                "id": "fc_12345xyz",
                "call_id": "call_12345xyz",
                "name": "get_weather",
                "arguments": '{"location":"Paris, France"}',
                "status": "completed",
            },
            {"type": "function_call_output", "call_id": "call_12345xyz", "output": "14"},
        ],
        tools=[tool],
        tool_choice={"type": "function", "name": "get_weather"},
    )

    function = {"name": "get_weather", "arguments": '{"location":"Paris, France"}'}
    assert chat["messages"] == [
        {"role": "user", "content": "What is the weather like in Paris today?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_12345xyz", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "call_12345xyz", "content": "14"},
    ]
    described = {name: value for name, value in tool.items() if name != "type"}
    assert chat["tools"] == [{"type": "function", "function": described}]
    assert chat["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}


def test_openais_example_with_a_schema_of_the_text() -> None:
    format = {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}

    chat = chat_of_response(input="Where?", text={"format": format}, max_output_tokens=9)

    assert chat["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "place", "schema": SCHEMA, "strict": True},
    }
    assert chat["max_completion_tokens"] == 9


def test_an_assistants_message_and_the_calls_behind_it_are_one_message() -> None:
    call = {"type": "function_call", "name": "f", "arguments": "{}", "status": "completed"}
    message = {"type": "message", "role": "assistant", "content": [
        {"type": "output_text", "text": "I look", "annotations": []},
        {"type": "refusal", "refusal": " not"},
    ]}  # fmt: skip
    body = ResponseCreate.model_validate(
        {"model": "m", "input": [message, {**call, "call_id": "1"}, {**call, "call_id": "2"}]}
    )

    [merged] = chat_messages(input_items(body, "0" * 48, {}))

    assert merged["content"] == "I look not"
    assert [each["id"] for each in merged["tool_calls"]] == ["1", "2"]


def test_a_reference_names_the_response_of_its_item() -> None:
    number = "a" * 48
    given = [{"id": f"msg_{number}_0"}, {"id": f"fc_{number}_1"}, {"id": "msg_of_somebody"}]
    body = ResponseCreate.model_validate({"model": "m", "input": given})

    assert referenced_responses(body) == [f"resp_{number}"]


def test_anthropics_example_with_a_tool_and_its_result() -> None:
    tool = {
        "name": "get_weather",
        "description": "Get the current weather in a given location",
        "input_schema": SCHEMA,
    }
    chat = chat_of_message(
        system="Be brief.",
        messages=[
            {"role": "user", "content": "What is the weather like in San Francisco?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I'll check."},
                    {
                        "type": "tool_use",
                        "id": "toolu_01A",
                        "name": "get_weather",
                        "input": {"location": "San Francisco, CA"},
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_01A", "content": "15 degrees"}
                ],
            },
        ],
        tools=[tool],
        tool_choice={"type": "tool", "name": "get_weather"},
        stop_sequences=["END"],
    )

    function = {"name": "get_weather", "arguments": '{"location":"San Francisco, CA"}'}
    assert chat["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the weather like in San Francisco?"},
        {
            "role": "assistant",
            "content": "I'll check.",
            "tool_calls": [{"id": "toolu_01A", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "toolu_01A", "content": "15 degrees"},
    ]
    assert chat["tools"][0]["function"]["parameters"] == SCHEMA
    assert chat["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}
    assert (chat["stop"], chat["max_completion_tokens"]) == (["END"], 1_024)


@pytest.mark.parametrize(
    ("choice", "expected"), [("auto", "auto"), ("any", "required"), ("none", "none")]
)
def test_anthropics_tool_choices(choice: str, expected: str) -> None:
    chat = chat_of_message(
        messages=[{"role": "user", "content": "x"}],
        tools=[{"name": "f", "input_schema": SCHEMA}],
        tool_choice={"type": choice, "disable_parallel_tool_use": True},
    )

    assert (chat["tool_choice"], chat["parallel_tool_calls"]) == (expected, False)


def test_results_and_texts_of_a_turn_keep_their_order() -> None:
    result = {"type": "tool_result", "tool_use_id": "1"}
    content = [
        {**result, "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {**result, "is_error": True},
        {"type": "text", "text": "c"},
        {"type": "text", "text": "d"},
    ]

    chat = chat_of_message(messages=[{"role": "user", "content": content}])

    assert [(each["role"], each["content"]) for each in chat["messages"]] == [
        ("tool", "ab"),
        ("tool", ""),
        ("user", "cd"),
    ]


def test_what_chat_does_not_take_is_named_as_the_client_named_it() -> None:
    large = {"type": "tool_use", "id": "1", "name": "f", "input": {"a": "x" * 70_000}}

    with pytest.raises(InvalidRequest) as refused:
        chat_of_message(messages=[{"role": "assistant", "content": [large]}])
    assert refused.value.param == "messages"
