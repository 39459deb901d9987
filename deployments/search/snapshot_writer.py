"""Reads and writes snapshots of loaded collections, in the background.

In: collections after each change. Out: their snapshots, where enough has changed since the last.
"""

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.runtime.background import create_detached_task
from deployments.search.snapshot_store import SnapshotStore

if TYPE_CHECKING:
    from deployments.search.loaded_collections import LoadedCollection

SNAPSHOT_POINTS = 20_000  # collections with fewer are read from the database in a moment
PAUSE_S = 60.0  # between two of a collection, also where one could not be written
_CHANGED_SHARE = 0.05  # changes that a restart has to read again, of the points
_CHANGED_S = 900.0  # changes are written after so long, however few they are
log = logging.getLogger("mobula.search")


@dataclass(slots=True)
class SnapshotState:
    """The last snapshot of a collection, and when it was written or tried. `task` writes one."""

    sequence: int = 0
    has_graph: bool = False
    written: float = -math.inf
    task: "asyncio.Task[None] | None" = None


class SnapshotWriter:
    """Writes one at a time."""

    def __init__(self, store: SnapshotStore) -> None:
        self.store = store
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def restore(self, loaded: "LoadedCollection", purged: int) -> None:
        """No effect without a snapshot that fits."""
        index = await asyncio.to_thread(
            self.store.read, loaded.tenant, loaded.id, loaded.generation, purged
        )
        if index is not None:
            loaded.index = index
            loaded.snapshots.sequence = index.sequence
            loaded.snapshots.has_graph = index.approximate is not None
            loaded.snapshots.written = time.monotonic()

    def begin(self, loaded: "LoadedCollection") -> None:
        """If it is due, and none is being written."""
        if loaded.snapshots.task is None and _is_due(loaded):
            task = create_detached_task(self._write(loaded), name=f"search-snapshot-{loaded.id}")
            loaded.snapshots.task = task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def finished(self) -> None:
        """Those that are being written."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _write(self, loaded: "LoadedCollection") -> None:
        try:
            async with self._one:
                await self._write_now(loaded)
        except OSError as error:
            log.warning("a snapshot is not written: %s", error, extra={"collection": loaded.id})
        finally:
            loaded.snapshots.written = time.monotonic()
            loaded.snapshots.task = None

    async def _write_now(self, loaded: "LoadedCollection") -> None:
        draft = self.store.draft(loaded.id)
        graph = draft.with_name(f"{draft.name}.graph")
        async with loaded.changing:
            state = await loaded.run(loaded.index.state)
            approximate = loaded.index.approximate
            if approximate is not None:
                draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                await asyncio.to_thread(approximate.save, graph)
        await asyncio.to_thread(
            self.store.write,
            draft,
            loaded.tenant,
            loaded.generation,
            state,
            graph if approximate is not None else None,
        )
        loaded.snapshots.sequence = state.sequence
        loaded.snapshots.has_graph = approximate is not None


def _is_due(loaded: "LoadedCollection") -> bool:
    index, last = loaded.index, loaded.snapshots
    since = time.monotonic() - last.written
    if len(index) < SNAPSHOT_POINTS or since < PAUSE_S:
        return False
    changed = index.sequence - last.sequence
    if changed > _CHANGED_SHARE * len(index) or (changed > 0 and since > _CHANGED_S):
        return True
    return index.approximate is not None and not last.has_graph
