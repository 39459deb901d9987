"""Whatever comes, Anthropic's codec gives an answer or a Problem, the same however it is split."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import Problem
from deployments.contracts.generation import Chunk, Completion
from deployments.providers.anthropic.codec import AnthropicCodec
from deployments.providers.anthropic.request import AnthropicOptions
from deployments.providers.sse import SseParser
from tests.upstream_server import anthropic_wire
from tests.upstream_server.answers import UpstreamAnswer, UpstreamCall
from tests.upstream_server.exchange import event_bytes
from tests.upstream_server.requests import chat_request

CODEC = AnthropicCodec(AnthropicOptions("m"))
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["text", "tool_use", "thinking", "end_turn", "overloaded_error"])
)  # fmt: skip
NAMES = st.sampled_from(
    ["type", "content", "text", "name", "id", "input", "index", "delta", "content_block", "message",
     "usage", "input_tokens", "output_tokens", "stop_reason", "stop_sequence", "error", "thinking",
     "partial_json", "stop_details"]
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ANSWERS = st.builds(
    UpstreamAnswer,
    text=TEXTS,
    calls=st.lists(
        st.builds(
            UpstreamCall,
            st.just("call_1"),
            st.just("weather"),
            st.dictionaries(TEXTS, TEXTS, max_size=2).map(json.dumps),
        ),
        max_size=2,
    ).map(tuple),
    reasoning=TEXTS,
)


def replaced(value: Any, path: list[int], new: Any) -> Any:
    """`value` with one part of it replaced; `path` chooses a child at each level."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    if isinstance(value, list):
        at = path[0] % len(value)
        return [*value[:at], replaced(value[at], path[1:], new), *value[at + 1 :]]
    name = list(value)[path[0] % len(value)]
    return {**value, name: replaced(value[name], path[1:], new)}


PATHS = st.lists(st.integers(0, 20), max_size=5)


def require_completion(found: Completion) -> None:
    [choice] = found.choices
    assert choice.finish_reason in ("stop", "length", "tool_calls", "content_filter")
    assert isinstance(choice.text, str)
    assert all(isinstance(each.arguments, str) for each in choice.tool_calls)
    assert found.usage.prompt_tokens >= 0
    assert 0 <= found.usage.cached_tokens <= found.usage.prompt_tokens
    assert 0 <= found.usage.reasoning_tokens <= found.usage.completion_tokens


def decode(body: bytes) -> None:
    try:
        found = CODEC.decode(chat_request(), body)
    except Problem:
        return
    require_completion(found)


@given(ANYTHING)
def test_any_json_is_an_answer_or_a_problem(value: Any) -> None:
    decode(json.dumps(value).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_a_problem(body: bytes) -> None:
    decode(body)
    assert isinstance(CODEC.problem(500, {}, body), Problem)


@given(ANSWERS, PATHS, ANYTHING)
def test_a_message_with_one_wrong_part_is_an_answer_or_a_problem(
    answer: UpstreamAnswer, path: list[int], new: Any
) -> None:
    body = replaced(anthropic_wire.message(answer, {}), path, new)
    decode(json.dumps(body).encode())


@given(ANYTHING, st.integers(100, 999), st.dictionaries(st.just("retry-after"), st.text()))
def test_any_error_body_is_a_problem(value: Any, status: int, headers: dict[str, str]) -> None:
    assert isinstance(CODEC.problem(status, headers, json.dumps(value).encode()), Problem)


def streamed(data: bytes, cuts: list[int]) -> list[Chunk] | Problem:
    """The chunks, or the Problem, of a body that comes in the pieces that `cuts` make."""
    decoder, parser = CODEC.decoder(chat_request()), SseParser()
    places = sorted({min(cut, len(data)) for cut in cuts})
    chunks: list[Chunk] = []
    try:
        for start, end in zip([0, *places], [*places, len(data)], strict=True):
            for name, value in parser.feed(data[start:end]):
                chunks += decoder.feed(name, value)
        chunks += decoder.finish()
    except Problem as problem:
        return problem
    return chunks


CUTS = st.lists(st.integers(0, 3000), max_size=12)


@given(ANSWERS, CUTS)
def test_a_stream_says_the_same_however_it_is_split(
    answer: UpstreamAnswer, cuts: list[int]
) -> None:
    data = b"".join(map(event_bytes, anthropic_wire.events(answer, {})))

    chunks = streamed(data, cuts)

    assert chunks == streamed(data, [])
    assert isinstance(chunks, list)
    assert "".join(chunk.text for chunk in chunks) == answer.text


@given(ANSWERS, st.integers(0, 20), PATHS, ANYTHING, CUTS)
def test_a_stream_with_one_wrong_event_is_an_answer_or_a_problem(
    answer: UpstreamAnswer, at: int, path: list[int], new: Any, cuts: list[int]
) -> None:
    events = anthropic_wire.events(answer, {})
    at %= len(events)
    events[at] = (events[at][0], replaced(events[at][1], path, new))

    found = streamed(b"".join(map(event_bytes, events)), cuts)

    if isinstance(found, list):
        assert found[-1].finish_reason is not None
        assert found[-1].usage is not None


@given(st.binary(max_size=200), CUTS)
def test_any_bytes_as_a_stream_are_an_answer_or_a_problem(data: bytes, cuts: list[int]) -> None:
    streamed(b"data: " + data + b"\n\n" + data, cuts)
