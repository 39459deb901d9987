"""A part of a document that stands for the whole: what summaries are made of.

In: blocks. Out: a text of at most MAX_CHARACTERS, and which block each place of it is from. A short
document is its own digest. Of a longer one it has the beginnings of paragraphs, evenly spread.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from deployments.documents.model import StoredBlock
from deployments.text.segments import find_sentences

MAX_CHARACTERS = 60_000
MAX_BLOCKS = 180  # of a long document
_READ = 2_000  # characters of a block that its first sentence is looked for in
_SHORTEST = 40  # characters of a paragraph that says something
_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Digest:
    """`starts[i]` is where `blocks[i]` begins in `text`."""

    text: str
    starts: Sequence[int]
    blocks: Sequence[StoredBlock]

    def block_at(self, place: int) -> StoredBlock:
        return self.blocks[max(0, bisect_right(self.starts, place) - 1)]


def digest_of(blocks: Sequence[StoredBlock]) -> Digest:
    prose = [block for block in blocks if block.kind in ("text", "list", "note")] or list(blocks)
    if sum(len(block.text) + 2 for block in prose) <= MAX_CHARACTERS:
        return _digest([(block, block.text) for block in prose])
    telling = [block for block in prose if len(block.text) >= _SHORTEST] or prose
    count = min(MAX_BLOCKS, len(telling))
    spread = [telling[at * len(telling) // count] for at in range(count)]
    return _digest([(block, _beginning(block.text)) for block in spread])


def _digest(parts: Sequence[tuple[StoredBlock, str]]) -> Digest:
    texts: list[str] = []
    starts: list[int] = []
    length = 0
    for _, text in parts:
        starts.append(length)
        texts.append(text)
        length += len(text) + len(_BETWEEN)
    return Digest(_BETWEEN.join(texts), starts, [block for block, _ in parts])


def _beginning(text: str) -> str:
    """Its first sentence."""
    read = text[:_READ]
    places = find_sentences(read)
    end = places[0][1] if places else len(read)
    return read[:end][: MAX_CHARACTERS // MAX_BLOCKS - len(_BETWEEN)]
