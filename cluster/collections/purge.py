"""Deletes what nobody searches any more, a few rows at a time: points of deleted collections and of
other generations, tombstones, and collections whose time is over."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sqlalchemy import Select, and_, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import collections, jobs, points

DELETED_AT_ONCE = 500
TOMBSTONE_S = 3_600.0  # who has not looked for so long loads all points anew
_C, _P = collections.c, points.c
_KEY = (_P.collection, _P.generation, _P.id)

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


async def find_orphans(connection: AsyncConnection) -> list[str]:
    """Ids of deleted collections that have points. The index is read once for each collection."""
    first = select(func.min(_P.collection).label("id")).cte("ids", recursive=True)
    following = select(func.min(_P.collection)).where(_P.collection > first.c.id).scalar_subquery()
    ids = first.union_all(select(following).where(first.c.id.is_not(None)))
    query = select(ids.c.id).where(ids.c.id.is_not(None), ~exists().where(_C.id == ids.c.id))
    return list((await connection.execute(query)).scalars())


async def find_unsearched(connection: AsyncConnection) -> list[tuple[str, int]]:
    """Collections that have points of a generation that is neither searched nor being made, and
    that generation."""
    found = []
    is_below = and_(_P.collection == _C.id, _P.generation < _C.generation)
    is_above = and_(
        _P.collection == _C.id,
        _P.generation > _C.generation,
        or_(_C.building.is_(None), _P.generation != _C.building),
    )
    for condition in (is_below, is_above):
        of_one = select(func.min(_P.generation)).where(condition).scalar_subquery()
        inner = select(_C.id, of_one.label("generation")).subquery()
        query = select(inner).where(inner.c.generation.is_not(None))
        found += [(row.id, row.generation) for row in await connection.execute(query)]
    return found


async def delete_points(begin: Begin, collection: str, generation: int | None = None) -> int:
    """Of a deleted collection, or of one generation; returns how many."""
    chosen = select(*_KEY).where(_P.collection == collection)
    if generation is not None:
        chosen = chosen.where(_P.generation == generation)
    return await _delete_all(begin, chosen)


async def purge_tombstones(begin: Begin, now: float) -> int:
    """Those that are TOMBSTONE_S old; returns how many. A collection's `purged` is written with
    them."""
    total = 0
    while True:
        async with begin() as connection:
            gone = await _purge_some(connection, now - TOMBSTONE_S)
        if not gone:
            return total
        total += gone


async def delete_expired(connection: AsyncConnection, now: float) -> list[tuple[str, str, str]]:
    """Deletes collections that were not used for as long as they are kept; returns the tenant, id
    and name of each."""
    over = and_(_C.keep_s.is_not(None), _C.used + _C.keep_s < now)
    gone = delete(collections).where(over).returning(_C.tenant, _C.id, _C.name)
    return [(row.tenant, row.id, row.name) for row in await connection.execute(gone)]


async def abandon_ended(connection: AsyncConnection) -> int:
    """Collections whose reindexing has ended, without the switch to what it made, are as if it had
    not begun; returns how many."""
    runs = exists().where(jobs.c.id == _C.job, jobs.c.state.in_(("queued", "running")))
    over = update(collections).where(_C.job.is_not(None), ~runs)
    values = {"job": None, "building": None, "paused_until": None}
    return (await connection.execute(over.values(**values))).rowcount


async def _purge_some(connection: AsyncConnection, before: float) -> int:
    """Of one collection."""
    dead = and_(_P.deleted, _P.updated < before)
    first = select(_P.collection, _P.generation).where(dead).limit(1)
    found = (await connection.execute(first)).first()
    if found is None:
        return 0
    # Its lock: no shard reads a number below `purged` and then misses a tombstone above it.
    lock = update(collections).where(_C.id == found.collection).values(purged=_C.purged)
    await connection.execute(lock)
    mine = and_(
        _P.collection == found.collection,
        _P.generation == found.generation,
        _P.deleted,
        _P.updated < before,
    )
    oldest = select(_P.id, _P.sequence).where(mine).order_by(_P.sequence).limit(DELETED_AT_ONCE)
    rows = (await connection.execute(oldest)).all()
    last = max(row.sequence for row in rows)
    raised = update(collections).where(_C.id == found.collection, _C.purged < last)
    await connection.execute(raised.values(purged=last))
    await connection.execute(delete(points).where(mine, _P.id.in_([row.id for row in rows])))
    return len(rows)


async def _delete_all(begin: Begin, chosen: Select[tuple[str, int, str]]) -> int:
    total = 0
    while True:
        async with begin() as connection:
            some = tuple_(*_KEY).in_(chosen.limit(DELETED_AT_ONCE))
            gone = (await connection.execute(delete(points).where(some))).rowcount
        if not gone:
            return total
        total += gone
