"""Completions as streams and back: the same answer, wherever the stream is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.problems import ModelFailed
from deployments.cache.chunking import ChunkAggregator, PrefixMismatch, chunks_of, remaining_chunks
from deployments.contracts.generation import Choice, Chunk, Completion, TokenLogprob, TokenUsage

logprobs = st.builds(
    TokenLogprob,
    st.text(max_size=3),
    st.binary(max_size=3),
    st.floats(-20, 0),
    st.lists(st.tuples(st.text(max_size=2), st.binary(max_size=2), st.floats(-20, 0))).map(tuple),
)


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    count = draw(st.integers(1, 4))
    choices = tuple(
        Choice(
            index,
            draw(st.text(max_size=20)),
            draw(st.sampled_from(("stop", "length"))),
            draw(st.none() | st.lists(logprobs, max_size=4).map(tuple)),
        )
        for index in range(count)
    )
    return Completion(
        choices, TokenUsage(draw(st.integers(1, 50)), draw(st.integers(0, 99))), "nano"
    )


def cut(draw: st.DrawFn, choice: Choice) -> list[Chunk]:
    """One choice as a stream, cut anywhere."""
    at = draw(st.lists(st.integers(0, len(choice.text)), max_size=3).map(sorted))
    edges = [0, *at, len(choice.text)]
    texts = [choice.text[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    told = choice.logprobs
    with_logprobs = draw(st.integers(0, len(texts) - 1))
    return [
        Chunk(
            choice.index,
            text,
            choice.finish_reason if number == len(texts) - 1 else None,
            told if number == with_logprobs else None,
        )
        for number, text in enumerate(texts)
    ]


@st.composite
def streams(draw: st.DrawFn) -> tuple[Completion, list[Chunk]]:
    """A completion, and one of the streams that it may have been."""
    answer = draw(completions())
    parts = [cut(draw, choice) for choice in answer.choices]
    out: list[Chunk] = []
    left = answer.usage.completion_tokens
    while any(parts):
        part = draw(st.sampled_from([part for part in parts if part]))
        chunk = part.pop(0)
        last = not any(parts)
        tokens = left if last else draw(st.integers(0, left))
        left -= tokens
        out.append(
            Chunk(
                chunk.index,
                chunk.text,
                chunk.finish_reason,
                chunk.logprobs,
                answer.usage if last else None,
                tokens,
                0 if out else answer.usage.prompt_tokens,
            )
        )
    return answer, out


def gathered(chunks: list[Chunk]) -> Completion:
    gathering = ChunkAggregator("nano")
    for chunk in chunks:
        gathering.add(chunk)
    return gathering.completion()


def assert_is_a_stream(chunks: list[Chunk], answer: Completion) -> None:
    """What the contract of Chunk says."""
    assert [chunk.usage for chunk in chunks] == [None] * (len(chunks) - 1) + [answer.usage]
    for choice in answer.choices:
        own = [chunk.finish_reason for chunk in chunks if chunk.index == choice.index]
        assert own == [None] * (len(own) - 1) + [choice.finish_reason]
    assert sum(chunk.tokens for chunk in chunks) == answer.usage.completion_tokens
    assert [c.prompt_tokens for c in chunks] == [answer.usage.prompt_tokens] + [0] * (
        len(chunks) - 1
    )


@given(completions())
def test_an_answer_streamed_and_gathered_is_the_same(answer: Completion) -> None:
    chunks = list(chunks_of(answer))
    assert_is_a_stream(chunks, answer)
    assert gathered(chunks) == answer


@given(streams())
def test_where_a_stream_is_cut_does_not_matter(stream: tuple[Completion, list[Chunk]]) -> None:
    answer, chunks = stream
    assert_is_a_stream(chunks, answer)
    assert gathered(chunks) == answer


@given(streams(), st.data())
def test_what_a_stream_has_begun_is_told_to_its_end(
    stream: tuple[Completion, list[Chunk]], data: st.DataObject
) -> None:
    answer, chunks = stream
    told = chunks[: data.draw(st.integers(0, len(chunks)))]
    whole = [*told, *remaining_chunks(told, answer)]
    assert_is_a_stream(whole, answer)
    assert gathered(whole) == answer


def test_another_answer_does_not_continue_a_stream() -> None:
    answer = Completion((Choice(0, "good evening", "stop"),), TokenUsage(1, 2), "nano")
    with pytest.raises(PrefixMismatch):
        remaining_chunks([Chunk(0, "good morning")], answer)
    with pytest.raises(PrefixMismatch):
        remaining_chunks([Chunk(0, "good", "stop")], answer)


def test_a_stream_that_broke_off_is_no_answer() -> None:
    for chunks in ([], [Chunk(0, "good")], [Chunk(0, "good", "stop")]):
        with pytest.raises(ModelFailed):
            gathered(chunks)
