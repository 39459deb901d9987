"""The collections that a shard has in memory, each up to date when it is asked.

In: the version of a collection that a query needs. Out: its index, with all changes up to that
version; it is loaded first, or the changes that it lacks are. Collections that were not searched
for longest leave the memory when there are too many.
"""

import asyncio
import contextlib
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
from deployments.search.point_loader import PointLoader, TombstonesPurged
from deployments.search.snapshot_writer import SnapshotState, SnapshotWriter

LOADED_AT_ONCE = 4  # collections
T = TypeVar("T")
Key = tuple[str, str]  # tenant, collection


@dataclass(eq=False)
class LoadedCollection:
    """`lock` is held by whoever searches the index or changes it, `changing` by whoever changes its
    points or needs them to stay as they are. `bytes` and `points` are those of the last change."""

    tenant: str
    id: str
    generation: int
    index: CollectionIndex
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    snapshots: SnapshotState = field(default_factory=SnapshotState)
    refresh: "asyncio.Task[None] | None" = None
    build: ApproximateBuild | None = None
    is_loaded: bool = False
    is_outdated: bool = False
    bytes: int = 0
    points: int = 0

    async def run(self, work: Callable[[], T]) -> T:
        """In a thread, alone; nobody else has the index even if the caller leaves."""

        async def alone() -> T:
            async with self.lock:
                return await asyncio.to_thread(work)

        return await asyncio.shield(asyncio.ensure_future(alone()))


class LoadedCollections:
    """`max_bytes` bounds the indexes; the one that is searched stays, however large it is. `nbytes`
    and `points` are of all. Large ones are read from snapshots, if there are some."""

    def __init__(
        self,
        loader: PointLoader,
        max_bytes: int,
        figures: SearchFigures,
        snapshots: SnapshotWriter | None = None,
    ) -> None:
        self.nbytes = 0
        self.points = 0
        self._loader = loader
        self._max_bytes = max_bytes
        self._figures = figures
        self._snapshots = snapshots
        self._loaded: OrderedDict[Key, LoadedCollection] = OrderedDict()
        self._loading = asyncio.Semaphore(LOADED_AT_ONCE)

    def __len__(self) -> int:
        return len(self._loaded)

    def keys(self) -> list[Key]:
        return list(self._loaded)

    async def current(self, tenant: str, version: CollectionVersion) -> LoadedCollection:
        """With every change up to the version's. Of a newer generation, if there is one."""
        key = (tenant, version.id)
        while True:
            loaded = self._loaded.get(key)
            if loaded is None or _is_outdated(loaded, version):
                loaded = LoadedCollection(
                    *key, version.generation, CollectionIndex(version.dimensions)
                )
                self._replace(key, loaded)
            self._loaded.move_to_end(key)
            if loaded.is_loaded and loaded.index.sequence >= version.sequence:
                return loaded
            if loaded.generation > version.generation and loaded.is_loaded:
                return loaded
            await self._refreshed(key, loaded, version)

    async def refreshed(self, loaded: LoadedCollection, version: CollectionVersion) -> None:
        """With every change up to now."""
        while (running := loaded.refresh) is not None and not running.done():
            await asyncio.wait([running])
        await self._refreshed((loaded.tenant, loaded.id), loaded, version)

    def drop(self, tenant: str, collection: str) -> None:
        """It is deleted; no effect if it is not here."""
        self._replace((tenant, collection), None)

    def save(self) -> None:
        """Begins to write the snapshots that are due."""
        for loaded in self._loaded.values():
            if loaded.is_loaded:
                self._save(loaded)

    async def close(self) -> None:
        for key in list(self._loaded):
            self._replace(key, None)

    def _replace(self, key: Key, loaded: LoadedCollection | None) -> None:
        old = self._loaded.pop(key, None)
        if old is not None:
            self._count(old, 0, 0)
            if old.build is not None:
                old.build.cancel()
        if loaded is not None:
            self._loaded[key] = loaded

    def _count(self, loaded: LoadedCollection, size: int, points: int) -> None:
        self.nbytes += size - loaded.bytes
        self.points += points - loaded.points
        loaded.bytes, loaded.points = size, points

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
        with self._figures.refresh(is_load=not loaded.is_loaded):
            # Loads of large collections do not keep others from reading what they lack.
            async with contextlib.nullcontext() if loaded.is_loaded else self._loading:
                try:
                    await self._read(loaded, version)
                except TombstonesPurged:
                    loaded.is_outdated = True
                    if self._snapshots is not None:  # they are as old
                        await asyncio.to_thread(self._snapshots.store.delete_all, loaded.id)
                    return
        if loaded.generation == version.generation:
            # Numbers without a row, such as those of points that were not there to be deleted.
            loaded.index.sequence = max(loaded.index.sequence, version.sequence)
        loaded.is_loaded = True
        if self._loaded.get(key) is loaded:
            self._count(loaded, loaded.index.nbytes, len(loaded.index))
            self._evict(key)
            self._build(loaded)

    async def _read(self, loaded: LoadedCollection, version: CollectionVersion) -> None:
        """Raises TombstonesPurged."""
        if self._snapshots is not None and not loaded.is_loaded and not loaded.index.sequence:
            await self._snapshots.restore(loaded, version.purged)
        after = loaded.index.sequence
        changes = self._loader.changes(loaded.tenant, loaded.id, loaded.generation, after)
        async for some in changes:
            async with loaded.changing:
                await loaded.run(partial(loaded.index.apply, some))
            self._figures.changes += len(some)

    def _evict(self, current: Key) -> None:
        for key in list(self._loaded) if self.nbytes > self._max_bytes else ():
            if self.nbytes <= self._max_bytes:
                return
            if key != current:
                self._replace(key, None)
                self._figures.evictions += 1

    def _build(self, loaded: LoadedCollection) -> None:
        if loaded.build is None or loaded.build.is_over:
            loaded.build = ApproximateBuild.begin(loaded, self._save)
        if loaded.build is None:
            self._save(loaded)

    def _save(self, loaded: LoadedCollection) -> None:
        """In the background, if that is due."""
        is_mine = self._loaded.get((loaded.tenant, loaded.id)) is loaded
        if self._snapshots is not None and is_mine:
            self._snapshots.begin(loaded)


def _is_outdated(loaded: LoadedCollection, version: CollectionVersion) -> bool:
    """Of an older generation; or tombstones that it has not seen are deleted."""
    if loaded.is_outdated or loaded.generation < version.generation:
        return True
    same = loaded.generation == version.generation
    return same and loaded.is_loaded and loaded.index.sequence < version.purged
