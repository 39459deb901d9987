"""An inverted index of words, scored by BM25.

In: texts by row, in rising order of rows. Out: scores of rows for the words of a query. A word is
its 64-bit hash; postings are arrays sorted by it. Texts that are added together make a part of
their own, and parts of like sizes are merged.

BM25 (Robertson and Zaragoza, 2009) with k1 1.2 and b 0.75, and the idf of Lucene, which is above 0.
A score is divided by the idf of all words of the query, also of those that no text has: it says
which part of the query a text answers, about 1 for all of it, and so can be added to a cosine.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import mmh3
import numpy as np
from numpy.typing import NDArray

from cluster.storage.words import words_of
from deployments.search.growing_array import GrowingArray

K1, B = 1.2, 0.75
_MOST = np.iinfo(np.uint16).max  # times that a word counts in one text
_RATIO = 4  # a part is merged with the one before it, unless that is so many times as large

Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]
Scores = NDArray[np.float64]


class Postings(NamedTuple):
    """Of the word `words[i]`: rows in rising order, and how often each has it, from `starts[i]` to
    `starts[i + 1]`."""

    words: Hashes
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]
    counts: NDArray[np.uint16]

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self)

    def of(self, word: int) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
        at = int(np.searchsorted(self.words, np.uint64(word)))
        if at == len(self.words) or int(self.words[at]) != word:
            return self.rows[:0], self.counts[:0]
        mine = slice(int(self.starts[at]), int(self.starts[at + 1]))
        return self.rows[mine], self.counts[mine]

    def each_word(self) -> Hashes:
        """The word of each row."""
        return np.repeat(self.words, np.diff(self.starts))


class InvertedIndex:
    """`parts` have postings of rows that follow each other."""

    def __init__(self) -> None:
        self.parts: list[Postings] = []
        self.lengths: GrowingArray[np.int32] = GrowingArray(np.int32)

    @classmethod
    def of(cls, postings: Postings, lengths: NDArray[np.int32]) -> "InvertedIndex":
        made = cls()
        made.parts, made.lengths = [postings], GrowingArray(np.int32, lengths)
        return made

    @property
    def nbytes(self) -> int:
        return sum(part.nbytes for part in self.parts) + self.lengths.nbytes

    def extend(self, texts: Sequence[str]) -> None:
        """Those of the next rows."""
        first, words = len(self.lengths), [words_of(text) for text in texts]
        lengths = [len(each) for each in words]
        self.lengths.extend(lengths)
        if any(lengths):
            self.parts.append(_count_words(words, lengths, first))
            self._merge_small()

    def merge(self) -> None:
        """All parts become one."""
        if len(self.parts) > 1:
            self.parts = [_merged(self.parts)]

    def scores(self, text: str, live: Mask) -> Scores | None:
        """Of each row, for the words of a query; None: it has no words. Rows that are not `live`
        count nowhere and have 0."""
        words = sorted({hash_word(word) for word in words_of(text)})
        if not words:
            return None
        lengths = self.lengths.values
        documents = int(live.sum())
        mean = float(lengths[live].mean()) if documents else 0.0
        scores, mass = np.zeros(len(lengths)), 0.0
        for word in words:
            rows, counts = self._postings(word)
            alive = live[rows]
            rows, times = rows[alive], counts[alive].astype(np.float64)
            idf = math.log(1 + (documents - len(rows) + 0.5) / (len(rows) + 0.5))
            mass += idf
            if len(rows):
                norm = K1 * (1 - B + B * lengths[rows] / mean)
                scores[rows] += idf * times * (K1 + 1) / (times + norm)
        return scores / mass

    def postings(self, live: Mask) -> Postings:
        """All of them, without those of other rows. Later changes do not change them."""
        if not self.parts:
            empty = np.empty(0, np.int32)
            return _grouped(np.empty(0, np.uint64), empty, empty.astype(np.uint16))
        self.merge()
        every = self.parts[0]
        stays = live[every.rows]
        if stays.all():
            return every
        return _grouped(every.each_word()[stays], every.rows[stays], every.counts[stays])

    def keep(self, kept: Mask) -> None:
        """Drops the other rows; those that stay move up."""
        left, new_rows = self.postings(kept), np.cumsum(kept) - 1
        self.parts = [left._replace(rows=new_rows[left.rows].astype(np.int32))]
        self.lengths = GrowingArray(np.int32, self.lengths.values[kept])

    def _postings(self, word: int) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
        """Rows and counts."""
        found = [part.of(word) for part in self.parts]
        if not found:
            return np.empty(0, np.int32), np.empty(0, np.uint16)
        return np.concatenate([each[0] for each in found]), np.concatenate(
            [each[1] for each in found]
        )

    def _merge_small(self) -> None:
        """So that there are few, and each posting is merged a few times only."""
        while len(self.parts) > 1:
            *_, before, last = self.parts
            if len(before.rows) > _RATIO * len(last.rows):
                return
            self.parts[-2:] = [_merged([before, last])]


def hash_word(word: str) -> int:
    """MurmurHash3, the upper 64 bits of its 128."""
    return mmh3.mmh3_x64_128_uintdigest(word.encode()) >> 64


def _count_words(texts: Sequence[list[str]], lengths: Sequence[int], first: int) -> Postings:
    """Of texts of rows from `first` on."""
    numbers: dict[str, int] = {}
    of_words = np.array([numbers.setdefault(word, len(numbers)) for text in texts for word in text])
    places = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)
    pairs, counts = np.unique(places * len(numbers) + of_words, return_counts=True)
    rows, of_pairs = np.divmod(pairs, len(numbers))
    words = np.array([hash_word(word) for word in numbers], np.uint64)[of_pairs]
    order = np.argsort(words, kind="stable")  # rows stay in rising order within a word
    return _grouped(
        words[order],
        (rows[order] + first).astype(np.int32),
        np.minimum(counts[order], _MOST).astype(np.uint16),
    )


def _merged(parts: Sequence[Postings]) -> Postings:
    words = np.concatenate([part.each_word() for part in parts])
    order = np.argsort(words, kind="stable")
    return _grouped(
        words[order],
        np.concatenate([part.rows for part in parts])[order],
        np.concatenate([part.counts for part in parts])[order],
    )


def _grouped(words: Hashes, rows: NDArray[np.int32], counts: NDArray[np.uint16]) -> Postings:
    """Of postings that are sorted by word."""
    first = np.flatnonzero(np.concatenate([[True], words[1:] != words[:-1]])[: len(words)])
    return Postings(words[first], np.append(first, len(words)).astype(np.int64), rows, counts)
