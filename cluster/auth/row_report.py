"""Whether keys, users, signing keys and refresh tokens are as Mobula wrote them.

Flows in: a connection and the MACs' key. Flows out: an alarm in the report of the audit trail's
verification for each row that Mobula did not write, or that was changed since.
"""

from typing import Any

from sqlalchemy import Row, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit.findings import Report
from cluster.auth.row_macs import MAC, TABLES, RowMacs, stored

BATCH = 1_000


async def check_rows(connection: AsyncConnection, macs: RowMacs, report: Report) -> None:
    """Every row, streamed. Raises what the store raises."""
    for table in TABLES:
        options = {"yield_per": BATCH}
        result = await connection.stream(stored(table), execution_options=options)
        async for rows in result.partitions():
            for row in rows:
                _check(table, row, macs, report)


def _check(table: Table, row: Row[Any], macs: RowMacs, report: Report) -> None:
    report.rows += 1
    if macs.genuine(table, row) is None:
        what = "has no MAC" if row._mapping[MAC] is None else "does not fit its MAC"
        where = f"{table.name} {str(row._mapping['id'])[:63]}"
        report.alarm(where, None, f"{what}: was added or changed by something else than Mobula")
