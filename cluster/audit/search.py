"""Searches audit records by actor, action, resource, outcome and time; by page, or all as lines.

In: a tenant (None: every tenant, for the operator), filters, a cursor. Out: entries, newest first,
and a cursor that stays valid while records are added.
"""

import json
import math
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit.record import AuditRecord
from cluster.runtime.base64url import decode, encode
from cluster.runtime.problems import InvalidRequest
from cluster.storage.database import Database
from cluster.storage.tables import audit_records

MAX_PAGE = 1_000
MAX_CURSOR = 400  # characters
_ORDER = (audit_records.c.at, audit_records.c.writer, audit_records.c.seq)


@dataclass(frozen=True, slots=True)
class Filters:
    """Search filters; None: any. `action` is a prefix. `since` <= at < `until`, in Unix seconds."""

    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A record and its position in the writer's chain; `mac` is hexadecimal."""

    writer: str
    seq: int
    record: AuditRecord
    mac: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of entries. `cursor` selects the next page; None: this is the last."""

    entries: list[AuditEntry]
    cursor: str | None


async def search(
    connection: AsyncConnection,
    tenant: str | None,
    filters: Filters | None = None,
    *,
    cursor: str | None = None,
    limit: int = 100,
) -> AuditPage:
    """A page of at most `limit` (1 to 1,000) entries. Raises InvalidRequest (limit, cursor)."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidRequest(f"limit: must be 1 to {MAX_PAGE}.", param="limit")
    query = select(audit_records).where(*_conditions(tenant, filters or Filters()))
    if cursor is not None:
        query = query.where(tuple_(*_ORDER) < tuple_(*_position(cursor)))
    query = query.order_by(*(column.desc() for column in _ORDER)).limit(limit + 1)
    rows = (await connection.execute(query)).all()
    entries = [_entry(row) for row in rows[:limit]]
    return AuditPage(entries, _cursor(entries[-1]) if len(rows) > limit else None)


async def export(
    database: Database, tenant: str | None, filters: Filters | None = None
) -> AsyncIterator[bytes]:
    """Every matching record as a line of JSON, newest first; holds one page at a time."""
    cursor: str | None = None
    while True:
        async with database.read() as connection:
            page = await search(connection, tenant, filters, cursor=cursor, limit=MAX_PAGE)
        for entry in page.entries:
            yield json.dumps(asdict(entry), sort_keys=True).encode() + b"\n"
        if (cursor := page.cursor) is None:
            return


def _conditions(tenant: str | None, filters: Filters) -> list[ColumnElement[bool]]:
    column = audit_records.c
    conditions = [] if tenant is None else [column.tenant == tenant]
    for name in ("actor", "resource", "outcome", "request_id"):
        if (expected := getattr(filters, name)) is not None:
            conditions.append(column[name] == expected)
    if filters.action:
        conditions.append(func.substr(column.action, 1, len(filters.action)) == filters.action)
    if filters.since is not None:
        conditions.append(column.at >= filters.since)
    if filters.until is not None:
        conditions.append(column.at < filters.until)
    return conditions


def _entry(row: Any) -> AuditEntry:
    record = AuditRecord(
        row.at,
        row.tenant,
        row.actor,
        row.action,
        row.resource,
        row.outcome,
        row.request_id,
        row.detail,
    )
    return AuditEntry(row.writer, row.seq, record, row.mac.hex())


def _cursor(entry: AuditEntry) -> str:
    position = json.dumps([entry.record.at, entry.writer, entry.seq], separators=(",", ":"))
    return encode(position.encode())


def _position(cursor: str) -> tuple[float, str, int]:
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        at, writer, seq = json.loads(decode(cursor))
        position = (float(at), str(writer), int(seq))
        if not (
            math.isfinite(position[0]) and 0 <= position[2] < 2**63 and "\x00" not in position[1]
        ):
            raise ValueError
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidRequest("cursor: is not valid.", param="cursor") from error
    return position
