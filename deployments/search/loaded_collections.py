"""The collections that a shard has in memory, each up to date when it is asked.

In: the version of a collection that a query needs. Out: its index, with all changes up to that
version; it is loaded first, or the changes that it lacks are. Collections that were not searched
for longest leave the memory when there are too many.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from cluster.runtime.background import create_detached_task
from deployments.contracts.search import CollectionVersion
from deployments.search.approximate_build import ApproximateBuild
from deployments.search.collection_index import CollectionIndex
from deployments.search.figures import SearchFigures
from deployments.search.point_loader import PointLoader

LOADED_AT_ONCE = 2  # collections
T = TypeVar("T")
Key = tuple[str, str]  # tenant, collection


@dataclass(eq=False)
class LoadedCollection:
    """`lock` is held by whoever searches the index or changes it."""

    generation: int
    index: CollectionIndex
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    refresh: "asyncio.Task[None] | None" = None
    build: ApproximateBuild | None = None
    is_loaded: bool = False

    async def run(self, work: Callable[[], T]) -> T:
        """In a thread, alone; nobody else has the index even if the caller leaves."""

        async def alone() -> T:
            async with self.lock:
                return await asyncio.to_thread(work)

        return await asyncio.shield(asyncio.ensure_future(alone()))


class LoadedCollections:
    """`max_bytes` bounds the indexes; the one that is searched stays, however large it is."""

    def __init__(self, loader: PointLoader, max_bytes: int, figures: SearchFigures) -> None:
        self._loader = loader
        self._max_bytes = max_bytes
        self._figures = figures
        self._loaded: OrderedDict[Key, LoadedCollection] = OrderedDict()
        self._loading = asyncio.Semaphore(LOADED_AT_ONCE)

    def __len__(self) -> int:
        return len(self._loaded)

    @property
    def nbytes(self) -> int:
        return sum(each.index.nbytes for each in self._loaded.values())

    @property
    def points(self) -> int:
        return sum(len(each.index) for each in self._loaded.values())

    async def current(self, tenant: str, version: CollectionVersion) -> LoadedCollection:
        """With every change up to the version's. Of a newer generation, if there is one."""
        key = (tenant, version.id)
        while True:
            loaded = self._loaded.get(key)
            if loaded is None or _is_outdated(loaded, version):
                loaded = LoadedCollection(version.generation, CollectionIndex(version.dimensions))
                self._replace(key, loaded)
            self._loaded.move_to_end(key)
            if loaded.is_loaded and loaded.index.sequence >= version.sequence:
                return loaded
            if loaded.generation > version.generation and loaded.is_loaded:
                return loaded
            await self._refreshed(key, loaded, version)

    def drop(self, tenant: str, collection: str) -> None:
        """It is deleted; no effect if it is not here."""
        self._replace((tenant, collection), None)

    async def close(self) -> None:
        for key in list(self._loaded):
            self._replace(key, None)

    def _replace(self, key: Key, loaded: LoadedCollection | None) -> None:
        old = self._loaded.pop(key, None)
        if old is not None and old.build is not None:
            old.build.cancel()
        if loaded is not None:
            self._loaded[key] = loaded

    async def _refreshed(
        self, key: Key, loaded: LoadedCollection, version: CollectionVersion
    ) -> None:
        """Waits for a refresh that was begun now: one that runs may have read too early."""
        running = loaded.refresh
        if running is not None and not running.done():
            await asyncio.wait([running])
            return
        loaded.refresh = create_detached_task(
            self._refresh(key, loaded, version), name=f"search-refresh-{version.id}"
        )
        await asyncio.shield(loaded.refresh)

    async def _refresh(
        self, key: Key, loaded: LoadedCollection, version: CollectionVersion
    ) -> None:
        tenant, collection = key
        with self._figures.refresh(is_load=not loaded.is_loaded):
            async with self._loading:
                changes = self._loader.changes(
                    tenant, collection, loaded.generation, loaded.index.sequence
                )
                async for some in changes:
                    await loaded.run(partial(loaded.index.apply, some))
                    self._figures.changes += len(some)
        if loaded.generation == version.generation:
            # Numbers without a row, such as those of points that were not there to be deleted.
            loaded.index.sequence = max(loaded.index.sequence, version.sequence)
        loaded.is_loaded = True
        self._evict(key)
        self._build(loaded)

    def _evict(self, current: Key) -> None:
        total = self.nbytes
        for key in list(self._loaded):
            if total <= self._max_bytes:
                return
            if key != current:
                total -= self._loaded[key].index.nbytes
                self._replace(key, None)
                self._figures.evictions += 1

    def _build(self, loaded: LoadedCollection) -> None:
        if loaded.build is None or loaded.build.is_over:
            loaded.build = ApproximateBuild.begin(loaded)


def _is_outdated(loaded: LoadedCollection, version: CollectionVersion) -> bool:
    """Of an older generation; or tombstones that it has not seen are deleted."""
    if loaded.generation < version.generation:
        return True
    same = loaded.generation == version.generation
    return same and loaded.is_loaded and loaded.index.sequence < version.purged
