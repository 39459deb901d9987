"""Removes expired files, pending deletions, and bytes without a row (orphans).

Any number of processes may sweep at once. The process that removes a row's path claims it for
CLAIM_S; the bytes are deleted next, the row last. If that fails halfway, the claim ends and another
process continues. Places are never used again, so new bytes are never deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from cluster.blobs import inventory
from cluster.blobs.inventory import AT_ONCE, PendingDeletion
from cluster.blobs.paths import ROOT, location, location_to_place
from cluster.blobs.store import BlobStore
from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.storage.database import Database

CLAIM_S = 300.0
SWEEP_S = 60.0  # between two sweeps of expired files
ORPHANS_S = 6 * 3600.0  # between two sweeps of orphans, which list the whole store
ORPHAN_AGE_S = 86_400.0  # younger bytes are not deleted


@dataclass(frozen=True, slots=True)
class SweepResult:
    """How many were removed: expired rows, and bytes without a row."""

    expired: int
    orphans: int


class Sweeper:
    """`start` it to sweep in the background, at times that differ between processes."""

    def __init__(self, database: Database, store: BlobStore, clock: Clock, random: Random) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._random = random
        self._sweeps = PeriodicTask(
            self._sweep_due,
            lambda: SWEEP_S * random.uniform(0.5, 1.5),
            "removal of expired files",
            delayed=True,
        )
        self._orphans_swept = 0.0  # monotonic seconds

    async def sweep(self) -> SweepResult:
        """Everything once. Raises DatabaseUnavailable and BlobStoreUnavailable."""
        return SweepResult(await self.sweep_expired(), await self.sweep_orphans())

    async def sweep_expired(self) -> int:
        removed = 0
        while True:
            now = self._clock.wall()
            async with self._database.begin() as connection:
                doomed = await inventory.mark_expired_deleted(connection, now, now + CLAIM_S)
            if not doomed:
                return removed
            await self.remove(doomed)
            removed += len(doomed)

    async def sweep_orphans(self) -> int:
        before = self._clock.wall() - ORPHAN_AGE_S
        await self._store.clear_abandoned(ROOT, before)
        removed = 0
        async for locations in self._store.list_older_than(ROOT, before):
            places = {place: each for each in locations if (place := location_to_place(each))}
            async with self._database.read() as connection:
                known = await inventory.existing_locations(connection, places.keys())
            orphans = [each for place, each in places.items() if place not in known]
            await self._store.delete(orphans)
            removed += len(orphans)
        return removed

    async def remove(self, doomed: Sequence[PendingDeletion]) -> None:
        """Delete the bytes, then the rows."""
        for start in range(0, len(doomed), AT_ONCE):
            some = doomed[start : start + AT_ONCE]
            await self._store.delete([location(each.tenant, each.place) for each in some])
            async with self._database.begin() as connection:
                await inventory.delete_row(connection, some)

    def start(self) -> None:
        self._orphans_swept = self._clock.monotonic() - self._random.uniform(0, ORPHANS_S)
        self._sweeps.start()

    async def close(self) -> None:
        await self._sweeps.close()

    async def _sweep_due(self) -> None:
        await self.sweep_expired()
        if self._clock.monotonic() - self._orphans_swept >= ORPHANS_S:
            self._orphans_swept = self._clock.monotonic()
            await self.sweep_orphans()
