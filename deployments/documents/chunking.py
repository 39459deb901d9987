"""Cuts documents into chunks, which are embedded and found one by one.

In: blocks in reading order. Out: chunks of at most WORDS words with OVERLAP of the one before (a
chunk of fewer words, since they are long, repeats as small a share), never across headings, whose
path each chunk carries; so long that an embedding model of 256 tokens reads all of one. Offsets are
code points.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from deployments.documents.model import StoredBlock, StoredChunk

WORDS, OVERLAP = 180, 30
MAX_TOKENS = 240  # of a chunk with its headings, as `count_tokens` estimates; MiniLM reads 256
MAX_HEADING = 200  # characters of the path
_LATIN, _SHORT, _LONG = 0x24F, 6, 9
_WORD = regex.compile(r"\S+")
_PIECE = regex.compile(r"\p{N}+|\p{Latin}+|[^\p{N}\p{Latin}]")
_UNSPACED = 12  # characters of an unspaced script that count as one word's place


@dataclass(frozen=True, slots=True)
class _ChunkWord:
    """From code point `start` up to `end` of block `block` (its index in the section)."""

    block: int
    start: int
    end: int
    tokens: int


def count_tokens(word: str) -> int:
    """About as many tokens as a WordPiece tokenizer of English makes of it, rather more: common
    words are one, long ones a piece for three letters; so are digits in pairs, and each sign and
    each letter of another script. Words with accents are cut in more pieces."""
    return sum([_count_piece(piece) for piece in _PIECE.findall(word)])


def _count_piece(piece: str) -> int:
    length = len(piece)
    if piece[0].isdigit():
        return -(-length // 2)
    if length == 1 or ord(piece[0]) > _LATIN:
        return length
    if not piece.isascii():
        return -(-3 * length // 4) if length <= _LONG else -(-length // 3) + 2
    return 1 if length <= _SHORT else 2 if length <= _LONG else -(-length // 3)


def chunk_blocks(
    blocks: Sequence[StoredBlock], *, words: int | None = None, overlap: int | None = None
) -> list[StoredChunk]:
    """In order. Takes time linear in the length of the text."""
    size = WORDS if words is None else words
    repeated = min(OVERLAP if overlap is None else overlap, size // 2)
    found: list[StoredChunk] = []
    for heading, section in _sections(blocks):
        limit = MAX_TOKENS - sum(map(count_tokens, heading.split()))
        for first, last in _spans(_words(section), size, repeated, limit):
            found.append(_chunk(len(found), heading, section, first, last))
    return found


def _sections(blocks: Sequence[StoredBlock]) -> Iterator[tuple[str, list[StoredBlock]]]:
    """Blocks below the same headings. A heading that nothing stands below is a section itself."""
    path: list[tuple[int, str]] = []
    section: list[StoredBlock] = []
    lonely: StoredBlock | None = None
    for block in blocks:
        if block.kind != "heading":
            section.append(block)
            lonely = None
            continue
        if section:
            yield _joined(path), section
            section = []
        elif lonely is not None and lonely.level >= block.level:
            yield _joined(path[:-1]), [lonely]
        path = [above for above in path if above[0] < block.level]
        path.append((block.level, " ".join(block.text.split())))
        lonely = block
    if section:
        yield _joined(path), section
    elif lonely is not None:
        yield _joined(path[:-1]), [lonely]


def _joined(path: Sequence[tuple[int, str]]) -> str:
    return " > ".join(text for _, text in path)[-MAX_HEADING:]


def _words(section: Sequence[StoredBlock]) -> list[_ChunkWord]:
    found = []
    for index, block in enumerate(section):
        for match in _WORD.finditer(block.text):
            start, end = match.span()
            while end - start > 2 * _UNSPACED:  # scripts without spaces, and long tokens
                part = block.text[start : start + _UNSPACED]
                found.append(_ChunkWord(index, start, start + _UNSPACED, count_tokens(part)))
                start += _UNSPACED
            found.append(_ChunkWord(index, start, end, count_tokens(block.text[start:end])))
    return found


def _spans(
    words: Sequence[_ChunkWord], size: int, repeated: int, limit: int
) -> Iterator[tuple[_ChunkWord, _ChunkWord]]:
    """The first and the last word of each chunk."""
    start = 0
    while start < len(words):
        end, length = start, 0
        while end < len(words) and end - start < size:
            length += words[end].tokens
            if length > limit and end > start:
                break
            end += 1
        yield words[start], words[end - 1]
        if end >= len(words):
            return
        start = max(start + 1, end - repeated * (end - start) // size)


def _chunk(
    number: int, heading: str, section: Sequence[StoredBlock], first: _ChunkWord, last: _ChunkWord
) -> StoredChunk:
    parts = []
    for index in range(first.block, last.block + 1):
        text = section[index].text
        begin = first.start if index == first.block else 0
        end = last.end if index == last.block else len(text)
        parts.append(text[begin:end])
    return StoredChunk(
        number,
        section[first.block].page,
        section[first.block].number,
        first.start,
        section[last.block].number,
        last.end,
        "\n".join(parts),
        heading,
    )
