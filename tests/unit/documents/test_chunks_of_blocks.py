"""Chunks: short enough to be embedded, never across headings, with their places."""

import regex
from hypothesis import given
from hypothesis import strategies as st

from deployments.documents.chunking import (
    MAX_TOKENS,
    OVERLAP,
    WORDS,
    chunk_blocks,
    count_tokens,
)
from deployments.documents.model import StoredBlock, StoredChunk


def blocks_of(*said: tuple[str, int]) -> list[StoredBlock]:
    """Texts with the level of those that are headings."""
    return [
        StoredBlock(number, 1, "heading" if level else "text", text, level)
        for number, (text, level) in enumerate(said)
    ]


def text_at(chunk: StoredChunk, blocks: list[StoredBlock]) -> str:
    """What stands at the chunk's place."""
    parts = []
    for number in range(chunk.block, chunk.last_block + 1):
        text = blocks[number].text
        end = chunk.end if number == chunk.last_block else len(text)
        parts.append(text[chunk.start if number == chunk.block else 0 : end])
    return "\n".join(parts)


def test_a_chunk_carries_the_path_of_its_headings_and_crosses_none() -> None:
    blocks = blocks_of(("A", 1), ("one", 0), ("B", 2), ("two", 0), ("three", 0), ("C", 1))

    assert [(chunk.heading, chunk.text) for chunk in chunk_blocks(blocks)] == [
        ("A", "one"),
        ("A > B", "two\nthree"),
        ("", "C"),
    ]


def test_a_long_section_is_cut_with_an_overlap() -> None:
    words = [chr(97 + number // 26) + chr(97 + number % 26) for number in range(400)]
    blocks = blocks_of((" ".join(words), 0))
    chunks = chunk_blocks(blocks, words=100, overlap=10)

    assert [len(chunk.text.split()) for chunk in chunks[:-1]] == [100] * (len(chunks) - 1)
    assert chunks[1].text.split()[:10] == chunks[0].text.split()[-10:]
    assert chunks[-1].text.endswith(words[-1])


def test_by_default_as_many_words_as_the_model_reads() -> None:
    blocks = blocks_of(("word " * 1_000, 0), ("Unbelievably interesting, 12,345.67! " * 300, 0))

    assert len(chunk_blocks(blocks[:1])[0].text.split()) == WORDS
    assert OVERLAP < WORDS
    for chunk in chunk_blocks(blocks[1:]):
        assert sum(map(count_tokens, chunk.text.split())) <= MAX_TOKENS


@given(st.lists(st.tuples(st.text(max_size=300), st.integers(0, 2)), max_size=8))
def test_every_chunk_is_what_stands_at_its_place(said: list[tuple[str, int]]) -> None:
    blocks = blocks_of(*said)
    chunks = chunk_blocks(blocks, words=20, overlap=5)

    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert chunk.text == text_at(chunk, blocks)
    written = {word for chunk in chunks for word in regex.findall(r"\S+", chunk.text)}
    short = [word for text, level in said if not level for word in regex.findall(r"\S+", text)]
    assert {word for word in short if len(word) <= 12} <= written
