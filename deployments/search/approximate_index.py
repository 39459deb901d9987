"""Candidates for the nearest vectors of a large collection: a graph that usearch builds (HNSW,
Malkov and Yashunin, 2016) over float16.

In: vectors by row, a mask of allowed rows. Out: rows that are likely to have the nearest ones. The
caller compares them exactly. Rows may be added by several threads.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.search.vector_rows import Floats, Rows, VectorRows

_CONNECTIVITY = 24  # edges of a node
_BUILD_WIDTH = 160  # candidates that are looked at to add a row
_SEARCH_WIDTH = 384  # and to search, at least
_ADDED_AT_ONCE = 4_096
_SPARE = 1.3  # candidates for each that is wanted and allowed
_LEAST = 64
_GRAPH_BYTES = 10  # of an edge

Mask = NDArray[np.bool_]


class ApproximateIndex:
    """Keys are rows. By inner product: that of vectors of length 1 is the cosine."""

    def __init__(self, dimensions: int) -> None:
        from usearch.index import Index

        self._dimensions = dimensions
        self._index: Any = Index(
            ndim=dimensions,
            metric="ip",
            dtype="f16",
            connectivity=_CONNECTIVITY,
            expansion_add=_BUILD_WIDTH,
            expansion_search=_SEARCH_WIDTH,
        )

    @classmethod
    def read(cls, dimensions: int, path: Path) -> "ApproximateIndex":
        """Raises ValueError for what `save` has not written."""
        made = cls(dimensions)
        try:
            made._index.load(path)
        except Exception as error:  # of many classes
            raise ValueError(f"{path.name}: {error}") from error
        if made._index.ndim != dimensions:
            raise ValueError(f"{path.name}: {made._index.ndim} dimensions")
        return made

    def save(self, path: Path) -> None:
        """Nothing may be added or removed meanwhile; searches go on."""
        self._index.save(path)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        return len(self) * (2 * self._dimensions + 2 * _GRAPH_BYTES * _CONNECTIVITY)

    def add_rows(
        self,
        rows: Rows,
        vectors: VectorRows,
        threads: int,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Whether all are in it: it ends early once `stopped()`. Takes one to two milliseconds of
        a core for each row, and lets other threads run."""
        for at in range(0, len(rows), _ADDED_AT_ONCE):
            if stopped():
                return False
            some = rows[at : at + _ADDED_AT_ONCE]
            self._index.add(some, vectors.take(some).astype(np.float16), threads=threads)
        return True

    def remove(self, row: int) -> None:
        self._index.remove(row)

    def search(self, query: Floats, allowed: Mask, wanted: int) -> Rows | None:
        """Allowed rows, `wanted` or more; None: that needs more candidates than a scan is worth."""
        total = len(self._index)
        share = max(float(allowed.mean()), 1e-9)
        count = int(_SPARE * wanted / share) + _LEAST
        while count <= total // 4:
            self._index.expansion_search = max(_SEARCH_WIDTH, count)
            rows = np.asarray(self._index.search(query.astype(np.float16), count).keys, np.int64)
            found = rows[allowed[rows]]
            if len(found) >= wanted:
                return found
            count *= 4
        return None


def build_threads() -> int:
    """Half of the cores."""
    return max(1, (os.cpu_count() or 1) // 2)
