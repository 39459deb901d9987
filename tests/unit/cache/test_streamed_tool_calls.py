"""Tool calls in cached responses: aggregated, replayed, continued, and never served by likeness."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.tenants.caller import Caller
from deployments.cache.chunking import (
    ChunkAggregator,
    PrefixMismatch,
    chunks_of,
    remaining_chunks,
)
from deployments.cache.codec import decode, decode_chunks, encode, encode_chunks
from deployments.cache.policy import is_cacheable
from deployments.cache.semantic.semantic_lookup import last_user_text
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    Message,
    Sampling,
    TokenUsage,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolSettings,
)

CALLS = (ToolCall("call_1", "weather", '{"city":"Turin"}'), ToolCall("call_2", "clock", "{}"))
COMPLETION = Completion(
    (Choice(0, "Let me see.", "tool_calls", None, CALLS),), TokenUsage(5, 9), "m"
)
CHUNKS = (
    Chunk(0, "Let me", prompt_tokens=5, tokens=2),
    Chunk(0, " see.", tokens=2, tool_calls=(ToolCallDelta(0, "call_1", "weather", "{"),)),
    Chunk(0, "", tokens=3, tool_calls=(ToolCallDelta(0, arguments='"city":"Turin"}'),)),
    Chunk(
        0,
        "",
        "tool_calls",
        tokens=2,
        usage=TokenUsage(5, 9),
        tool_calls=(ToolCallDelta(1, "call_2", "clock", "{}"),),
    ),
)


def aggregated(chunks: list[Chunk]) -> Completion:
    aggregator = ChunkAggregator("m")
    for chunk in chunks:
        aggregator.add(chunk)
    return aggregator.completion()


def test_the_chunks_of_calls_make_the_completion() -> None:
    assert aggregated(list(CHUNKS)) == COMPLETION


def test_a_cached_response_is_replayed_with_its_calls() -> None:
    [chunk] = chunks_of(COMPLETION)

    assert [(delta.id, delta.name) for delta in chunk.tool_calls] == [
        ("call_1", "weather"),
        ("call_2", "clock"),
    ]
    assert aggregated([chunk]) == COMPLETION


@given(st.integers(0, len(CHUNKS)))
def test_a_stream_is_continued_where_it_stopped(sent: int) -> None:
    rest = list(remaining_chunks(CHUNKS[:sent], COMPLETION))

    assert aggregated([*CHUNKS[:sent], *rest]) == COMPLETION
    assert sum(chunk.tokens for chunk in (*CHUNKS[:sent], *rest)) == 9


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param((), id="no call"),
        pytest.param((replace(CALLS[0], arguments='{"city":"Milan"}'),), id="other arguments"),
        pytest.param((replace(CALLS[0], name="clock"),), id="another name"),
        pytest.param((replace(CALLS[0], id="call_9"),), id="another id"),
    ],
)
def test_a_stream_is_not_continued_with_other_calls(calls: tuple[ToolCall, ...]) -> None:
    other = replace(COMPLETION.choices[0], tool_calls=calls)

    with pytest.raises(PrefixMismatch):
        list(remaining_chunks(CHUNKS[:3], replace(COMPLETION, choices=(other,))))


def test_calls_are_stored() -> None:
    assert is_cacheable(COMPLETION)
    assert decode(encode(COMPLETION)) == COMPLETION
    assert decode_chunks(encode_chunks(CHUNKS)) == CHUNKS


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"tool_settings": ToolSettings((Tool("clock"),))}, id="tools"),
        pytest.param(
            {"messages": (Message("tool", "9:00", tool_call_id="1"), Message("user", "So?"))},
            id="a result",
        ),
        pytest.param(
            {"messages": (Message("assistant", "", CALLS), Message("user", "So?"))}, id="calls"
        ),
    ],
)
def test_a_request_with_tools_is_not_answered_by_a_similar_one(changes: dict[str, object]) -> None:
    request = GenerateRequest(
        "r", Caller("acme", "k", frozenset()), "m", Sampling(), (Message("user", "The time?"),)
    )

    assert last_user_text(request) == "The time?"
    assert last_user_text(replace(request, **changes)) is None  # type: ignore[arg-type]
