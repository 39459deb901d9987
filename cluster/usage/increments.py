"""Batches of usage in the relational store: each applied once.

Flows in: a numbered batch of increments. Flows out: rows of `usage` and `usage_dimensions` that
grew by them, and the batch's own row in `usage_batches`, in one transaction. Cost and revenue are
nano-currency.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Dialect, Table, and_, delete, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import usage, usage_batches, usage_dimensions

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RETENTION_S = 7 * 86_400.0  # how long the last batch of a process that is gone is remembered
PRUNE_EVERY = 64  # batches
_SUMS = ("amount", "cost", "revenue")


class Increment(NamedTuple):
    """What a row of `usage` grows by."""

    tenant: str
    key: str
    model: str
    day: str
    unit: str
    amount: int
    cost: int
    revenue: int


class DimensionIncrement(NamedTuple):
    """What a row of `usage_dimensions` grows by."""

    tenant: str
    dimension: str
    value: str
    day: str
    model: str
    unit: str
    amount: int
    cost: int
    revenue: int


class Batch(NamedTuple):
    """Increments in the order of the primary keys, one for each row."""

    usage: Sequence[Increment]
    dimensions: Sequence[DimensionIncrement]


EMPTY = Batch((), ())


def day_name(day: int) -> str:
    """The UTC date of a day counted from the Unix epoch, such as 2026-11-21."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


async def begin_batch(connection: AsyncConnection, writer: str, seq: int, at: float) -> bool:
    """Note that this transaction applies batch `seq` of `writer`; False if it had been applied
    already.
    """
    mine = usage_batches.c.writer == writer
    this = select(usage_batches.c.seq).where(mine, usage_batches.c.seq == seq)
    known = await connection.execute(this)
    if known.first() is not None:
        return False
    await connection.execute(insert(usage_batches), {"writer": writer, "seq": seq, "at": at})
    if seq % PRUNE_EVERY == 1:
        await _prune(connection, writer, seq, at)
    return True


async def last_batch(connection: AsyncConnection, writer: str) -> int:
    """The number of the last batch of `writer` that was applied, 0 if none is known. Batches of a
    writer are applied in order."""
    last = select(func.max(usage_batches.c.seq)).where(usage_batches.c.writer == writer)
    return int((await connection.execute(last)).scalar_one() or 0)


async def upsert(connection: AsyncConnection, batch: Batch) -> None:
    """Let rows grow, once a call; for callers who ensure by other means that it happens once."""
    await _grow(connection, usage, Increment._fields, batch.usage)
    await _grow(connection, usage_dimensions, DimensionIncrement._fields, batch.dimensions)


async def _grow(
    connection: AsyncConnection,
    table: Table,
    fields: tuple[str, ...],
    increments: Sequence[tuple[Any, ...]],
) -> None:
    if increments:
        statement, names = _upsert(table, connection.dialect)
        order = [fields.index(name) for name in names]
        rows = [tuple([each[index] for index in order]) for each in increments]
        await connection.exec_driver_sql(statement, rows)


async def _prune(connection: AsyncConnection, writer: str, seq: int, now: float) -> None:
    """Forget batches that nobody can send again."""
    own = and_(usage_batches.c.writer == writer, usage_batches.c.seq < seq)
    old = and_(usage_batches.c.writer != writer, usage_batches.c.at < now - RETENTION_S)
    await connection.execute(delete(usage_batches).where(or_(own, old)))


@cache
def _upsert(table: Table, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    """The driver's own statement, so that a large batch takes no time on the loop; and the names of
    its parameters, in order.
    """
    make: Any = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
    statement = make(table)
    statement = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: table.c[name] + statement.excluded[name] for name in _SUMS},
    )
    compiled: Any = statement.compile(dialect=dialect)
    return str(compiled), tuple(compiled.positiontup)
