"""Which rows are best: exactly, though most rows are compared in float32 only.

In: a part of the score in float32 with a bound of its error, and a part in float64. Out: rows that
contain the best ones for certain; after their exact scores are known, the best ones. Rows of equal
scores are in the order of their ids.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Rows = NDArray[np.int64]
RRF_K = 60  # of reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009)


def contenders(scores: Doubles, allowed: NDArray[np.bool_], count: int, error: float) -> Rows:
    """The allowed rows that can be among the `count` best, if no score is off by over `error`."""
    rows = np.flatnonzero(allowed)
    if len(rows) <= count:
        return rows
    mine = scores[rows]
    last = np.partition(mine, len(mine) - count)[len(mine) - count]
    return rows[mine >= last - 2 * error]


def best_rows(rows: Rows, scores: Doubles, ids: Sequence[str], count: int) -> list[int]:
    """Positions in `rows` of the `count` best, best first. `ids` are by row."""
    if len(rows) > count:
        last = np.partition(scores, len(scores) - count)[len(scores) - count]
        places = np.flatnonzero(scores >= last)
    else:
        places = np.arange(len(rows))
    return sorted(places.tolist(), key=lambda at: (-scores[at], ids[int(rows[at])]))[:count]


def ranks_of(scores: Doubles, ranked: NDArray[np.bool_], rows: Rows) -> list[int | None]:
    """The rank of each of `rows` among those that are `ranked`, from 1 on; rows of equal scores
    have the same. None: it is not ranked."""
    ordered = np.sort(scores[ranked])
    higher = len(ordered) - np.searchsorted(ordered, scores[rows], side="right")
    return [
        int(above) + 1 if is_ranked else None
        for above, is_ranked in zip(higher, ranked[rows], strict=True)
    ]


def fused_ranks(ranks: Sequence[Sequence[int | None]]) -> Doubles:
    """Reciprocal rank fusion of lists of ranks."""
    columns = [
        np.array([0.0 if rank is None else 1 / (RRF_K + rank) for rank in each]) for each in ranks
    ]
    return np.add.reduce(columns)
