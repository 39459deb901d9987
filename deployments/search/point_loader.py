"""What a search index reads from the database: changes of points, and the points of an answer.

In: a tenant, a collection, a generation. Out: changes in the order of their sequence numbers, rows.
Every query names the tenant.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, and_, cast, select

from cluster.storage.database import Database
from cluster.storage.tables import collections as collections_table
from cluster.storage.tables import points
from deployments.search.collection_index import PointChange

READ_AT_ONCE = 1_000  # changes
IDS_AT_ONCE = 500
_P = points.c
_CHANGE = (_P.id, _P.sequence, _P.vector, _P.text, cast(_P.payload, Text), _P.deleted)
_C = collections_table.c
StoredText = tuple[int, str, Mapping[str, Any]]  # sequence, text, payload


class TombstonesPurged(Exception):
    """What is in memory may have points that are deleted: all are loaded anew."""


class StoredVersion(NamedTuple):
    """Of a collection, now."""

    tenant: str
    generation: int
    sequence: int
    purged: int


class PointLoader:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changes(
        self, tenant: str, collection: str, generation: int, after: int
    ) -> AsyncGenerator[list[PointChange], None]:
        """Points and tombstones with higher numbers than `after`, some at a time. A point that is
        changed meanwhile moves up, and comes at the end.

        Raises TombstonesPurged if some that were above `after` (0: any, as none is needed) are
        deleted, or while it reads.
        """
        mine, seen = _of(tenant, collection, generation), after or None
        while True:
            query = select(*_CHANGE).where(mine, _P.sequence > after).order_by(_P.sequence)
            async with self._database.read() as connection:
                rows = (await connection.execute(query.limit(READ_AT_ONCE))).all()
                # After the points: it is written in the transaction that deletes tombstones.
                found = await connection.execute(
                    select(_C.purged).where(_C.id == collection, _C.tenant == tenant)
                )
                purged = found.scalar() or 0
            seen = purged if seen is None else seen
            if purged > seen:
                raise TombstonesPurged
            if rows:
                yield [
                    PointChange(id, number, vector, text, payload.encode(), deleted)
                    for id, number, vector, text, payload, deleted in rows
                ]
                after = rows[-1].sequence
            if len(rows) < READ_AT_ONCE:
                return

    async def existing(self, collections: Iterable[str]) -> dict[str, StoredVersion]:
        """Those that are not deleted, by id."""
        found: dict[str, StoredVersion] = {}
        ids = sorted(collections)
        for at in range(0, len(ids), IDS_AT_ONCE):
            query = select(_C.id, _C.tenant, _C.generation, _C.sequence, _C.purged)
            some = query.where(_C.id.in_(ids[at : at + IDS_AT_ONCE]))
            async with self._database.read() as connection:
                rows = (await connection.execute(some)).all()
            found |= {row.id: StoredVersion(*row[1:]) for row in rows}
        return found

    async def texts(
        self, tenant: str, collection: str, generation: int, ids: Sequence[str]
    ) -> dict[str, StoredText]:
        """Of points that are not deleted, by id."""
        query = select(_P.id, _P.sequence, _P.text, _P.payload).where(
            _of(tenant, collection, generation), _P.id.in_(ids), _P.deleted.is_(False)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return {row.id: (row.sequence, row.text, row.payload) for row in rows}


def _of(tenant: str, collection: str, generation: int) -> ColumnElement[bool]:
    return and_(_P.collection == collection, _P.generation == generation, _P.tenant == tenant)
