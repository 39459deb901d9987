"""Whatever comes, a codec gives an answer or a Problem, and the same one however it is split."""

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import Problem
from deployments.contracts.generation import Chunk, Completion
from deployments.providers.anthropic.codec import AnthropicCodec
from deployments.providers.anthropic.request import AnthropicOptions
from deployments.providers.features import PRESETS
from deployments.providers.openai.codec import OpenAICodec
from deployments.providers.openai.encode import OpenAIOptions
from deployments.providers.sse import EventTooLarge, SseParser
from deployments.providers.wire import WireCodec
from tests.upstream_server import anthropic_wire, openai_wire
from tests.upstream_server.answers import UpstreamAnswer, UpstreamCall
from tests.upstream_server.exchange import event_bytes
from tests.upstream_server.openai_wire import Event
from tests.upstream_server.requests import chat_request

CODECS: dict[str, WireCodec] = {
    "openai": OpenAICodec(OpenAIOptions("m"), PRESETS["openai"]),
    "anthropic": AnthropicCodec(AnthropicOptions("m")),
}
BODY = {"stream_options": {"include_usage": True}}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**18, -(10**30), 10**400])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["text", "tool_use", "thinking", "end_turn", "stop", "overloaded_error"])
)
NAMES = st.sampled_from(
    [
        "type",
        "content",
        "text",
        "name",
        "id",
        "input",
        "index",
        "delta",
        "content_block",
        "message",
        "usage",
        "input_tokens",
        "output_tokens",
        "stop_reason",
        "stop_sequence",
        "error",
        "thinking",
        "partial_json",
        "stop_details",
        "choices",
        "finish_reason",
        "tool_calls",
        "function",
        "arguments",
        "refusal",
        "reasoning_content",
        "reasoning",
        "logprobs",
        "token",
        "bytes",
        "top_logprobs",
        "prompt_tokens",
        "completion_tokens",
        "prompt_tokens_details",
        "cost",
        "code",
        "param",
        "innererror",
        "detail",
    ]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ARGUMENTS = st.dictionaries(TEXTS, TEXTS, max_size=2).map(json.dumps)
CALLS = st.lists(
    st.builds(UpstreamCall, st.just("call_1"), st.just("weather"), ARGUMENTS), max_size=2
)
ANSWERS = st.builds(UpstreamAnswer, text=TEXTS, calls=CALLS.map(tuple), reasoning=TEXTS)
PATHS = st.lists(st.integers(0, 20), max_size=6)
CUTS = st.lists(st.integers(0, 3000), max_size=12)

engines = pytest.mark.parametrize("engine", CODECS)


def body_of(engine: str, answer: UpstreamAnswer) -> dict[str, Any]:
    write = openai_wire.completion if engine == "openai" else anthropic_wire.message
    return write(answer, BODY)


def events_of(engine: str, answer: UpstreamAnswer) -> list[Event]:
    write = openai_wire.events if engine == "openai" else anthropic_wire.events
    return write(answer, BODY)


def as_bytes(engine: str, events: list[Event]) -> bytes:
    end = openai_wire.DONE if engine == "openai" else b""
    return b"".join(map(event_bytes, events)) + end


def replaced(value: Any, path: list[int], new: Any) -> Any:
    """`value` with one part of it replaced; `path` chooses a child at each level."""
    if not path or not isinstance(value, dict | list) or not value:
        return new
    if isinstance(value, list):
        at = path[0] % len(value)
        return [*value[:at], replaced(value[at], path[1:], new), *value[at + 1 :]]
    name = list(value)[path[0] % len(value)]
    return {**value, name: replaced(value[name], path[1:], new)}


def require_completion(found: Completion) -> None:
    [choice] = found.choices
    assert choice.finish_reason in ("stop", "length", "tool_calls", "content_filter")
    texts = [choice.text, choice.refusal, choice.reasoning, choice.stop]
    for call in choice.tool_calls:
        texts += [call.id, call.name, call.arguments]
    for text in texts:
        text.encode()
    usage = found.usage
    assert 0 <= usage.cached_tokens <= usage.prompt_tokens
    assert 0 <= usage.reasoning_tokens <= usage.completion_tokens
    assert usage.cost is None or 0 <= usage.cost < 2**63
    pickle.dumps(found)


def decode(engine: str, body: bytes) -> None:
    try:
        found = CODECS[engine].decode(chat_request(), body)
    except Problem:
        return
    require_completion(found)


@engines
@given(ANYTHING)
def test_any_json_is_an_answer_or_a_problem(engine: str, value: Any) -> None:
    decode(engine, json.dumps(value).encode())


@engines
@given(st.binary(max_size=60))
def test_any_bytes_are_an_answer_or_a_problem(engine: str, body: bytes) -> None:
    decode(engine, body)
    assert isinstance(CODECS[engine].problem(500, {}, body), Problem)


@engines
@given(ANSWERS, PATHS, ANYTHING)
def test_an_answer_with_one_wrong_part_is_an_answer_or_a_problem(
    engine: str, answer: UpstreamAnswer, path: list[int], new: Any
) -> None:
    decode(engine, json.dumps(replaced(body_of(engine, answer), path, new)).encode())


@engines
@given(
    ANYTHING,
    st.integers(100, 999),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text()),
)
def test_any_error_body_is_a_problem(
    engine: str, value: Any, status: int, headers: dict[str, str]
) -> None:
    for body in (value, {"error": value}):
        problem = CODECS[engine].problem(status, headers, json.dumps(body).encode())
        assert isinstance(problem, Problem)
        problem.detail.encode()
        assert 0 <= problem.extensions.get("retry_after_s", 0) <= 3600


