"""What Anthropic's answers mean: whole, streamed, and errors; both ways say the same."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from cluster.resilience.failure_class import UpstreamBusy, UpstreamFailed, UpstreamRefused
from cluster.runtime.problems import InvalidRequest, Problem, PromptTooLong
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    OutputFormat,
    TokenUsage,
    ToolCall,
)
from deployments.contracts.tool_calls import joined_calls
from deployments.providers.anthropic.codec import AnthropicCodec
from deployments.providers.anthropic.request import FORMAT_TOOL, AnthropicOptions
from tests.upstream_server import anthropic_wire
from tests.upstream_server.answers import UpstreamAnswer, UpstreamCall
from tests.upstream_server.openai_wire import Event
from tests.upstream_server.requests import chat_request

CODEC = AnthropicCodec(AnthropicOptions("m"))
CALL = UpstreamCall("call_1", "weather", '{"city":"Bern"}')
ANSWERS = {
    "text": UpstreamAnswer(),
    "length": UpstreamAnswer("one", finish="length", output_tokens=1),
    "call": UpstreamAnswer("", (CALL,), finish="tool_calls"),
    "text and calls": UpstreamAnswer("let me see", (CALL, CALL), finish="tool_calls"),
    "reasoning": UpstreamAnswer("yes", reasoning="because of that"),
}


def whole(answer: dict[str, Any], request: GenerateRequest | None = None) -> Completion:
    return CODEC.decode(request or chat_request(), json.dumps(answer).encode())


def chunks_of(events: Sequence[Event], request: GenerateRequest | None = None) -> list[Chunk]:
    decoder = CODEC.decoder(request or chat_request())
    found = [
        chunk for name, data in events for chunk in decoder.feed(name, json.dumps(data).encode())
    ]
    return [*found, *decoder.finish()]


def joined(chunks: Sequence[Chunk]) -> Completion:
    last = chunks[-1]
    assert last.finish_reason is not None
    assert last.usage is not None
    assert all(each.finish_reason is each.usage is None for each in chunks[:-1])
    choice = Choice(
        0,
        "".join(each.text for each in chunks),
        last.finish_reason,
        tool_calls=joined_calls(each.tool_calls for each in chunks),
        stop=last.stop,
        refusal="".join(each.refusal for each in chunks),
        reasoning="".join(each.reasoning for each in chunks),
    )
    return Completion((choice,), last.usage)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    answer = ANSWERS[name]

    found = whole(anthropic_wire.message(answer, {}))

    assert joined(chunks_of(anthropic_wire.events(answer, {}))) == found
    [choice] = found.choices
    assert choice.text == answer.text
    assert choice.reasoning == answer.reasoning
    assert choice.finish_reason == answer.finish
    assert choice.tool_calls == tuple(ToolCall(c.id, c.name, c.arguments) for c in answer.calls)


def test_cached_tokens_are_tokens_of_the_prompt() -> None:
    answer = anthropic_wire.message(UpstreamAnswer(input_tokens=9, cached_tokens=4), {})
    answer["usage"]["cache_creation_input_tokens"] = 2

    assert whole(answer).usage == TokenUsage(11, 5, cached_tokens=4)


def test_the_prompts_tokens_come_with_the_first_chunk_and_only_there() -> None:
    chunks = chunks_of(anthropic_wire.events(UpstreamAnswer(), {}))

    assert [chunk.prompt_tokens > 0 for chunk in chunks] == [True, *[False] * 5]
    assert sum(chunk.tokens for chunk in chunks) > 0


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "stop"),  # without a call
        ("of_next_year", "stop"),
    ],
)
def test_stop_reasons(reason: str, finish: str) -> None:
    answer = UpstreamAnswer(finish=reason)

    found = whole(anthropic_wire.message(answer, {}))

    assert found.choices[0].finish_reason == finish
    assert joined(chunks_of(anthropic_wire.events(answer, {}))) == found


def test_a_stop_string_and_a_refusal_are_told() -> None:
    stopped = anthropic_wire.message(UpstreamAnswer(finish="stop_sequence"), {})
    refused = anthropic_wire.message(UpstreamAnswer("", finish="refusal"), {})

    assert whole({**stopped, "stop_sequence": "END"}).choices[0].stop == "END"
    details = {"stop_details": {"type": "refusal", "explanation": "not that"}}
    assert whole({**refused, **details}).choices[0].refusal == "not that"


@pytest.mark.parametrize("output", ["json_object", "json_schema"])
def test_the_text_of_a_format_is_the_arguments_of_its_tool(output: Any) -> None:
    request = chat_request(output_format=OutputFormat(output, '{"type": "object"}'))
    call = UpstreamCall("call_1", FORMAT_TOOL, '{"a":1}')
    answer = UpstreamAnswer("Here it is:", (call,), finish="tool_calls")

    found = whole(anthropic_wire.message(answer, {}), request)

    [choice] = found.choices
    assert (choice.text, choice.finish_reason, choice.tool_calls) == ('{"a":1}', "stop", ())
    assert joined(chunks_of(anthropic_wire.events(answer, {}), request)) == found


def test_a_refusal_to_call_the_tool_of_a_format_is_the_text() -> None:
    request = chat_request(output_format=OutputFormat("json_object"))
    answer = UpstreamAnswer("I would rather not.")

    found = whole(anthropic_wire.message(answer, {}), request)

    assert found.choices[0].text == "I would rather not."
    assert joined(chunks_of(anthropic_wire.events(answer, {}), request)) == found


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"input_tokens": 7},
        {"input_tokens": -7, "output_tokens": 5},
        {"input_tokens": 7, "output_tokens": 10**18},
        {"input_tokens": "7", "output_tokens": 5},
        {"input_tokens": 7.5, "output_tokens": True},
    ],
)
def test_usage_that_cannot_be_is_estimated_and_marked(usage: Any) -> None:
    answer = {**anthropic_wire.message(UpstreamAnswer(), {}), "usage": usage}
    events = anthropic_wire.events(UpstreamAnswer(), {})
    for _, data in events:
        data.pop("usage", None)
        data.get("message", {}).pop("usage", None)
    for found in (whole(answer).usage, joined(chunks_of(events)).usage):
        assert found.is_estimated
        assert 1 <= found.prompt_tokens < 20
        assert 1 <= found.completion_tokens < 20


def test_a_stream_ends_with_its_last_event() -> None:
    decoder = CODEC.decoder(chat_request())
    for name, data in anthropic_wire.events(UpstreamAnswer(), {}):
        assert not decoder.ended
        decoder.feed(name, json.dumps(data).encode())

    assert decoder.ended
    assert decoder.feed("error", b"anything") == ()


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_stream_that_is_cut_before_its_end_has_failed(cut: int) -> None:
    events = anthropic_wire.events(UpstreamAnswer(), {})

    with pytest.raises(UpstreamFailed):
        chunks_of(events[:cut])


def test_more_text_than_was_asked_for_is_a_failure() -> None:
    answer = UpstreamAnswer("a" * 70_000)
    events = anthropic_wire.events(answer, {})

    with pytest.raises(UpstreamFailed):
        chunks_of(events, chat_request(sampling={"max_tokens": 1}))


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("overloaded_error", UpstreamBusy),
        ("rate_limit_error", UpstreamBusy),
        ("authentication_error", UpstreamRefused),
        ("permission_error", UpstreamRefused),
        ("not_found_error", UpstreamRefused),
        ("api_error", UpstreamFailed),
        ("of_next_year", UpstreamFailed),
        ("invalid_request_error", InvalidRequest),
    ],
)
def test_errors_with_status_200_are_problems(kind: str, problem: type[Problem]) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "no"}}
    with pytest.raises(Problem) as whole_one:
        whole(body)
    with pytest.raises(Problem) as streamed:
        chunks_of([("error", body)])

    assert type(whole_one.value) is type(streamed.value) is problem


@pytest.mark.parametrize(
    ("status", "message", "problem"),
    [
        (529, "Overloaded", UpstreamBusy),
        (429, "slow down", UpstreamBusy),
        (500, "oh", UpstreamFailed),
        (401, "invalid x-api-key", UpstreamRefused),
        (404, "model: claude", UpstreamRefused),
        (400, "prompt is too long: 9 tokens > 8 maximum", PromptTooLong),
        (400, "max_tokens: too high", InvalidRequest),
    ],
)
def test_errors_by_their_status(status: int, message: str, problem: type[Problem]) -> None:
    body = json.dumps(anthropic_wire.error(status, message)).encode()

    assert type(CODEC.problem(status, {}, body)) is problem


def test_the_time_to_wait_is_the_providers() -> None:
    problem = CODEC.problem(529, {"retry-after": "17"}, b"<html>")

    assert problem.extensions["retry_after_s"] == 17
