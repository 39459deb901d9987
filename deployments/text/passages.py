"""Passages: the parts of a text that are embedded for what is said of the whole of it.

Flows in: a text. Flows out: ranges of whole sentences, short enough for an embedding model, and
one vector of the text from theirs. Operations that share passages share their vectors.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.text.segments import Place, find_sentences, find_words

MAX_PASSAGE = 600  # characters, about 140 tokens of English; MiniLM reads 256
MAX_PASSAGES = 64  # of one text; of a longer one, as many are read, evenly spread


def passage_places(text: str) -> list[Place]:
    """In order; none for a text without words beside addresses and tags."""
    return join_sentences(text, find_sentences(text)) if find_words(text) else []


def join_sentences(text: str, sentences: Iterable[Place]) -> list[Place]:
    """Passages of whole sentences, as long as they fit; parts of sentences that are longer."""
    found: list[Place] = []
    for sentence in sentences:
        for start, end in _parts(text, *sentence):
            if found and end - found[-1][0] <= MAX_PASSAGE:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
    if len(found) <= MAX_PASSAGES:
        return found
    return [found[at * len(found) // MAX_PASSAGES] for at in range(MAX_PASSAGES)]


def passages_of(text: str) -> list[str]:
    return [text[start:end] for start, end in passage_places(text)]


def joint_vector(passages: Sequence[str], vectors: Vectors) -> Vectors:
    """The mean of the rows by the passages' lengths, of length 1: shape (dimensions,)."""
    mean: Vectors = shares_of(passages) @ vectors
    norm = float(np.linalg.norm(mean))
    return mean / norm if norm > 0 else mean


def shares_of(passages: Sequence[str]) -> Vectors:
    """The part of all characters that each passage has."""
    lengths = np.array([len(passage) for passage in passages], dtype=np.float32)
    shares: Vectors = lengths / lengths.sum()
    return shares


def _parts(text: str, start: int, end: int) -> Iterator[Place]:
    """A sentence, in parts of at most MAX_PASSAGE characters: between words where that is
    possible."""
    while end - start > MAX_PASSAGE:
        stop = start + MAX_PASSAGE
        blank = text.rfind(" ", start, stop)
        stop = blank if blank > start else stop
        yield start, stop
        start = stop
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end
