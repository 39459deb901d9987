"""The index of one generation of a collection: rows of vectors, words and payloads.

In: changes of points in the order of their sequence numbers, queries. Out: rows with their scores,
the same as if every point were compared in float64. A changed point gets a new row; rows of old
ones are dropped when they are many. Knows no database and no tenants.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deployments.search.approximate_index import ApproximateIndex
from deployments.search.growing_array import GrowingArray
from deployments.search.index_state import IndexState
from deployments.search.inverted_index import InvertedIndex
from deployments.search.payload_columns import PayloadColumns
from deployments.search.ranking import best_rows, contenders, fused_ranks, ranks_of
from deployments.search.vector_rows import Doubles, Floats, Rows, VectorRows

NARROW_ROWS = 1_000  # up to so many are held as float16: small collections are many
EXACT_ROWS = 100_000  # of vectors; above them candidates come from an approximate index
_SCANNED = 0.05  # part of the rows that are compared one by one in spite of such an index
_DROPPED_AT = 1_024  # rows of old points, and a third of the live ones
_ROW_BYTES = 250  # of ids and their places

Mask = NDArray[np.bool_]


class PointChange(NamedTuple):
    """A row of the table `points`; `payload` is JSON."""

    id: str
    sequence: int
    vector: bytes | None
    text: str
    payload: bytes
    deleted: bool


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """As a SearchRequest. `vector` None: words only; `text` empty: vectors only."""

    limit: int
    vector: Floats | None = None
    text: str = ""
    filter: Mapping[str, Any] | None = None
    min_score: float | None = None
    alpha: float = 0.5
    by_ranks: bool = False
    explain: bool = False


@dataclass(frozen=True, slots=True)
class RankedPoint:
    """As a SearchHit; `sequence` is that of the point's last change."""

    id: str
    sequence: int
    score: float
    vector_score: float | None
    text_score: float | None
    vector_rank: int | None = None
    text_rank: int | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    points: tuple[RankedPoint, ...]
    matched: int
    is_exact: bool


