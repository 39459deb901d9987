"""SQL of points. Every change locks the row of its collection first and takes the next numbers.

Methods take the caller's connection first and never commit. A deleted point leaves a tombstone, by
which whoever has the points in memory learns of it.
"""

import json
from collections.abc import Collection as Items
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.model import (
    Collection,
    CollectionChanged,
    CollectionPaused,
    CollectionsFull,
    DimensionsDiffer,
    Point,
    PointDraft,
    PointsChange,
    no_collection,
    no_point,
)
from cluster.collections.repository import (
    COLUMNS,
    LimitsOf,
    default_limits,
    lock_tenant,
    read_collection,
    stored,
)
from cluster.collections.vectors import dimensions_of
from cluster.runtime.clock import Clock
from cluster.storage.pagination import Page
from cluster.storage.tables import collections, points

WRITTEN_AT_ONCE = 64  # rows of a statement: other requests run between two of them
POINT_COLUMNS = tuple(points.c[name] for name in Point.__slots__)
TOMBSTONE: Mapping[str, Any] = {
    "deleted": True,
    "vector": None,
    "text": "",
    "payload": {},
    "size": 0,
}
_C, _P = collections.c, points.c


class PointRepository:
    """`limits_of` gives those of a tenant."""

    def __init__(self, clock: Clock, limits_of: LimitsOf = default_limits) -> None:
        self._clock = clock
        self._limits_of = limits_of

    async def upsert(
        self,
        connection: AsyncConnection,
        tenant: str,
        collection: Collection,
        drafts: Sequence[PointDraft],
    ) -> PointsChange:
        """Stores up to MAX_CHANGED points with different ids. `collection` is what their vectors
        were made for.

        Raises NotFound, CollectionChanged, CollectionPaused, CollectionsFull, DimensionsDiffer.
        """
        await lock_tenant(connection, tenant)
        now = self._clock.wall()
        locked = await self._advance(connection, tenant, collection.id, len(drafts))
        if locked.generation != collection.generation:
            raise CollectionChanged(collection.id)
        if locked.paused_until is not None and locked.paused_until > now:
            raise CollectionPaused(locked.id, locked.paused_until - now)
        dimensions = check_dimensions(locked.dimensions, drafts)
        sizes = await self._sizes(connection, locked, [each.id for each in drafts])
        first = locked.sequence - len(drafts) + 1
        rows = [
            point_row(locked, locked.generation, first + index, draft, now)
            for index, draft in enumerate(drafts)
        ]
        await write_points(connection, rows)
        added = sum(row["size"] for row in rows) - sum(sizes.values())
        changed = await self._count(
            connection, locked, len(drafts) - len(sizes), added, dimensions=dimensions
        )
        await self._check_room(connection, tenant, len(drafts) - len(sizes), added)
        return PointsChange(changed, len(drafts) - len(sizes), len(sizes))

    async def delete(
        self,
        connection: AsyncConnection,
        tenant: str,
        id: str,
        ids: Items[str],
        *,
        up_to: int | None = None,
    ) -> PointsChange:
        """Up to MAX_CHANGED points of collection `id`; those that do not exist are left out, as are
        those that were changed after sequence `up_to` (None: none). Raises NotFound."""
        names = sorted(set(ids))
        locked = await self._advance(connection, tenant, id, len(names))
        sizes = await self._sizes(connection, locked, names, up_to)
        first, now = locked.sequence - len(names) + 1, self._clock.wall()
        await bury(connection, locked, locked.generation, list(sizes), first, now)
        changed = await self._count(connection, locked, -len(sizes), -sum(sizes.values()))
        return PointsChange(changed, deleted=len(sizes))

    async def get(
        self, connection: AsyncConnection, tenant: str, collection: Collection, id: str
    ) -> Point:
        """Raises NotFound."""
        query = select(*POINT_COLUMNS).where(_live(tenant, collection), _P.id == id)
        row = (await connection.execute(query)).first()
        if row is None:
            raise no_point(id)
        return read_point(row)

    async def list(
        self,
        connection: AsyncConnection,
        tenant: str,
        collection: Collection,
        limit: int,
        after: str | None = None,
    ) -> Page[Point]:
        """By id."""
        query = select(*POINT_COLUMNS).where(_live(tenant, collection))
        if after is not None:
            query = query.where(_P.id > after)
        rows = (await connection.execute(query.order_by(_P.id).limit(limit + 1))).all()
        found = [read_point(row) for row in rows]
        return Page(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)

    async def _advance(
        self, connection: AsyncConnection, tenant: str, id: str, count: int
    ) -> Collection:
        """The row, locked until the transaction ends; the last `count` numbers up to its sequence
        belong to the change. Raises NotFound."""
        mine = update(collections).where(_C.tenant == tenant, _C.id == id)
        taken = mine.values(sequence=_C.sequence + count).returning(*COLUMNS)
        row = (await connection.execute(taken)).first()
        if row is None:
            raise no_collection(id)
        return read_collection(row)

    async def _sizes(
        self,
        connection: AsyncConnection,
        collection: Collection,
        ids: Sequence[str],
        up_to: int | None = None,
    ) -> dict[str, int]:
        """Bytes of those that exist, by id."""
        query = select(_P.id, _P.size).where(_live(collection.tenant, collection), _P.id.in_(ids))
        if up_to is not None:
            query = query.where(_P.sequence <= up_to)
        rows = await connection.execute(query.order_by(_P.id))
        return {row.id: row.size for row in rows}

    async def _count(
        self,
        connection: AsyncConnection,
        collection: Collection,
        count: int,
        size: int,
        **values: Any,
    ) -> Collection:
        now = self._clock.wall()
        values |= {"points": _C.points + count, "bytes": _C.bytes + size}
        values |= {"updated": now, "used": now}
        mine = update(collections).where(_C.tenant == collection.tenant, _C.id == collection.id)
        row = (await connection.execute(mine.values(**values).returning(*COLUMNS))).one()
        return read_collection(row)

    async def _check_room(
        self, connection: AsyncConnection, tenant: str, count: int, size: int
    ) -> None:
        """Raises CollectionsFull if what was added is over a limit."""
        limits, (points_stored, bytes_stored) = (
            self._limits_of(tenant),
            await stored(connection, tenant),
        )
        if count > 0 and points_stored > limits.max_points:
            raise CollectionsFull("points", limits.max_points)
        if size > 0 and bytes_stored > limits.max_bytes:
            raise CollectionsFull("bytes", limits.max_bytes)


