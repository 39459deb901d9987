"""OpenAI's answers as completions and chunks, whatever an upstream sends."""

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.resilience.failure_class import UpstreamBusy, UpstreamFailed
from cluster.runtime.problems import ContentRefused, Problem, PromptTooLong
from deployments.cache.chunking import ChunkAggregator
from deployments.contracts.generation import Chunk, Completion, TokenUsage
from deployments.providers.features import PRESETS
from deployments.providers.openai.codec import OpenAICodec
from deployments.providers.openai.encode import OpenAIOptions
from deployments.providers.sse import SseParser
from tests.upstream_server import answers, openai_wire
from tests.upstream_server.exchange import event_bytes
from tests.upstream_server.requests import chat_request

CODEC = OpenAICodec(OpenAIOptions("m", max_output_tokens=1000), PRESETS["vllm"])
BODY: dict[str, Any] = {"model": "up", "messages": [{"role": "user", "content": "hello"}]}


def decoded(value: Any, **fields: Any) -> Completion:
    return CODEC.decode(chat_request(**fields), json.dumps(value).encode())


def answer(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}, **more}


def streamed(body: bytes, pieces: Sequence[bytes] | None = None, **fields: Any) -> list[Chunk]:
    decoder, parser, chunks = CODEC.decoder(chat_request(**fields)), SseParser(), list[Chunk]()
    for piece in pieces or (body,):
        for event, data in parser.feed(piece):
            chunks += decoder.feed(event, data)
    return [*chunks, *decoder.finish()]


def events(*deltas: dict[str, Any], usage: Any = None) -> bytes:
    parts = [{"choices": [{"index": 0, "finish_reason": None, **delta}]} for delta in deltas]
    if usage is not None:
        parts.append({"choices": [], "usage": usage})
    lines = [b"data: " + json.dumps(part).encode() + b"\n\n" for part in parts]
    return b"".join([*lines, b"data: [DONE]\n\n"])


def test_text_usage_and_its_parts_are_taken_over() -> None:
    usage = {
        "prompt_tokens": 9, "completion_tokens": 4, "cost": 0.0125,
        "prompt_tokens_details": {"cached_tokens": 6},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip

    completion = decoded({**answer({"content": "hi"}), "usage": usage})

    assert completion.choices[0].text == "hi"
    assert completion.usage == TokenUsage(9, 4, 6, 3, cost=12_500_000)


def test_calls_refusals_and_reasoning_are_taken_over() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {
        "content": None, "tool_calls": [call], "refusal": "no", "reasoning_content": "thinking",
    }  # fmt: skip

    [choice] = decoded(answer(message)).choices

    assert (choice.tool_calls[0].name, choice.refusal, choice.reasoning) == ("f", "no", "thinking")


def test_log_probabilities_keep_their_bytes() -> None:
    token = {"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": []}
    value = answer({"content": "é"})
    value["choices"][0]["logprobs"] = {"content": [token]}

    [choice] = decoded(value).choices

    assert choice.logprobs is not None
    assert (choice.logprobs[0].raw, choice.logprobs[0].logprob) == (b"\xc3\xa9", -0.5)


@pytest.mark.parametrize(
    "usage",
    [None, "lots", {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": 1e9},
     {"prompt_tokens": 5, "completion_tokens": 10**15}, {"prompt_tokens": True}, [], 7],
)  # fmt: skip
def test_usage_that_is_missing_or_absurd_is_estimated_and_marked(usage: Any) -> None:
    completion = decoded({**answer({"content": "x" * 40}), "usage": usage})

    assert completion.usage.is_estimated
    assert completion.usage.completion_tokens == 10


def test_an_estimate_is_never_more_than_was_asked_for() -> None:
    value = {**answer({"content": "x" * 400}), "usage": None}

    assert decoded(value, sampling={"max_tokens": 3}).usage.completion_tokens == 3


def test_a_cost_that_is_no_number_is_left_out() -> None:
    for cost in (float("1e300"), -1, "free", True, None):
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost": cost}
        assert decoded({**answer({"content": "x"}), "usage": usage}).usage.cost is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "This model's maximum context length is 10 tokens", "code": None},
         PromptTooLong),
        ({"code": "content_filter", "message": "no"}, ContentRefused),
        ({"type": "rate_limit_error", "message": "slow down"}, UpstreamBusy),
        ({"code": 500, "message": "oops"}, UpstreamFailed),
        ("it broke", UpstreamFailed),
        ([1], UpstreamFailed),
    ],
)  # fmt: skip
def test_an_error_in_a_body_of_status_200_is_an_error(error: Any, kind: type[Problem]) -> None:
    with pytest.raises(kind):
        decoded({"error": error})


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_choices_than_asked_for_is_no_answer(count: int) -> None:
    choice = {"message": {"content": "x"}, "finish_reason": "stop"}
    value = {"choices": [{**choice, "index": index} for index in range(count)]}

    with pytest.raises(UpstreamFailed):
        decoded(value, n=2)


