"""What a search index reads from the database: changes of points, and the points of an answer.

In: a tenant, a collection, a generation. Out: changes in the order of their sequence numbers, rows.
Every query names the tenant.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, select

from cluster.storage.database import Database
from cluster.storage.tables import points
from deployments.search.collection_index import PointChange

READ_AT_ONCE = 1_000  # changes
_P = points.c
_CHANGE = (_P.id, _P.sequence, _P.vector, _P.text, cast(_P.payload, Text), _P.deleted)
StoredText = tuple[int, str, Mapping[str, Any]]  # sequence, text, payload


class PointLoader:
    """Raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changes(
        self, tenant: str, collection: str, generation: int, after: int
    ) -> AsyncGenerator[list[PointChange], None]:
        """Points and tombstones with higher numbers than `after`, some at a time. A point that is
        changed meanwhile moves up, and comes at the end."""
        mine = _of(tenant, collection, generation)
        while True:
            query = select(*_CHANGE).where(mine, _P.sequence > after).order_by(_P.sequence)
            async with self._database.read() as connection:
                rows = (await connection.execute(query.limit(READ_AT_ONCE))).all()
            if rows:
                yield [
                    PointChange(id, number, vector, text, payload.encode(), deleted)
                    for id, number, vector, text, payload, deleted in rows
                ]
                after = rows[-1].sequence
            if len(rows) < READ_AT_ONCE:
                return

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
