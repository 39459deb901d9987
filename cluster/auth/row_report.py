"""Whether keys, users, signing keys and refresh tokens are as Mobula wrote them.

Flows in: a connection and the MACs' key. Flows out: an alarm in the report of the audit trail's
verification for each row that Mobula did not write, or that was changed since; and for each key or
user that the trail says has ended and whose row says otherwise, because an older row was put back
with the MAC that it had.
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
    """Every row, streamed, and what the trail says of those that ended. Raises StoreDown."""
    for table in TABLES:
        options = {"yield_per": BATCH}
        result = await connection.stream(stored_values(table), execution_options=options)
        async for rows in result.partitions():
            for row in rows:
                _check(table, row, macs, report)
    for table, noun, action, still in _ENDINGS:
        ended = select(audit_records.c.resource).where(
            audit_records.c.action == action, audit_records.c.outcome == "ok"
        )
        back = select(table.c.id).where(still, (literal(f"{noun}:") + table.c.id).in_(ended))
        for id in (await connection.execute(back)).scalars():
            what = f"has ended by the trail ({action}), and is back: an older row was put in place"
            report.alarm(f"{table.name} {id}", None, what)


_ENDINGS = (
    (api_keys, "key", "key.revoke", api_keys.c.revoked.is_(None)),
    (users, "user", "user.delete", users.c.id.is_not(None)),
)


def _check(table: Table, row: Row[Any], macs: RowMacs, report: VerificationReport) -> None:
    report.rows += 1
    if macs.genuine(table, row) is None:
        what = "has no MAC" if row._mapping[MAC] is None else "does not fit its MAC"
        where = f"{table.name} {str(row._mapping['id'])[:63]}"
        report.alarm(where, None, f"{what}: was added or changed by something else than Mobula")