def test_more_text_than_the_request_allows_is_refused() -> None:
    with pytest.raises(UpstreamFailed, match="max_tokens"):
        decoded(answer({"content": "x" * 100_000}), sampling={"max_tokens": 4})
    with pytest.raises(UpstreamFailed, match="max_tokens"):
        streamed(events({"delta": {"content": "x" * 100_000}}), sampling={"max_tokens": 4})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "message", "delta", "content", "usage", "error", "index", "tool_calls",
             "function", "finish_reason", "logprobs", "text", "code", "type", "arguments"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_json_is_an_answer_or_a_problem(value: Any) -> None:
    with contextlib.suppress(Problem):
        assert isinstance(decoded(value), Completion)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_a_problem(body: bytes) -> None:
    with pytest.raises(Problem):
        CODEC.decode(chat_request(), body)
    assert isinstance(CODEC.problem(500, {}, body), Problem)


@given(st.lists(JSON, max_size=4))
def test_any_events_are_chunks_or_a_problem(values: list[Any]) -> None:
    body = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)
    with contextlib.suppress(Problem):
        for chunk in streamed(body):
            assert isinstance(chunk, Chunk)


@given(st.integers(1, 3), st.data())
def test_a_stream_gives_the_same_however_it_is_cut(n: int, data: st.DataObject) -> None:
    request = {**BODY, "n": n, "stream": True, "stream_options": {"include_usage": True}}
    sent = openai_wire.events(answers.answer_to(request), request)
    body = b"".join(map(event_bytes, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    assert streamed(body, pieces, n=n) == streamed(body, n=n)


def test_a_stream_adds_up_to_the_answer_in_one_piece() -> None:
    request = {**BODY, "stream": True, "stream_options": {"include_usage": True}}
    upstream = answers.answer_to(request)
    body = b"".join(map(event_bytes, openai_wire.events(upstream, request)))
    whole = decoded(openai_wire.completion(upstream, request))
    joined = ChunkAggregator("")
    for chunk in streamed(body):
        joined.add(chunk)

    assert joined.completion() == whole


def test_the_finish_waits_for_the_usage_that_follows_it() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    chunks = streamed(
        events({"delta": {"content": "a"}}, {"delta": {}, "finish_reason": "length"}, usage=usage)
    )

    assert [chunk.finish_reason for chunk in chunks] == [None, "length"]
    assert [chunk.usage for chunk in chunks] == [None, TokenUsage(3, 2)]


def test_a_stream_without_usage_is_estimated() -> None:
    chunks = streamed(events({"delta": {"content": "x" * 8}, "finish_reason": "stop"}))

    assert chunks[-1].usage is not None
    assert chunks[-1].usage.is_estimated
    assert chunks[-1].usage.completion_tokens == 2


def test_pieces_of_calls_keep_their_numbers() -> None:
    def piece(index: int, **call: Any) -> dict[str, Any]:
        return {"delta": {"tool_calls": [{"index": index, **call}]}}

    chunks = streamed(
        events(
            piece(0, id="a", function={"name": "f", "arguments": "{"}),
            piece(0, function={"arguments": "}"}),
            piece(1, id="b", function={"name": "g", "arguments": "{}"}),
            {"delta": {}, "finish_reason": "tool_calls"},
        )
    )

    calls = [call for chunk in chunks for call in chunk.tool_calls]
    assert [(call.index, call.id, call.arguments) for call in calls] == [
        (0, "a", "{"), (0, "", "}"), (1, "b", "{}"),
    ]  # fmt: skip
    assert chunks[-1].finish_reason == "tool_calls"


def test_a_stream_that_ends_before_its_finish_was_cut() -> None:
    with pytest.raises(UpstreamFailed, match="cut"):
        streamed(events({"delta": {"content": "a"}}))


def test_an_error_in_a_stream_is_raised() -> None:
    with pytest.raises(UpstreamBusy):
        streamed(b'data: {"error": {"type": "overloaded_error"}}\n\n')
