"""Chunks that have arrived together: texts of one choice are joined, everything else stays."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.generation import Chunk, TokenUsage, ToolCallDelta
from deployments.providers.stream_attempt import merge_texts

CHUNKS = st.builds(
    Chunk,
    index=st.integers(0, 2),
    text=st.text(max_size=3),
    finish_reason=st.sampled_from([None, None, None, "stop"]),
    tokens=st.integers(0, 3),
    prompt_tokens=st.integers(0, 3),
    refusal=st.sampled_from(["", "", "no"]),
    reasoning=st.sampled_from(["", "", "hm"]),
)


def merged(*chunks: Chunk) -> list[Chunk]:
    found = deque(chunks)
    merge_texts(found)
    return [*found]


def test_texts_of_one_choice_are_joined_with_their_tokens() -> None:
    first, second = Chunk(0, "a", tokens=1, prompt_tokens=4), Chunk(0, "b", tokens=2)

    assert merged(first, second) == [Chunk(0, "ab", tokens=3, prompt_tokens=4)]


def test_choices_calls_and_ends_stay_apart() -> None:
    chunks = [
        Chunk(0, "a"),
        Chunk(1, "b"),
        Chunk(1, "", tool_calls=(ToolCallDelta(0, "c", "f"),)),
        Chunk(1, "", finish_reason="stop", usage=TokenUsage(1, 2)),
    ]

    assert merged(*chunks) == chunks


@given(st.lists(CHUNKS, max_size=8))
def test_nothing_is_lost_or_moved(chunks: list[Chunk]) -> None:
    found = merged(*chunks)

    for index in range(3):
        before = [chunk for chunk in chunks if chunk.index == index]
        after = [chunk for chunk in found if chunk.index == index]
        for name in ("text", "refusal", "reasoning"):
            whole = "".join(getattr(chunk, name) for chunk in before)
            assert "".join(getattr(chunk, name) for chunk in after) == whole
        assert sum(chunk.tokens for chunk in after) == sum(chunk.tokens for chunk in before)
    ends = [chunk for chunk in chunks if chunk.finish_reason]
    assert [chunk for chunk in found if chunk.finish_reason] == ends
