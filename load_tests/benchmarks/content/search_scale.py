"""Large and many collections: times, recall, memory, and how soon a restarted shard answers."""

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from deployments.search.approximate_index import ApproximateIndex, build_threads
from deployments.search.collection_index import (
    EXACT_ROWS,
    CollectionIndex,
    IndexQuery,
    PointChange,
)
from deployments.search.snapshot_store import SnapshotStore
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.content.made_posts import word

D, CENTRES, NOISE = 384, 400, 0.7
WORDS, WORDS_OF_A_POINT = 20_000, 30
QUERIES, TIMED = 100, 200
SHARES = {"100 %": None, "10 %": 100, "1 %": 10, "0.1 %": 1}  # of `n` below, of 1,000
GOAL_MS, RECALL, RESTART_S, SMALL_MIB = 20.0, 0.99, 15.0, 300.0


class MadePoints:
    """Clustered vectors, texts of words of a Zipf distribution, a number below 1,000."""

    def __init__(self, seed: int = 1) -> None:
        self._dice = np.random.default_rng(seed)
        self._centres = self._dice.normal(size=(CENTRES, D)).astype(np.float32)
        self._words = [word(number) for number in range(WORDS)]
        shares = 1 / np.arange(1, WORDS + 1)
        self._shares = shares / shares.sum()

    def vectors(self, count: int) -> NDArray[np.float32]:
        rows = self._centres[self._dice.integers(0, CENTRES, count)]
        rows = rows + NOISE * self._dice.standard_normal((count, D), np.float32)
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def text(self, words: int) -> str:
        return " ".join(
            self._words[at] for at in self._dice.choice(WORDS, size=words, p=self._shares)
        )

    def batches(self, count: int, size: int = 1_000) -> Iterator[list[PointChange]]:
        for first in range(0, count, size):
            rows = self.vectors(min(size, count - first)).astype("<f2")
            chosen = self._dice.choice(WORDS, (len(rows), WORDS_OF_A_POINT), p=self._shares)
            yield [
                PointChange(
                    f"p{first + at:07}",
                    first + at + 1,
                    row.tobytes(),
                    " ".join(self._words[each] for each in chosen[at]),
                    b'{"n":%d}' % (self._dice.integers(1_000)),
                    False,
                )
                for at, row in enumerate(rows)
            ]


def measure_large(points: int, folder: Path) -> list[Measurement]:
    """One collection."""
    part, made, index = f"{points:,} points", MadePoints(), CollectionIndex(D)
    cpu_s = 0.0
    for batch in made.batches(points):
        since = time.thread_time()
        index.apply(batch)
        cpu_s += time.thread_time() - since
    found = [Measurement(part, "taken, us of CPU a point", cpu_s * 1e6 / points, "us")]
    is_large = points > EXACT_ROWS
    if is_large:
        since = time.monotonic()
        approximate = ApproximateIndex(D)
        approximate.add_rows(index.vector_rows(), index.vectors, build_threads())
        index.adopt(approximate)
        found.append(Measurement(part, "graph built", time.monotonic() - since, "s"))
    found.append(Measurement(part, "in memory", index.nbytes / 2**20, "MiB"))
    found += _times(part, made, index, goal=GOAL_MS if points <= EXACT_ROWS else None)
    if is_large:
        found += _recall(part, made, index)
    return [*found, *_restart(part, made, index, folder)]


def measure_small(collections: int, points: int) -> Measurement:
    """What this process grows by for many collections."""
    made = MadePoints()
    batch = next(made.batches(points, points))
    batch = [each._replace(text=made.text(12)) for each in batch]
    gc.collect()
    before, held = psutil.Process().memory_info().rss, []
    for _ in range(collections):
        index = CollectionIndex(D)
        # As from a store: nothing is shared between collections.
        index.apply([each._replace(id="c" + each.id[1:]) for each in batch])
        held.append(index)
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    part = f"{collections:,} collections of {points}"
    return Measurement(part, "memory grown by", grown, "MiB", at_most=SMALL_MIB)


def _times(
    part: str, made: MadePoints, index: CollectionIndex, goal: float | None
) -> list[Measurement]:
    texts = [made.text(3) for _ in range(TIMED)]
    kinds = {"vectors": "", "hybrid": "text"}
    found = []
    for kind, text in kinds.items():
        times = []
        for at, vector in enumerate(made.vectors(TIMED)):
            query = IndexQuery(10, vector=vector, text=texts[at] if text else "")
            since = time.perf_counter()
            index.search(query)
            times.append((time.perf_counter() - since) * 1e3)
        p95 = float(np.percentile(times, 95))
        found.append(Measurement(part, f"{kind}, p50", float(np.median(times)), "ms"))
        found.append(Measurement(part, f"{kind}, p95", p95, "ms", at_most=goal))
    return found


def _recall(part: str, made: MadePoints, index: CollectionIndex) -> list[Measurement]:
    """Beside the same index, which compares all points."""
    approximate, found = index.approximate, []
    for share, below in SHARES.items():
        filter = None if below is None else {"range": {"n": {"lt": below}}}
        right = wanted = 0
        for vector in made.vectors(QUERIES):
            query = IndexQuery(10, vector=vector, filter=filter)
            index.approximate = approximate
            near = {point.id for point in index.search(query).points}
            index.approximate = None
            best = {point.id for point in index.search(query).points}
            right, wanted = right + len(near & best), wanted + len(best)
        index.approximate = approximate
        recall = right / max(1, wanted)
        found.append(Measurement(part, f"recall@10, filter {share}", recall, at_least=RECALL))
    return found


def _restart(
    part: str, made: MadePoints, index: CollectionIndex, folder: Path
) -> list[Measurement]:
    """What a new process does before its first answer, when nothing has changed."""
    store = SnapshotStore(folder)
    since = time.monotonic()
    draft = store.draft("collection")
    graph = draft.with_name(f"{draft.name}.graph")
    if index.approximate is not None:
        draft.parent.mkdir(parents=True)
        index.approximate.save(graph)
    state = index.state()
    store.write(draft, "acme", 1, state, graph if index.approximate is not None else None)
    written = time.monotonic() - since
    query = IndexQuery(10, vector=made.vectors(1)[0], text=made.text(2))
    before = index.search(query)
    since = time.monotonic()
    again = store.read("acme", "collection", 1, 0)
    assert again is not None
    after = again.search(query)
    seconds = time.monotonic() - since
    return [
        Measurement(part, "snapshot written", written, "s"),
        Measurement(part, "answers from the snapshot", seconds, "s", at_most=RESTART_S),
        Measurement(part, "with the same answer", float(before == after), at_least=1),
    ]