def streamed(engine: str, data: bytes, cuts: list[int]) -> list[Chunk] | Problem:
    """The chunks, or the Problem, of a body that comes in the pieces that `cuts` make."""
    decoder, parser = CODECS[engine].decoder(chat_request()), SseParser()
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


@engines
@given(ANSWERS, CUTS)
def test_a_stream_says_the_same_however_it_is_split(
    engine: str, answer: UpstreamAnswer, cuts: list[int]
) -> None:
    data = as_bytes(engine, events_of(engine, answer))

    chunks = streamed(engine, data, cuts)

    assert chunks == streamed(engine, data, [])
    assert isinstance(chunks, list)
    assert "".join(chunk.text for chunk in chunks) == answer.text
    assert "".join(chunk.reasoning for chunk in chunks) == answer.reasoning


@engines
@given(ANSWERS, st.integers(0, 20), PATHS, ANYTHING, CUTS)
def test_a_stream_with_one_wrong_event_is_an_answer_or_a_problem(
    engine: str, answer: UpstreamAnswer, at: int, path: list[int], new: Any, cuts: list[int]
) -> None:
    events = events_of(engine, answer)
    at %= len(events)
    events[at] = (events[at][0], replaced(events[at][1], path, new))

    found = streamed(engine, as_bytes(engine, events), cuts)

    if isinstance(found, list):
        assert found[-1].finish_reason is not None
        assert found[-1].usage is not None
        pickle.dumps(found)
        for chunk in found:
            (chunk.text + chunk.reasoning + chunk.refusal).encode()


@engines
@given(st.binary(max_size=200), CUTS)
def test_any_bytes_as_a_stream_are_an_answer_or_a_problem(
    engine: str, data: bytes, cuts: list[int]
) -> None:
    streamed(engine, b"data: " + data + b"\n\n" + data, cuts)


@given(st.binary(max_size=300), CUTS)
def test_the_events_of_a_body_do_not_depend_on_its_pieces(data: bytes, cuts: list[int]) -> None:
    def events(places: list[int]) -> Any:
        parser, found = SseParser(max_event=100), []
        try:
            for start, end in zip([0, *places], [*places, len(data)], strict=True):
                found += parser.feed(data[start:end])
        except EventTooLarge:
            return "too large"
        return found

    assert events(sorted({min(cut, len(data)) for cut in cuts})) == events([])
