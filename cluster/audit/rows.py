"""SQL of chained records and chain heads.

In: chained records of one writer, in order. Out: rows of `audit_records`, and the writer's row of
`audit_heads`, updated in the same transaction. Storing records twice changes nothing.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Dialect, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit.chain import GENESIS, ChainedRecord
from cluster.storage.tables import audit_heads, audit_records

LOST = "audit.lost"


class ChainHead(NamedTuple):
    """The end of a writer's chain; `at` is the time of its last record."""

    writer: str
    seq: int
    mac: bytes
    lost: int
    at: float


async def read_heads(
    connection: AsyncConnection, writers: Iterable[str] | None = None
) -> list[ChainHead]:
    """The heads of these writers, or of all writers."""
    query = select(*(audit_heads.c[name] for name in ChainHead._fields))
    if writers is not None:
        query = query.where(audit_heads.c.writer.in_(list(writers)))
    return [ChainHead(*row) for row in await connection.execute(query)]


async def lock_head(connection: AsyncConnection, writer: str) -> ChainHead:
    """The writer's head, created if it is new, locked until the transaction ends."""
    new = ChainHead(writer, 0, GENESIS, 0, 0.0)
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(audit_heads).on_conflict_do_nothing()
    await connection.execute(statement, new._asdict())
    query = select(*(audit_heads.c[name] for name in ChainHead._fields))
    row = await connection.execute(query.where(audit_heads.c.writer == writer).with_for_update())
    return ChainHead(*row.one())


async def store(connection: AsyncConnection, links: Sequence[ChainedRecord]) -> None:
    """Stores the links of one writer that are not stored yet, and updates its head."""
    head = await lock_head(connection, links[0].writer)
    fresh = [link for link in links if link.seq > head.seq]
    if fresh:
        await append(connection, head, fresh)


async def append(
    connection: AsyncConnection, head: ChainHead, links: Sequence[ChainedRecord]
) -> None:
    """Stores links that follow `head`, which this transaction has locked."""
    last, lost = links[-1], sum(count_lost(link) for link in links)
    statement, order = _insert(connection.dialect)
    rows = [tuple(link[index] for index in order) for link in links]
    await connection.exec_driver_sql(statement, rows)
    await connection.execute(
        audit_heads.update().where(audit_heads.c.writer == head.writer),
        {"seq": last.seq, "mac": last.mac, "lost": head.lost + lost, "at": last.at},
    )


def count_lost(link: ChainedRecord) -> int:
    """The number of dropped records that this link reports."""
    return int(json.loads(link.detail)["count"]) if link.action == LOST else 0


@cache
def _insert(dialect: Dialect) -> tuple[str, tuple[int, ...]]:
    """A driver-level statement, which stores `detail` unchanged and is fast."""
    compiled: Any = insert(audit_records).compile(dialect=dialect)
    return str(compiled), tuple(ChainedRecord._fields.index(name) for name in compiled.positiontup)
