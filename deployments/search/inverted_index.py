"""An inverted index of words, scored by BM25.

In: texts by row, in rising order of rows. Out: scores of rows for the words of a query. A word is
its 64-bit hash; postings are arrays sorted by it, and those of recent texts are merged into them
from time to time.

BM25 (Robertson and Zaragoza, 2009) with k1 1.2 and b 0.75, and the idf of Lucene, which is above 0.
A score is divided by the idf of all words of the query, also of those that no text has: it says
which part of the query a text answers, about 1 for all of it, and so can be added to a cosine.
"""

import math
from collections import Counter

import mmh3
import numpy as np
from numpy.typing import NDArray

from cluster.storage.words import words_of
from deployments.search.growing_array import GrowingArray

K1, B = 1.2, 0.75
_SMALLEST_MERGE = 64  # postings
_MERGED_AT = 0.25  # part of all postings that may be recent
_MOST = np.iinfo(np.uint16).max  # times that a word counts in one text

Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]
Scores = NDArray[np.float64]


class InvertedIndex:
    def __init__(self) -> None:
        self._words: Hashes = np.empty(0, np.uint64)
        self._starts: NDArray[np.int64] = np.zeros(1, np.int64)
        self._rows: NDArray[np.int32] = np.empty(0, np.int32)
        self._counts: NDArray[np.uint16] = np.empty(0, np.uint16)
        self._recent: dict[int, list[tuple[int, int]]] = {}
        self._recent_postings = 0
        self.lengths = GrowingArray(np.int32)

    @property
    def nbytes(self) -> int:
        arrays = (self._words, self._starts, self._rows, self._counts, self.lengths)
        return sum(array.nbytes for array in arrays) + 200 * self._recent_postings

    def append(self, text: str) -> None:
        """The text of the next row."""
        row, words = len(self.lengths), words_of(text)
        self.lengths.append(len(words))
        for word, count in Counter(words).items():
            self._recent.setdefault(hash_word(word), []).append((row, min(count, _MOST)))
            self._recent_postings += 1
        if self._recent_postings > max(1 << 18, _MERGED_AT * len(self._rows)):
            self.merge()

    def merge(self) -> None:
        """Postings of recent texts become arrays, if there are many."""
        if self._recent_postings > _SMALLEST_MERGE:
            self._merge_all()

    def _merge_all(self) -> None:
        recent = [
            (word, row, count) for word, postings in self._recent.items() for row, count in postings
        ]
        words, rows, counts = zip(*recent, strict=True) if recent else ((), (), ())
        all_words = np.concatenate(
            [np.repeat(self._words, np.diff(self._starts)), np.array(words, np.uint64)]
        )
        order = np.argsort(all_words, kind="stable")  # rows stay in rising order within a word
        self._rows = np.concatenate([self._rows, np.array(rows, np.int32)])[order]
        self._counts = np.concatenate([self._counts, np.array(counts, np.uint16)])[order]
        self._words, first = np.unique(all_words[order], return_index=True)
        self._starts = np.append(first, len(all_words)).astype(np.int64)
        self._recent, self._recent_postings = {}, 0

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

    def keep(self, kept: Mask) -> None:
        """Drops the other rows; those that stay move up."""
        self._merge_all()
        new_rows = np.cumsum(kept) - 1
        stays = kept[self._rows]
        words = np.repeat(self._words, np.diff(self._starts))[stays]
        self._rows = new_rows[self._rows[stays]].astype(np.int32)
        self._counts = self._counts[stays]
        self._words, first = np.unique(words, return_index=True)
        self._starts = np.append(first, len(words)).astype(np.int64)
        self.lengths = GrowingArray(np.int32, self.lengths.values[kept])

    def _postings(self, word: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and counts."""
        at = int(np.searchsorted(self._words, np.uint64(word)))
        start = stop = 0
        if at < len(self._words) and int(self._words[at]) == word:
            start, stop = int(self._starts[at]), int(self._starts[at + 1])
        recent = np.array(self._recent.get(word, ()), np.int64).reshape(-1, 2)
        rows = np.concatenate([self._rows[start:stop].astype(np.int64), recent[:, 0]])
        counts = np.concatenate([self._counts[start:stop].astype(np.int64), recent[:, 1]])
        return rows, counts


def hash_word(word: str) -> int:
    """MurmurHash3, the upper 64 bits of its 128."""
    return mmh3.mmh3_x64_128_uintdigest(word.encode()) >> 64
