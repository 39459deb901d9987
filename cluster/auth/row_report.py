"""Verifies the rows of keys, users, signing keys and refresh tokens.

In: a connection and the MACs. Out: an alarm in the verification report for each row that Mobula did
not write or that was changed since; and for each key or user that was revoked or deleted by the
trail but is active in the table, as after a replay of an older row.
"""

from typing import Any

from sqlalchemy import Row, Table, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit.findings import VerificationReport
from cluster.auth.row_macs import MAC, TABLES, RowMacs, stored_values
from cluster.storage.tables import api_keys, audit_records, users

BATCH = 1_000


async def check_rows(
    connection: AsyncConnection, macs: RowMacs, report: VerificationReport
) -> None:
    """Verifies every row, streamed, and compares with the trail. Raises DatabaseUnavailable."""
    for table in TABLES:
        options = {"yield_per": BATCH}
        result = await connection.stream(stored_values(table), execution_options=options)
        async for rows in result.partitions():
            for row in rows:
                _check(table, row, macs, report)
    for table, resource, action, is_active in _END_ACTIONS:
        ended = select(audit_records.c.resource).where(
            audit_records.c.action == action, audit_records.c.outcome == "ok"
        )
        restored = select(table.c.id).where(
            is_active, (literal(f"{resource}:") + table.c.id).in_(ended)
        )
        for id in (await connection.execute(restored)).scalars():
            description = (
                f"has ended by the trail ({action}), but is active: an older row was restored"
            )
            report.alarm(f"{table.name} {id}", None, description)


_END_ACTIONS = (
    (api_keys, "key", "key.revoke", api_keys.c.revoked.is_(None)),
    (users, "user", "user.delete", users.c.id.is_not(None)),
)


def _check(table: Table, row: Row[Any], macs: RowMacs, report: VerificationReport) -> None:
    report.rows += 1
    if macs.genuine(table, row) is None:
        fault = "has no MAC" if row._mapping[MAC] is None else "does not match its MAC"
        location = f"{table.name} {str(row._mapping['id'])[:63]}"
        report.alarm(location, None, f"{fault}: was not written by this installation")
