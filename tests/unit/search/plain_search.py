"""Searches in plain Python and numpy, which the index has to agree with to the last bit."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.collections.filters import matches
from cluster.storage.words import words_of
from deployments.search.collection_index import CollectionIndex, IndexQuery, PointChange

K1, B = 1.2, 0.75
Scored = tuple[str, float]


def unit_rows(count: int, dimensions: int, seed: int) -> NDArray[np.float16]:
    """Vectors of length 1, as they are stored."""
    rows = np.random.default_rng(seed).normal(size=(count, dimensions))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def point(
    id: str,
    sequence: int,
    vector: NDArray[np.float16] | None = None,
    text: str = "",
    payload: Mapping[str, Any] | None = None,
) -> PointChange:
    stored = None if vector is None else vector.astype("<f2").tobytes()
    return PointChange(
        id, sequence, stored, text, json.dumps(payload or {}).encode(), deleted=False
    )


def tombstone(id: str, sequence: int) -> PointChange:
    return PointChange(id, sequence, None, "", b"{}", deleted=True)


def live_points(changes: Sequence[PointChange]) -> list[PointChange]:
    """What is left after all of them, by id."""
    last = {change.id: change for change in changes}
    return [last[id] for id in sorted(last) if not last[id].deleted]


def bm25(texts: Sequence[str], query: str) -> list[float]:
    """Of each text, by the idf mass of the query. Each word is added in the order of its hash in
    the index; here in any order, so compare with a tolerance."""
    counts = [Counter(words_of(text)) for text in texts]
    lengths = [sum(each.values()) for each in counts]
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    scores, mass = [0.0] * len(texts), 0.0
    for word in set(words_of(query)):
        having = sum(1 for each in counts if word in each)
        idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        mass += idf
        for index, each in enumerate(counts):
            if times := each[word]:
                norm = K1 * (1 - B + B * lengths[index] / mean)
                scores[index] += idf * times * (K1 + 1) / (times + norm)
    return [score / mass for score in scores] if mass else scores


def nearest(points: Sequence[PointChange], query: IndexQuery) -> list[Scored]:
    """Products in float64, of every point that passes the filter; ties by id."""
    assert query.vector is not None
    found = []
    for each in points:
        if each.vector is not None and (
            not query.filter or matches(query.filter, json.loads(each.payload))
        ):
            stored = np.frombuffer(each.vector, "<f2").astype(np.float64)
            found.append((each.id, float(np.add.reduce(stored * query.vector.astype(np.float64)))))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[: query.limit]


def answered(index: CollectionIndex, query: IndexQuery) -> list[Scored]:
    return [(each.id, each.score) for each in index.search(query).points]
