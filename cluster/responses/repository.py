"""SQL of `stored_responses`: rows of a tenant, and the chains that they form.

In: a transaction, a tenant, ids. Out: rows. A row names the one that it continues. Knows no keys;
content is encrypted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import stored_responses as rows


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """One response. `previous` is the one that it continues; `expires` is Unix seconds."""

    tenant: str
    id: str
    previous: str | None
    created: float
    expires: float
    size: int
    content: bytes


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One response of a chain: how far before the last one it is, without its content."""

    id: str
    previous: str | None
    distance: int
    size: int


async def add(connection: AsyncConnection, row: ResponseRow) -> None:
    values = {name: getattr(row, name) for name in ResponseRow.__slots__}
    await connection.execute(insert(rows).values(**values))


async def find(
    connection: AsyncConnection, tenant: str, ids: Sequence[str], now: float
) -> list[ResponseRow]:
    """Those of the ids that are there and have not expired."""
    found = await connection.execute(
        select(rows).where(_is_one_of(tenant, ids), rows.c.expires > now)
    )
    return [ResponseRow(**row._mapping) for row in found]


async def chain(
    connection: AsyncConnection, tenant: str, id: str, now: float, limit: int
) -> list[ChainLink]:
    """The response and what it continues, newest first, as far as it has not expired; at most
    `limit` of them.
    """
    columns = (rows.c.id, rows.c.previous, rows.c.size)
    present = and_(rows.c.tenant == tenant, rows.c.expires > now)
    start = select(*columns, literal(0).label("distance")).where(present, rows.c.id == id)
    links = start.cte("links", recursive=True)
    before = (
        select(*columns, links.c.distance + 1)
        .join(links, rows.c.id == links.c.previous)
        .where(present, links.c.distance + 1 < limit)
    )
    links = links.union_all(before)
    found = await connection.execute(select(links).order_by(links.c.distance))
    return [ChainLink(row.id, row.previous, row.distance, row.size) for row in found]


async def extend(
    connection: AsyncConnection, tenant: str, ids: Sequence[str], expires: float
) -> None:
    """Rows that expire earlier expire at `expires`."""
    await connection.execute(
        update(rows)
        .where(_is_one_of(tenant, ids), rows.c.expires < expires)
        .values(expires=expires)
    )


async def remove(connection: AsyncConnection, tenant: str, id: str, now: float) -> bool:
    """Whether it was there."""
    result = await connection.execute(
        delete(rows).where(_is_one_of(tenant, (id,)), rows.c.expires > now)
    )
    return result.rowcount == 1


async def trim(
    connection: AsyncConnection, tenant: str, max_count: int, max_bytes: int, now: float
) -> int:
    """Deletes the tenant's responses that expire first until so many and so many bytes are left;
    returns the number.
    """
    total = await connection.execute(
        select(func.count(), func.coalesce(func.sum(rows.c.size), 0)).where(
            rows.c.tenant == tenant, rows.c.expires > now
        )
    )
    count, size = total.one()
    if count <= max_count and size <= max_bytes:
        return 0
    order = (rows.c.expires.desc(), rows.c.created.desc(), rows.c.id)
    ranked = (
        select(
            rows.c.id,
            func.row_number().over(order_by=order).label("rank"),
            func.sum(rows.c.size).over(order_by=order).label("total"),
        )
        .where(rows.c.tenant == tenant, rows.c.expires > now)
        .subquery()
    )
    over = select(ranked.c.id).where((ranked.c.rank > max_count) | (ranked.c.total > max_bytes))
    result = await connection.execute(
        delete(rows).where(rows.c.tenant == tenant, rows.c.id.in_(over))
    )
    return result.rowcount


def _is_one_of(tenant: str, ids: Sequence[str]) -> ColumnElement[bool]:
    return and_(rows.c.tenant == tenant, rows.c.id.in_(ids))
