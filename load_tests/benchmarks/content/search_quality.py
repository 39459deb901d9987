"""How well hybrid searches find what is meant, beside words, vectors and fused ranks alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Protocol

import numpy as np

from deployments.contracts.embedding import Vectors
from deployments.search.collection_index import CollectionIndex, IndexQuery, PointChange
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.mixed_searches import KINDS, make_posts, make_searches, ndcg

Query = Callable[[IndexQuery], IndexQuery]
WAYS: dict[str, Query] = {
    "hybrid": lambda query: query,
    "words": lambda query: replace(query, vector=None),
    "vectors": lambda query: replace(query, text=""),
    "ranks, RRF with k 60": lambda query: replace(query, by_ranks=True),
}
MEAN, BELOW = 0.93, 0.05


class PlainEmbedder(Protocol):
    def embed_all(self, texts: Sequence[str]) -> Vectors: ...


def measure_quality(embedder: PlainEmbedder) -> list[Measurement]:
    posts, searches = make_posts(), make_searches()
    index = CollectionIndex(0)
    rows = _unit(embedder.embed_all(posts)).astype("<f2")
    index.apply(
        [
            PointChange(str(at), at + 1, row.tobytes(), text, b"{}", False)
            for at, (row, text) in enumerate(zip(rows, posts, strict=True))
        ]
    )
    queries = _unit(embedder.embed_all([each.text for each in searches]))
    means: dict[tuple[str, str], float] = {}
    measurements, all_exact = [], True
    for way, of in WAYS.items():
        gains: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for search, vector in zip(searches, queries, strict=True):
            query = of(IndexQuery(10, vector=vector, text=search.text))
            found = [int(point.id) for point in index.search(query).points]
            gains[search.kind].append(ndcg(found, search.relevant))
            if way == "vectors":
                products = np.add.reduce(rows.astype(float) * vector.astype(float), axis=1)
                best = sorted(range(len(posts)), key=lambda at: (-products[at], str(at)))
                all_exact = all_exact and found == best[:10]
        means |= {(way, kind): fmean(each) for kind, each in gains.items()}
    for way in WAYS:
        for kind in KINDS:
            better = max(means["words", kind], means["vectors", kind])
            least = better - BELOW if way == "hybrid" else None
            measurements.append(
                Measurement(way, f"nDCG@10, {kind}", means[way, kind], at_least=least)
            )
        mean = fmean(means[way, kind] for kind in KINDS)
        least = MEAN if way == "hybrid" else None
        measurements.append(Measurement(way, "nDCG@10, mean", mean, at_least=least))
    same = Measurement("vectors", "equal to brute force", float(all_exact), at_least=1)
    return [*measurements, same]


def _unit(rows: Vectors) -> Vectors:
    unit: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return unit.astype(np.float32)