class CollectionIndex:
    """`sequence` is the number up to which changes are in it; `rows_version` grows when rows of old
    points are dropped and the others move up. `vector_count` is of points that have vectors,
    `nbytes` about what all takes in memory."""

    def __init__(self, dimensions: int) -> None:
        self.sequence = 0
        self.rows_version = 0
        self.vector_count = 0
        self.nbytes = 0
        self.approximate: ApproximateIndex | None = None
        self.vectors = VectorRows(dimensions)
        self._words = InvertedIndex()
        self._payloads = PayloadColumns()
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._live = GrowingArray(np.bool_)
        self._has_vector = GrowingArray(np.bool_)
        self._sequences = GrowingArray(np.int64)

    @classmethod
    def of(cls, state: IndexState, approximate: ApproximateIndex | None) -> "CollectionIndex":
        """As it was when `state` was taken. Raises ValueError where its parts do not fit."""
        made, count = cls(state.vectors.dimensions), len(state.ids)
        by_row = (state.live, state.has_vector, state.sequences, state.payloads, state.lengths)
        if any(len(each) != count for each in (*by_row, state.vectors)):
            raise ValueError("the parts have other numbers of rows")
        made.sequence, made.approximate, made.vectors = state.sequence, approximate, state.vectors
        made._ids = state.ids
        rows = np.flatnonzero(state.live).tolist()
        made._rows = {state.ids[row]: row for row in rows}
        made._live = GrowingArray(np.bool_, state.live)
        made._has_vector = GrowingArray(np.bool_, state.has_vector)
        made._sequences = GrowingArray(np.int64, state.sequences)
        made._payloads.extend(state.payloads)
        made._words = InvertedIndex.of(state.postings, state.lengths)
        made._arrange()
        return made

    def state(self) -> IndexState:
        live = self._live.values.copy()
        dead = np.flatnonzero(~live).tolist()
        ids, payloads = self._ids.copy(), self._payloads.encoded.copy()
        for row in dead:
            ids[row], payloads[row] = "", b""
        return IndexState(
            self.sequence,
            ids,
            live,
            self._has_vector.values.copy(),
            self._sequences.values.copy(),
            payloads,
            self._words.postings(live),
            self._words.lengths.values.copy(),
            self.vectors,
        )

    def __len__(self) -> int:
        """Points that are not deleted."""
        return len(self._rows)

    def apply(self, changes: Sequence[PointChange]) -> None:
        """Raises ValueError, before any change, for a vector of other dimensions."""
        last = {change.id: change for change in changes}
        stored = [change for change in last.values() if not change.deleted]
        self._extend_vectors([change.vector for change in stored])
        for id in last:
            self._remove(id)
        first = len(self._ids)
        self._ids += [change.id for change in stored]
        self._rows.update(zip(self._ids[first:], range(first, len(self._ids)), strict=True))
        self._words.extend([change.text for change in stored])
        self._payloads.extend([change.payload for change in stored])
        self._live.extend([True] * len(stored))
        self._has_vector.extend([change.vector is not None for change in stored])
        self._sequences.extend([change.sequence for change in stored])
        if self.approximate is not None:
            rows = np.arange(first, len(self._ids))
            rows = rows[self._has_vector.values[first:]]
            self.approximate.add_rows(rows, self.vectors, 1)
        self.sequence = max([self.sequence, *(change.sequence for change in changes)])
        self._arrange()

    def search(self, query: IndexQuery) -> Ranking:
        """The best points of a query with a vector, words or both."""
        allowed = self._allowed(query.filter)
        matched = int(allowed.sum())
        text = self._words.scores(query.text, self._live.values) if query.text else None
        if query.vector is None or self.vectors.dimensions == 0:
            return self._by_words(query, allowed, matched, text)
        candidates = self._candidates(query, allowed, matched, text)
        if candidates is not None:
            return self._rank(query, candidates, text, allowed, matched, is_exact=False)
        vectors = allowed & self._has_vector.values
        if query.by_ranks or query.explain:
            ranked = vectors if text is None else vectors | (allowed & (text > 0))
            rows = np.flatnonzero(ranked)
        else:
            rows = self._contenders(query, allowed, vectors, text)
        return self._rank(query, rows, text, allowed, matched, is_exact=True)

    def match(self, filter: Mapping[str, Any] | None, after: str, limit: int) -> Ranking:
        """Points that pass a filter, by id."""
        rows = np.flatnonzero(self._allowed(filter))
        left = (self._ids[row] for row in rows.tolist() if self._ids[row] > after)
        names = heapq.nsmallest(limit, left)
        points = [self._point(self._rows[name], 0.0, None, None) for name in names]
        return Ranking(tuple(points), len(rows), is_exact=True)

    def vector_rows(self) -> Rows:
        """Rows of live points that have vectors."""
        return np.flatnonzero(self._live.values & self._has_vector.values)

    def adopt(self, approximate: ApproximateIndex) -> None:
        """It has the rows of `vector_rows`."""
        self.approximate = approximate
        self._arrange()

    def _allowed(self, filter: Mapping[str, Any] | None) -> Mask:
        live = self._live.values
        if not filter:
            return live.copy()
        mask = self._payloads.mask(filter)
        self._measure()  # it may have made columns
        return live & mask

    def _by_words(
        self, query: IndexQuery, allowed: Mask, matched: int, text: Doubles | None
    ) -> Ranking:
        if text is None:
            return Ranking((), matched, is_exact=True)
        allowed &= text > 0
        rows = np.flatnonzero(allowed)
        scores = text[rows]
        ranks = ranks_of(text, allowed, rows) if query.explain else None
        best = best_rows(rows, scores, self._ids, query.limit)
        points = [
            self._point(
                int(rows[at]),
                float(scores[at]),
                None,
                float(scores[at]),
                text_rank=None if ranks is None else ranks[at],
            )
            for at in best
            if query.min_score is None or scores[at] >= query.min_score
        ]
        return Ranking(tuple(points), matched, is_exact=True)

    def _contenders(
        self, query: IndexQuery, allowed: Mask, vectors: Mask, text: Doubles | None
    ) -> Rows:
        """Rows that contain the best ones."""
        assert query.vector is not None
        few = int(vectors.sum()) <= _SCANNED * len(vectors)
        products = np.zeros(len(vectors))
        if few:
            rows = np.flatnonzero(vectors)
            products[rows] = self.vectors.take(rows) @ query.vector
        else:
            products[:] = np.where(vectors, self.vectors.products(query.vector), 0)
        error = self.vectors.error_bound(query.vector)
        if text is None:
            return contenders(products, vectors, query.limit, error)
        scores = query.alpha * products + (1 - query.alpha) * text
        ranked = vectors | (allowed & (text > 0))
        return contenders(scores, ranked, query.limit, query.alpha * error)

    def _candidates(
        self, query: IndexQuery, allowed: Mask, matched: int, text: Doubles | None
    ) -> Rows | None:
        """Of the approximate index, and the best by words; None: all rows are compared."""
        approximate = self.approximate
        if approximate is None or query.by_ranks or matched <= _SCANNED * len(allowed):
            return None
        assert query.vector is not None
        wanted = query.limit if text is None else 8 * query.limit + 64
        rows = approximate.search(query.vector, allowed & self._has_vector.values, wanted)
        if rows is None or text is None:
            return rows
        by_words = contenders(text, allowed & (text > 0), wanted, 0.0)[: 4 * wanted]
        return np.union1d(rows, by_words)

    def _rank(
        self,
        query: IndexQuery,
        rows: Rows,
        text: Doubles | None,
        allowed: Mask,
        matched: int,
        *,
        is_exact: bool,
    ) -> Ranking:
        """The best of `rows`, by exact scores."""
        assert query.vector is not None
        has_vector = self._has_vector.values[rows]
        products = np.where(has_vector, self.vectors.exact_products(rows, query.vector), 0.0)
        words = np.zeros(len(rows)) if text is None else text[rows]
        ranks: list[list[int | None]] = []
        if query.explain or query.by_ranks:
            places = np.arange(len(rows))
            ranks = [ranks_of(products, has_vector, places), ranks_of(words, words > 0, places)]
        if query.by_ranks:
            scores = fused_ranks(ranks)
        elif text is None:
            scores = products
        else:
            scores = query.alpha * products + (1 - query.alpha) * words
        best = best_rows(rows, scores, self._ids, query.limit)
        points = [
            self._point(
                int(rows[at]),
                float(scores[at]),
                float(products[at]) if has_vector[at] else None,
                None if text is None else float(words[at]),
                *(each[at] for each in ranks),
            )
            for at in best
            if query.min_score is None or scores[at] >= query.min_score
        ]
        return Ranking(tuple(points), matched, is_exact)

    def _point(
        self,
        row: int,
        score: float,
        vector_score: float | None,
        text_score: float | None,
        vector_rank: int | None = None,
        text_rank: int | None = None,
    ) -> RankedPoint:
        sequence = int(self._sequences.values[row])
        return RankedPoint(
            self._ids[row], sequence, score, vector_score, text_score, vector_rank, text_rank
        )

    def _extend_vectors(self, vectors: list[bytes | None]) -> None:
        given = next((vector for vector in vectors if vector is not None), None)
        if given is not None and self.vectors.dimensions == 0:
            empty, self.vectors = len(self.vectors), VectorRows(len(given) // 2)
            self.vectors.extend([None] * empty)
        self.vectors.extend(vectors)

    def _remove(self, id: str) -> None:
        row = self._rows.pop(id, None)
        if row is None:
            return
        self._live.values[row] = False
        if self.approximate is not None and self._has_vector.values[row]:
            self.approximate.remove(row)

    def _arrange(self) -> None:
        """Drops rows of old points where they are many, and picks the width of vectors."""
        if len(self._ids) - len(self) > max(_DROPPED_AT, len(self) // 3):
            self._drop_rows()
        self.vector_count = int((self._has_vector.values & self._live.values).sum())
        is_small = self.vector_count <= NARROW_ROWS
        self.vectors.widen(is_wide=not is_small and self.approximate is None)
        self._measure()

    def _measure(self) -> None:
        parts = (self.vectors, self._words, self._payloads, self._sequences, self._live)
        approximate = 0 if self.approximate is None else self.approximate.nbytes
        rows = _ROW_BYTES * len(self._ids)
        self.nbytes = sum(part.nbytes for part in parts) + rows + approximate

    def _drop_rows(self) -> None:
        kept = self._live.values.copy()
        self.rows_version += 1
        self.approximate = None  # its keys are rows
        self.vectors = self.vectors.kept(kept)
        self._words.keep(kept)
        self._payloads.keep(kept)
        self._ids = [self._ids[row] for row in np.flatnonzero(kept)]
        self._rows = {id: row for row, id in enumerate(self._ids)}
        self._has_vector = GrowingArray(np.bool_, self._has_vector.values[kept])
        self._sequences = GrowingArray(np.int64, self._sequences.values[kept])
        self._live = GrowingArray(np.bool_, kept[kept])
