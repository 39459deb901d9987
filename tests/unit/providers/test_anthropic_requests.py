"""What a chat is at Anthropic's Messages API; what that API has not is refused by name."""

import json
from typing import Any

import pytest

from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from deployments.contracts.generation import (
    GenerateRequest,
    Message,
    OutputFormat,
    Tool,
    ToolCall,
    ToolSettings,
)
from deployments.contracts.images import DecodedImage
from deployments.providers.anthropic.codec import AnthropicCodec
from deployments.providers.anthropic.request import FORMAT_TOOL, AnthropicOptions
from tests.upstream_server.requests import chat_request

WEATHER = Tool("weather", "of a city", '{"properties": {"city": {"type": "string"}}}')
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
SCHEMA_FORMAT = OutputFormat("json_schema", json.dumps(SCHEMA))


def encoded(request: GenerateRequest, *, stream: bool = False, **options: Any) -> dict[str, Any]:
    codec = AnthropicCodec(AnthropicOptions("m", **options))
    found: dict[str, Any] = json.loads(codec.encode(request, "claude", stream=stream).body)
    return found


def test_a_chat_without_options_has_a_model_messages_and_the_limit_that_the_api_demands() -> None:
    assert encoded(chat_request("hello"), max_output_tokens=100) == {
        "model": "claude",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
    }


def test_the_path_follows_a_base_url_and_the_version_of_the_api_is_sent() -> None:
    sent = AnthropicCodec(AnthropicOptions("m")).encode(chat_request(), "claude", stream=False)

    assert (sent.path, sent.headers) == ("/v1/messages", (("anthropic-version", "2023-06-01"),))


def test_a_limit_is_sent_but_never_above_that_of_the_model() -> None:
    def limit(most: int) -> Any:
        request = chat_request(sampling={"max_tokens": most})
        return encoded(request, max_output_tokens=100)["max_tokens"]

    assert (limit(10), limit(500)) == (10, 100)
    with pytest.raises(InvalidRequest):
        limit(0)


def test_sampling_is_sent_where_it_is_not_the_default() -> None:
    sampling = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop": ("END", "STOP")}
    body = encoded(chat_request(sampling=sampling), stream=True)

    assert body["temperature"] == 0.5
    assert body["top_p"] == 0.9
    assert body["top_k"] == 5
    assert body["stop_sequences"] == ["END", "STOP"]
    assert body["stream"] is True


def test_turns_of_the_system_stand_beside_the_messages() -> None:
    messages = [
        Message("system", "Be brief."),
        Message("user", "hello"),
        Message("system", "Be kind."),
    ]
    body = encoded(chat_request(messages=messages))

    assert body["system"] == "Be brief.\n\nBe kind."
    assert [turn["role"] for turn in body["messages"]] == ["user"]


def test_turns_of_one_side_become_one() -> None:
    messages = [Message("user", "a"), Message("user", "b"), Message("assistant", "c")]
    turns = encoded(chat_request(messages=messages))["messages"]

    assert [turn["role"] for turn in turns] == ["user", "assistant"]
    assert [block["text"] for block in turns[0]["content"]] == ["a", "b"]


def test_calls_and_their_results_are_blocks() -> None:
    calls = (ToolCall("c:1", "weather", '{"city": "Bern"}'), ToolCall("c:2", "weather", ""))
    messages = [
        Message("user", "weather?"),
        Message("assistant", "", calls),
        Message("tool", "sunny", tool_call_id="c:1"),
        Message("tool", "", tool_call_id="c:2"),
        Message("user", "thanks"),
    ]
    turns = encoded(chat_request(messages=messages))["messages"]

    assert turns[1] == {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "c_1", "name": "weather", "input": {"city": "Bern"}},
            {"type": "tool_use", "id": "c_2", "name": "weather", "input": {}},
        ],
    }
    assert turns[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c_1", "content": "sunny"},
            {"type": "tool_result", "tool_use_id": "c_2", "content": ""},
            {"type": "text", "text": "thanks"},
        ],
    }


@pytest.mark.parametrize("arguments", ["[]", "{", '"text"'])
def test_earlier_calls_whose_arguments_are_no_object_are_refused_by_their_place(
    arguments: str,
) -> None:
    messages = [Message("user", "a"), Message("assistant", "", (ToolCall("1", "f", arguments),))]
    with pytest.raises(InvalidRequest) as refused:
        encoded(chat_request(messages=messages))

    assert refused.value.param == "messages.1.tool_calls.0.function.arguments"


