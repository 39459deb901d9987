"""Deletes what a shard still has of collections that the database does not have any more.

In: the collections in memory and in snapshots. Out: only those that exist. So nothing of a deleted
collection, or of an erased tenant, is left here INTERVAL_S later, nor of a deleted point once its
tombstone is purged. Snapshots that are due are written.
"""

import asyncio

from cluster.runtime.background import PeriodicTask
from deployments.search.loaded_collections import LoadedCollections
from deployments.search.point_loader import PointLoader
from deployments.search.snapshot_store import SnapshotStore

INTERVAL_S = 60.0


class SearchSweeper:
    def __init__(
        self, loader: PointLoader, loaded: LoadedCollections, store: SnapshotStore | None
    ) -> None:
        self._loader = loader
        self._loaded = loaded
        self._store = store
        self._task = PeriodicTask(self.run_once, INTERVAL_S, "search: sweep")

    def start(self) -> None:
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    async def run_once(self) -> int:
        """Returns how many collections left the memory, and snapshots the disk. Raises
        DatabaseUnavailable."""
        store, keys = self._store, self._loaded.keys()
        saved = [] if store is None else await asyncio.to_thread(store.collections)
        existing = await self._loader.existing({*saved, *(id for _, id in keys)})
        gone = [key for key in keys if key[1] not in existing]
        for tenant, id in gone:
            self._loaded.drop(tenant, id)
        deleted = len(gone)
        for id in saved if store is not None else ():
            assert store is not None
            deleted += await asyncio.to_thread(store.delete_outdated, id, existing.get(id))
        self._loaded.save()
        return deleted
