"""Reads links and read_heads for the verifier, unchanged even if they were tampered with.

In: a connection. Out: every link, streamed in the order of writer and number, and every head; an
invalid row is returned as a MalformedRow. SQLite stores any type in any column, so texts are read
as bytes there, together with the type of every value.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit.chain import ChainedRecord
from cluster.audit.rows import ChainHead

Row = TypeVar("Row", ChainedRecord, ChainHead)

BATCH = 1_000
_LINK = {
    "writer": "text",
    "seq": "integer",
    "at": "real",
    "tenant": "text",
    "actor": "text",
    "action": "text",
    "resource": "text",
    "outcome": "text",
    "request_id": "text",
    "detail": "text",
    "mac": "blob",
}
_HEAD = {"writer": "text", "seq": "integer", "mac": "blob", "lost": "integer", "at": "real"}


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row that Mobula cannot have written."""

    writer: str
    what: str


async def read_links(
    connection: AsyncConnection,
) -> AsyncIterator[list[ChainedRecord | MalformedRow]]:
    """All links in batches, by one statement (on SQLite also one snapshot)."""
    statement = text(f"{_select(connection, _LINK, 'audit_records')} ORDER BY writer, seq")
    options = {"yield_per": BATCH}
    result = await connection.stream(statement, execution_options=options)
    async for part in result.partitions():
        yield [_parse_row(ChainedRecord, _LINK, row) for row in part]


async def read_heads(connection: AsyncConnection) -> list[ChainHead | MalformedRow]:
    """The read_heads of all chains."""
    result = await connection.execute(text(_select(connection, _HEAD, "audit_heads")))
    return [_parse_row(ChainHead, _HEAD, row) for row in result]


def _select(connection: AsyncConnection, columns: dict[str, str], table: str) -> str:
    """Constant SQL. The last column holds the value types on SQLite."""
    if connection.dialect.name != "sqlite":
        names = ["CAST(detail AS TEXT)" if name == "detail" else name for name in columns]
        return f"SELECT {', '.join(names)}, NULL FROM {table}"
    names = [f"CAST({name} AS BLOB)" if kind == "text" else name for name, kind in columns.items()]
    kinds = " || ' ' || ".join(f"typeof({name})" for name in columns)
    return f"SELECT {', '.join(names)}, {kinds} FROM {table}"


def _parse_row(make: type[Row], columns: dict[str, str], row: Sequence[Any]) -> Row | MalformedRow:
    *values, kinds = row
    writer = _text(values[0])
    if kinds is not None and kinds != " ".join(columns.values()):
        return MalformedRow(writer, "holds values of the wrong kind")
    try:
        texts = [
            value.decode() if kinds and kind == "text" else value
            for value, kind in zip(values, columns.values(), strict=True)
        ]
    except UnicodeDecodeError:
        return MalformedRow(writer, "holds bytes that are not text")
    record = make(*texts)
    return record if record.seq > 0 else MalformedRow(writer, f"has the number {record.seq}")


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