@pytest.mark.parametrize("messages", [[Message("system", "hello")], [Message("user", "")]])
def test_a_chat_needs_words_of_the_user(messages: list[Message]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        encoded(chat_request(messages=messages))

    assert refused.value.param == "messages"


def test_tools_have_schemas_of_objects() -> None:
    settings = ToolSettings((WEATHER, Tool("now", strict=True)))
    body = encoded(chat_request(tool_settings=settings))

    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert body["tools"] == [
        {"name": "weather", "description": "of a city", "input_schema": schema},
        {"name": "now", "input_schema": {"type": "object"}, "strict": True},
    ]
    assert body["tool_choice"] == {"type": "auto"}


@pytest.mark.parametrize(
    ("settings", "choice"),
    [
        (ToolSettings((WEATHER,), "none"), {"type": "none"}),
        (ToolSettings((WEATHER,), "none", parallel=False), {"type": "none"}),
        (ToolSettings((WEATHER,), "required"), {"type": "any"}),
        (ToolSettings((WEATHER,), "required", "weather"), {"type": "tool", "name": "weather"}),
        (
            ToolSettings((WEATHER,), parallel=False),
            {"type": "auto", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_the_choice_of_a_tool(settings: ToolSettings, choice: dict[str, Any]) -> None:
    assert encoded(chat_request(tool_settings=settings))["tool_choice"] == choice


def test_a_schema_is_held_to_by_the_api_where_the_model_can() -> None:
    body = encoded(chat_request(output_format=SCHEMA_FORMAT), formats="native")

    assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert "tools" not in body


@pytest.mark.parametrize("way", ["tool", "native"])
@pytest.mark.parametrize("kind", ["json_schema", "json_object"])
def test_other_formats_are_the_arguments_of_a_tool_that_must_be_called(way: str, kind: Any) -> None:
    if (way, kind) == ("native", "json_schema"):
        return
    output = SCHEMA_FORMAT if kind == "json_schema" else OutputFormat("json_object")
    body = encoded(chat_request(output_format=output), formats=way)

    [tool] = body["tools"]
    assert tool["input_schema"] == (SCHEMA if kind == "json_schema" else {"type": "object"})
    assert body["tool_choice"]["name"] == tool["name"] == FORMAT_TOOL


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({"output_format": OutputFormat("regex", "a+")}, {}),
        ({"output_format": OutputFormat("grammar", "root ::= 'a'")}, {"formats": "native"}),
        ({"output_format": SCHEMA_FORMAT, "tool_settings": ToolSettings((WEATHER,))}, {}),
        ({"output_format": OutputFormat("json_schema", '{"type": "array"}')}, {}),
        ({"output_format": OutputFormat("json_schema", "true")}, {"formats": "native"}),
    ],
)
def test_formats_that_the_model_has_not_are_refused_by_name(
    fields: dict[str, Any], options: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        encoded(chat_request(**fields), **options)

    assert refused.value.param == "response_format"


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("n", {"n": 2}),
        ("echo", {"echo": True}),
        ("prompt", {"prompt": "once", "messages": ()}),
        ("prompt", {"prompt_ids": (1, 2)}),
        ("logprobs", {"sampling": {"logprobs": 0}}),
        ("seed", {"sampling": {"seed": 0, "temperature": 0.5}}),
        ("presence_penalty", {"sampling": {"presence_penalty": 0.5}}),
        ("frequency_penalty", {"sampling": {"frequency_penalty": -0.5}}),
        ("repetition_penalty", {"sampling": {"repetition_penalty": 1.1}}),
        ("min_p", {"sampling": {"min_p": 0.1}}),
        ("logit_bias", {"sampling": {"logit_bias": ((1, 2.0),)}}),
        ("ignore_eos", {"sampling": {"ignore_eos": True}}),
        ("stop_token_ids", {"sampling": {"stop_token_ids": (1,)}}),
        ("temperature", {"sampling": {"temperature": 1.5}}),
    ],
)
def test_fields_that_the_api_has_not_are_refused_by_name(
    param: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        encoded(chat_request(**fields))

    assert refused.value.param == param


def test_a_model_without_tools_refuses_them() -> None:
    codec = AnthropicCodec(AnthropicOptions("m"), frozenset({"temperature"}))
    with pytest.raises(UnsupportedParameter) as refused:
        codec.encode(chat_request(tool_settings=ToolSettings((WEATHER,))), "claude", stream=False)

    assert refused.value.param == "tools"


def test_what_the_api_does_not_offer_is_refused_whatever_the_configuration_says() -> None:
    codec = AnthropicCodec(AnthropicOptions("m"), frozenset({"n", "seed"}))
    with pytest.raises(UnsupportedParameter) as refused:
        codec.encode(chat_request(n=2), "claude", stream=False)

    assert refused.value.param == "n"


def test_more_than_the_models_limit_is_refused_where_the_model_says_so() -> None:
    request = chat_request(sampling={"max_tokens": 101})
    with pytest.raises(InvalidRequest) as refused:
        encoded(request, max_output_tokens=100, refuses_more=True)

    assert refused.value.param == "max_tokens"


def test_pictures_are_blocks_between_the_texts() -> None:
    image = DecodedImage(4, 3, b"digest", jpeg=b"jpeg")
    turns = (Message("user", "what is it?", images=(0,)),)

    body = encoded(chat_request(messages=turns, images=(image,)))

    source = {"type": "base64", "media_type": "image/jpeg", "data": "anBlZw=="}
    assert body["messages"][0]["content"] == [
        {"type": "image", "source": source},
        {"type": "text", "text": "what is it?"},
    ]
