"""SQL of reindexing: a second generation of a collection's points, and the switch to it.

The points of the searched generation are copied in the order of their sequence numbers, which the
copies keep. So the highest number in the new generation says how far the copying has come, also
after a crash, and points that are changed meanwhile come up again. The switch happens under the
collection's lock, once nothing is left to copy. Methods never commit.
"""

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.model import (
    PAUSE_S,
    Collection,
    Point,
    PointDraft,
    ReindexInProgress,
    no_collection,
)
from cluster.collections.points import (
    POINT_COLUMNS,
    TOMBSTONE,
    check_dimensions,
    point_row,
    read_point,
    write_points,
)
from cluster.collections.repository import COLUMNS, CollectionRepository, read_collection
from cluster.runtime.clock import Clock
from cluster.storage.tables import collections, points

_C, _P = collections.c, points.c


class GenerationRepository:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._collections = CollectionRepository(clock)

    async def begin(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        job: str,
        ended: str | None = None,
    ) -> Collection:
        """`job` makes the next generation from now on. `ended` is a job that made one and is over.
        Raises NotFound, ReindexInProgress."""
        found = await self._collections.get(connection, tenant, id, lock=True)
        if found.job not in (None, ended):
            raise ReindexInProgress(found.id, str(found.job))
        last = select(func.coalesce(func.max(_P.generation), 0)).where(_P.collection == found.id)
        building = 1 + max((await connection.execute(last)).scalar_one(), found.generation)
        return await self._update(connection, tenant, found.id, building=building, job=job)

    async def under_way(
        self, connection: AsyncConnection, tenant: str, id: str, job: str
    ) -> Collection | None:
        """The collection, if `job` still makes its next generation. Raises NotFound."""
        found = await self._collections.get(connection, tenant, id)
        return found if found.job == job and found.building is not None else None

    async def copied(self, connection: AsyncConnection, collection: Collection) -> int:
        """Up to which sequence number points are in the new generation."""
        last = select(func.coalesce(func.max(_P.sequence), 0)).where(
            _P.collection == collection.id, _P.generation == collection.building
        )
        return int((await connection.execute(last)).scalar_one())

    async def changed(
        self, connection: AsyncConnection, collection: Collection, after: int, limit: int
    ) -> Sequence[Point]:
        """Points and tombstones of the searched generation with higher numbers than `after`."""
        query = select(*POINT_COLUMNS).where(
            _P.collection == collection.id,
            _P.generation == collection.generation,
            _P.tenant == collection.tenant,
            _P.sequence > after,
        )
        rows = await connection.execute(query.order_by(_P.sequence).limit(limit))
        return [read_point(row) for row in rows]

    async def left(self, connection: AsyncConnection, collection: Collection, after: int) -> int:
        """How many of them there are."""
        count = select(func.count()).where(
            _P.collection == collection.id,
            _P.generation == collection.generation,
            _P.sequence > after,
        )
        return int((await connection.execute(count)).scalar_one())

    async def copy(
        self,
        connection: AsyncConnection,
        collection: Collection,
        dimensions: int,
        copies: Sequence[tuple[Point, PointDraft | None]],
    ) -> int:
        """Writes points (None: tombstones) of the new generation, which has so many `dimensions`
        (0: none yet); returns them. Raises DimensionsDiffer."""
        building, now = collection.building or 0, self._clock.wall()
        drafts = [draft for _, draft in copies if draft is not None]
        dimensions = check_dimensions(dimensions, drafts)
        rows = []
        for point, draft in copies:
            row = point_row(
                collection, building, point.sequence, draft or PointDraft(point.id), now
            )
            rows.append(row if draft is not None else {**row, **TOMBSTONE})
        await write_points(connection, rows)
        return dimensions

    async def finish(
        self,
        connection: AsyncConnection,
        collection: Collection,
        job: str,
        model: str,
        dimensions: int,
    ) -> Collection | None:
        """Searches see the new generation from now on; None: points are left to copy, or the job
        makes none any more."""
        tenant, id = collection.tenant, collection.id
        locked = await self._collections.get(connection, tenant, id, lock=True)
        if locked.job != job or locked.building is None:
            return None
        copied = await self.copied(connection, locked)
        if await self.changed(connection, locked, copied, 1):
            return None
        live = select(func.count(), func.coalesce(func.sum(_P.size), 0)).where(
            _P.collection == id, _P.generation == locked.building, _P.deleted.is_(False)
        )
        count, size = (await connection.execute(live)).one()
        return await self._update(
            connection,
            tenant,
            id,
            generation=locked.building,
            building=None,
            job=None,
            paused_until=None,
            model=model,
            dimensions=dimensions,
            points=int(count),
            bytes=int(size),
        )

    async def pause(self, connection: AsyncConnection, tenant: str, id: str) -> None:
        """Writers of points wait PAUSE_S from now; deletions do not."""
        await self._update(connection, tenant, id, paused_until=self._clock.wall() + PAUSE_S)

    async def abandon(self, connection: AsyncConnection, tenant: str, id: str, job: str) -> None:
        """The job makes no generation any more; what it has made is deleted later."""
        mine = update(collections).where(_C.tenant == tenant, _C.id == id, _C.job == job)
        await connection.execute(mine.values(building=None, job=None, paused_until=None))

    async def _update(
        self, connection: AsyncConnection, tenant: str, id: str, **values: object
    ) -> Collection:
        mine = update(collections).where(_C.tenant == tenant, _C.id == id)
        changed = mine.values(**values, updated=self._clock.wall()).returning(*COLUMNS)
        row = (await connection.execute(changed)).first()
        if row is None:
            raise no_collection(id)
        return read_collection(row)
