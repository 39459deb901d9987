"""Writes what is stored of a tenant, or of one of its users, into a ZIP of JSON lines.

In: a database, a tenant, its secret. Out: a file with one member for each table, `<table>.jsonl`,
and `manifest.json`. Sealed content is opened; secrets and digests are left out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import orjson
from sqlalchemy import select

from cluster.storage.database import Database
from deployments.privacy.tables import TENANT_TABLES, Secret, TenantTable

ROWS = 500  # that are in memory at once
FORMAT = 1

Progress = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """`user` None: of the whole tenant. `at` is Unix seconds."""

    tenant: str
    user: str | None
    at: float


async def write_export(
    database: Database, request: ExportRequest, secret: Secret, file: Path, progress: Progress
) -> dict[str, int]:
    """The number of rows by table. Each table is read in one transaction, one after the other."""
    exported = [
        table
        for table in TENANT_TABLES
        if table.is_exported and (request.user is None or table.user is not None)
    ]
    counts: dict[str, int] = {}
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for number, table in enumerate(exported):
            counts[table.name] = await _write_table(archive, database, table, request, secret)
            await progress(100.0 * (number + 1) / len(exported))
        manifest = {
            "format": FORMAT,
            "tenant": request.tenant,
            "user": request.user,
            "at": request.at,
            "rows": counts,
        }
        archive.writestr("manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    return counts


async def _write_table(
    archive: ZipFile,
    database: Database,
    table: TenantTable,
    request: ExportRequest,
    secret: Secret,
) -> int:
    mine = (
        table.of_tenant(request.tenant)
        if request.user is None
        else table.of_user(request.tenant, request.user)
    )
    written = 0
    query = select(table.table).where(mine).order_by(*table.table.primary_key)
    with archive.open(f"{table.name}.jsonl", "w", force_zip64=True) as member:
        async with database.read() as connection:
            async for rows in (await connection.stream(query)).partitions(ROWS):
                await asyncio.to_thread(_write_rows, member, table, rows, secret)
                written += len(rows)
    return written


def _write_rows(member: Any, table: TenantTable, rows: Sequence[Any], secret: Secret) -> None:
    for row in rows:
        member.write(orjson.dumps(exported_row(table, row, secret)) + b"\n")


def exported_row(table: TenantTable, row: Any, secret: Secret) -> dict[str, Any]:
    """A row as an export has it."""
    return {
        str(name): table.sealed[name](row, secret) if name in table.sealed else value
        for name, value in row._mapping.items()
        if name not in table.omitted
    }