def check_dimensions(dimensions: int, drafts: Sequence[PointDraft]) -> int:
    """The dimensions of a collection that had `dimensions` (0: none yet). Raises DimensionsDiffer,
    which names the first point with others."""
    for index, draft in enumerate(drafts):
        if draft.vector is None:
            continue
        given = dimensions_of(draft.vector)
        if dimensions and given != dimensions:
            raise DimensionsDiffer(f"points.{index}.vector", given, dimensions)
        dimensions = given
    return dimensions


def point_row(
    collection: Collection, generation: int, sequence: int, draft: PointDraft, now: float
) -> dict[str, Any]:
    """The columns of a point that is stored `now`."""
    size = len(draft.text.encode()) + len(json.dumps(draft.payload, ensure_ascii=False).encode())
    return {
        "collection": collection.id,
        "generation": generation,
        "id": draft.id,
        "tenant": collection.tenant,
        "sequence": sequence,
        "vector": draft.vector,
        "text": draft.text,
        "payload": dict(draft.payload),
        "deleted": False,
        "size": size + len(draft.vector or b""),
        "updated": now,
    }


async def write_points(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts or replaces them."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    new = dialect.insert(points)
    key = ("collection", "generation", "id")
    changed = {column.name: new.excluded[column.name] for column in _P if column.name not in key}
    upsert = new.on_conflict_do_update(index_elements=key, set_=changed)
    ordered = sorted(rows, key=lambda row: str(row["id"]))  # one order of locks
    for start in range(0, len(ordered), WRITTEN_AT_ONCE):
        await connection.execute(upsert, ordered[start : start + WRITTEN_AT_ONCE])


async def bury(
    connection: AsyncConnection,
    collection: Collection,
    generation: int,
    ids: Sequence[str],
    first: int,
    now: float,
) -> None:
    """Makes tombstones of them, with the numbers from `first` on."""
    gone = update(points).where(
        _P.collection == collection.id,
        _P.generation == generation,
        _P.id == bindparam("point"),
        _P.tenant == collection.tenant,
    )
    gone = gone.values(**TOMBSTONE, updated=now, sequence=bindparam("number"))
    for start in range(0, len(ids), WRITTEN_AT_ONCE):
        part = ids[start : start + WRITTEN_AT_ONCE]
        rows = [{"point": id, "number": first + start + at} for at, id in enumerate(part)]
        await connection.execute(gone, rows)


def read_point(row: Row[Any]) -> Point:
    """Of POINT_COLUMNS."""
    return Point(**row._mapping)


def _live(tenant: str, collection: Collection) -> Any:
    return and_(
        _P.collection == collection.id,
        _P.generation == collection.generation,
        _P.tenant == tenant,
        _P.deleted.is_(False),
    )
