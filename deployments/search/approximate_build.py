"""Builds the approximate index of a large collection, while exact searches go on.

In: a loaded collection. Out: its index with an approximate one. Rows that come or go meanwhile are
added and removed at the end.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cluster.runtime.background import create_detached_task
from deployments.search import collection_index
from deployments.search.approximate_index import ApproximateIndex, build_threads
from deployments.search.collection_index import CollectionIndex
from deployments.search.vector_rows import Rows

if TYPE_CHECKING:
    from deployments.search.loaded_collections import LoadedCollection

Then = Callable[["LoadedCollection"], None]


class ApproximateBuild:
    """`begin` it on the loop."""

    def __init__(self, loaded: "LoadedCollection", then: Then) -> None:
        self._loaded = loaded
        self._then = then
        self._stopped = threading.Event()
        self._task = create_detached_task(self._run(), name="search-approximate-build")

    @classmethod
    def begin(cls, loaded: "LoadedCollection", then: Then) -> "ApproximateBuild | None":
        """`then` is called once the collection has it. None: it is small, or has one."""
        return cls(loaded, then) if needs_approximate(loaded.index) else None

    @property
    def is_over(self) -> bool:
        return self._task.done()

    def cancel(self) -> None:
        self._stopped.set()

    async def finished(self) -> None:
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        loaded, index = self._loaded, self._loaded.index
        rows, vectors, version = await loaded.run(
            lambda: (index.vector_rows(), index.vectors, index.rows_version)
        )
        approximate = ApproximateIndex(vectors.dimensions)

        def stopped() -> bool:
            return self._stopped.is_set() or index.rows_version != version

        def add() -> bool:
            return approximate.add_rows(rows, vectors, build_threads(), stopped)

        if await asyncio.to_thread(add):
            async with loaded.changing:
                await loaded.run(lambda: self._adopt(index, approximate, rows, version))
            self._then(loaded)

    def _adopt(
        self, index: CollectionIndex, approximate: ApproximateIndex, rows: Rows, version: int
    ) -> None:
        if self._stopped.is_set() or index.rows_version != version:
            return
        now = index.vector_rows()
        for row in np.setdiff1d(rows, now):
            approximate.remove(int(row))
        approximate.add_rows(np.setdiff1d(now, rows), index.vectors, 1)
        index.adopt(approximate)


def needs_approximate(index: CollectionIndex) -> bool:
    return index.approximate is None and index.vector_count > collection_index.EXACT_ROWS
