"""Requests in OpenAI's wire format."""

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
from deployments.providers.features import PRESETS
from deployments.providers.openai.codec import OpenAICodec
from deployments.providers.openai.encode import OpenAIOptions
from tests.upstream_server.requests import chat_request


def encoded(
    request: GenerateRequest,
    preset: str = "vllm",
    *,
    stream: bool = False,
    **options: Any,
) -> dict[str, Any]:
    codec = OpenAICodec(OpenAIOptions("m", **options), PRESETS[preset])
    body: dict[str, Any] = json.loads(codec.encode(request, "gpt", stream=stream).body)
    return body


def test_a_plain_chat_sends_only_what_differs_from_the_defaults() -> None:
    assert encoded(chat_request("hello")) == {
        "model": "gpt",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 4096,
    }


def test_a_stream_asks_for_its_usage_unless_the_provider_cannot() -> None:
    assert encoded(chat_request(), stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in encoded(chat_request(), stream=True, stream_usage=False)


def test_sampling_goes_by_openais_names() -> None:
    sampling = {
        "max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "min_p": 0.1, "seed": 4,
        "presence_penalty": 0.2, "frequency_penalty": 0.3, "repetition_penalty": 1.1,
        "stop": ("a", "b"), "stop_token_ids": (9,), "logit_bias": ((5, -1.0),), "logprobs": 2,
        "ignore_eos": True,
    }  # fmt: skip

    body = encoded(chat_request(sampling=sampling, n=2))

    assert body["logprobs"] is True
    assert body["top_logprobs"] == 2
    assert body["logit_bias"] == {"5": -1.0}
    assert body["stop"] == ["a", "b"]
    assert body["n"] == 2
    for name in ("max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "ignore_eos",
                 "presence_penalty", "frequency_penalty", "repetition_penalty"):  # fmt: skip
        assert body[name] == sampling[name]


def test_turns_with_tools_and_their_results_keep_their_form() -> None:
    messages = (
        Message("assistant", "", tool_calls=(ToolCall("c1", "find", '{"q":"x"}'),)),
        Message("tool", "found", tool_call_id="c1", name="find"),
        Message("user", "and?", name="ada"),
    )

    call, result, user = encoded(chat_request(messages=messages))["messages"]

    assert call["content"] is None
    assert call["tool_calls"][0]["function"] == {"name": "find", "arguments": '{"q":"x"}'}
    assert result == {"role": "tool", "content": "found", "tool_call_id": "c1"}
    assert user["name"] == "ada"


def test_tools_and_the_choice_among_them() -> None:
    tool = Tool("find", "Finds.", '{"type":"object"}', strict=True)
    settings = ToolSettings((tool,), "required", "find", parallel=False)

    body = encoded(chat_request(tool_settings=settings), "openai")

    assert body["tools"][0]["function"] == {
        "name": "find", "description": "Finds.", "parameters": {"type": "object"}, "strict": True,
    }  # fmt: skip
    assert body["tool_choice"] == {"type": "function", "function": {"name": "find"}}
    assert body["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, False),
        (
            {
                "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
                "additionalProperties": False,
            },
            True,
        ),
        (
            {
                "type": "object", "properties": {"a": {"type": "object", "properties": {"b": {}}}},
                "required": ["a"], "additionalProperties": False,
            },
            False,
        ),
        ({"type": "array"}, False),
    ],
)  # fmt: skip
def test_a_schema_is_strict_where_strict_mode_takes_it(
    schema: dict[str, Any], strict: bool
) -> None:
    form = OutputFormat("json_schema", json.dumps(schema))

    sent = encoded(chat_request(output_format=form), "openai")["response_format"]["json_schema"]

    assert (sent["schema"], sent["strict"]) == (schema, strict)


@pytest.mark.parametrize(
    ("guided", "name"),
    [("guided", "guided_regex"), ("sglang", "regex"), ("structured_outputs", "regex")],
)
def test_regular_expressions_go_in_the_field_that_the_server_has(guided: str, name: str) -> None:
    body = encoded(chat_request(output_format=OutputFormat("regex", "a+")), guided=guided)

    place = body["structured_outputs"] if guided == "structured_outputs" else body
    assert place[name] == "a+"


def test_choices_are_a_list() -> None:
    form = OutputFormat("choice", '["yes", "no"]')
    body = encoded(chat_request(output_format=form))

    assert body["structured_outputs"] == {"choice": ["yes", "no"]}


def test_a_raw_prompt_goes_to_completions() -> None:
    codec = OpenAICodec(OpenAIOptions("m"), PRESETS["vllm"])
    wire = codec.encode(
        GenerateRequest("r", chat_request().caller, "m", chat_request().sampling, prompt="once"),
        "gpt",
        stream=False,
    )

    assert wire.path == "/completions"
    assert json.loads(wire.body)["prompt"] == "once"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"sampling": {"top_k": 5}}, "top_k"),
        ({"sampling": {"min_p": 0.1}}, "min_p"),
        ({"sampling": {"repetition_penalty": 1.2}}, "repetition_penalty"),
        ({"output_format": OutputFormat("regex", "a", "guided_regex")}, "guided_regex"),
        ({"prompt_ids": (1,)}, "prompt"),
        ({"echo": True}, "echo"),
    ],
)
def test_what_the_provider_does_not_have_is_refused_by_name(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        encoded(chat_request(**fields), "openai")
    assert refused.value.param == param


def test_the_most_tokens_are_clamped_or_refused_as_configured() -> None:
    long = chat_request(sampling={"max_tokens": 900})

    assert encoded(long, max_output_tokens=100)["max_tokens"] == 100
    with pytest.raises(InvalidRequest, match="at most 100"):
        encoded(long, max_output_tokens=100, refuses_more=True)


def test_the_field_of_the_most_tokens_is_the_providers() -> None:
    assert "max_tokens" not in encoded(chat_request(), max_tokens_field="max_completion_tokens")


def test_pictures_are_data_urls_between_the_texts() -> None:
    image = DecodedImage(4, 3, b"digest", jpeg=b"jpeg")
    turns = (Message("user", "look:what is it?", images=(0, 5)), Message("user", "so?"))

    body = encoded(chat_request(messages=turns, images=(image, image)), "openai")

    url = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,anBlZw=="}}
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                url,
                {"type": "text", "text": "look:"},
                url,
                {"type": "text", "text": "what is it?"},
            ],
        },
        {"role": "user", "content": "so?"},
    ]
    with pytest.raises(UnsupportedParameter, match="images"):
        encoded(chat_request(messages=turns, images=(image, image)), "vllm")
