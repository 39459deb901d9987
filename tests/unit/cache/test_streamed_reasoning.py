"""Refusals and reasoning of a provider's model in stored and resumed streams."""

import pytest

from deployments.cache.chunking import (
    ChunkAggregator,
    PrefixMismatch,
    chunks_of,
    remaining_chunks,
)
from deployments.contracts.generation import Choice, Chunk, Completion, TokenUsage

COMPLETION = Completion(
    (Choice(0, "four", "stop", refusal="no", reasoning="two and two"),), TokenUsage(3, 9), "m"
)


def test_a_completion_as_chunks_is_the_same_again() -> None:
    joined = ChunkAggregator("m")
    for chunk in chunks_of(COMPLETION):
        joined.add(chunk)

    assert joined.completion() == COMPLETION


def test_a_stream_goes_on_where_its_reasoning_ended() -> None:
    sent = [Chunk(0, "", reasoning="two "), Chunk(0, "", reasoning="and")]

    [rest] = remaining_chunks(sent, COMPLETION)

    assert (rest.reasoning, rest.refusal, rest.text) == (" two", "no", "four")


@pytest.mark.parametrize("sent", [Chunk(0, "", reasoning="three"), Chunk(0, "", refusal="yes")])
def test_another_beginning_is_another_answer(sent: Chunk) -> None:
    with pytest.raises(PrefixMismatch):
        list(remaining_chunks([sent], COMPLETION))
