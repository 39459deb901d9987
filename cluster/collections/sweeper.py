"""Deletes, in the background of each ingress process, what nobody searches any more.

Points of another generation stay for a while after they were seen first: searches that began before
the switch read them. Whichever process deletes something, the others find nothing.
"""

from cluster.collections.purge import (
    abandon_ended,
    delete_expired,
    delete_points,
    find_orphans,
    find_unsearched,
    purge_tombstones,
)
from cluster.events.kinds import EventKind
from cluster.events.outbox import publish
from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.storage.database import Database

INTERVAL_S = 60.0
UNSEARCHED_S = 600.0  # since it was seen


class CollectionSweeper:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seen: dict[tuple[str, int], float] = {}  # generations that nobody searches, and when
        self._task = PeriodicTask(self.run_once, INTERVAL_S, "collections: sweep", delayed=True)

    async def start(self) -> None:
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    async def run_once(self) -> int:
        """Returns how many points were deleted."""
        now, begin = self._clock.wall(), self._database.begin
        async with begin() as connection:
            await abandon_ended(connection)
            for tenant, id, name in await delete_expired(connection, now):
                payload = {"id": id, "name": name}
                await publish(
                    connection, self._clock, tenant, EventKind.COLLECTION_DELETED, payload
                )
        async with self._database.read() as connection:
            orphans = await find_orphans(connection)
            unsearched = await find_unsearched(connection)
        self._seen = {each: self._seen.get(each, now) for each in unsearched}
        deleted = await purge_tombstones(begin, now)
        for collection in orphans:
            deleted += await delete_points(begin, collection)
        for (collection, generation), since in self._seen.items():
            if now - since >= UNSEARCHED_S:
                deleted += await delete_points(begin, collection, generation)
        return deleted
