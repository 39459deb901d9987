"""Signs rows of a database that has no MACs yet: once, or on the operator's request.

In: a database and the state of this home. Out: the number of signed rows, or `NotAdopted`. A file
in the home, out of reach for a writer of the database, records that it was done. Without that file
it counts as done if one row has a valid MAC. A home that has never used this database signs nothing
without the operator's request, so that an attacker cannot remove all MACs to insert rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Table, bindparam, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.row_macs import MAC, TABLES, RowMacs, as_stored, stored_values
from cluster.runtime.clock import Clock
from cluster.secrets.key_files import ADMIN, AUDIT, PEPPER
from cluster.storage.database import FILE
from cluster.storage.files import write_private
from cluster.tenants.repository import Kind, record_changes

SIGNED = "rows-signed"  # the file, in the folder of the audit trail
KINDS: Mapping[str, Kind] = {"api_keys": "key", "users": "user", "signing_keys": "signing_key"}


class NotAdopted(ValueError):
    """The database has keys or users, but none that this installation has signed."""

    def __init__(self) -> None:
        super().__init__(
            "The database has keys or users, and none was written with this pepper. If it is the "
            "right database and its rows can be trusted (the first start of this version with a "
            "new home, a restored backup, or a replaced pepper), run `mobula bootstrap "
            "--adopt-rows` once. Otherwise MOBULA_PEPPER or MOBULA_DATABASE_URL is wrong."
        )


def is_older_home(home: Path) -> bool:
    """Whether an earlier version used this home, and this one has not yet."""
    traces = (PEPPER, ADMIN, AUDIT, FILE)
    return not _marker_file(home).exists() and any((home / name).exists() for name in traces)


def is_done(home: Path) -> bool:
    return _marker_file(home).exists()


def mark_done(home: Path, now: float) -> None:
    if not is_done(home):
        _marker_file(home).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(_marker_file(home), f"{now}\n".encode())


def _marker_file(home: Path) -> Path:
    return home / AUDIT / SIGNED


async def adopt(
    connection: AsyncConnection,
    macs: RowMacs,
    clock: Clock,
    *,
    done: bool,
    trusted: bool,
    forced: bool,
) -> dict[str, int]:
    """Signs rows without a MAC, if that was not `done` and the database is `trusted`; returns the
    number by table. `forced` signs every row without a valid MAC. Raises NotAdopted.
    """
    unsigned, genuine, rows = await _survey(connection, macs)
    if not forced:
        if done or genuine or not rows:
            return {}
        if not trusted:
            raise NotAdopted
    signed: dict[str, int] = {}
    for table in TABLES:
        selected = [v for v in unsigned[table.name] if forced or v[MAC] is None]
        if selected:
            await _sign(connection, macs, table, selected)
            signed[table.name] = len(selected)
        if forced and selected and table.name in KINDS:
            ids = [values["id"] for values in selected]
            await record_changes(connection, clock, KINDS[table.name], ids)
    return signed


async def _survey(
    connection: AsyncConnection, macs: RowMacs
) -> tuple[dict[str, list[dict[str, Any]]], int, int]:
    """Rows without a valid MAC by table, the number of valid rows, and of all rows."""
    unsigned: dict[str, list[dict[str, Any]]] = {table.name: [] for table in TABLES}
    genuine = total = 0
    for table in TABLES:
        for row in (await connection.execute(stored_values(table))).all():
            total += 1
            if macs.genuine(table, row) is not None:
                genuine += 1
                continue
            try:
                unsigned[table.name].append(as_stored(table, row))
            except ValueError:  # not written by Mobula
                continue
    return unsigned, genuine, total


async def _sign(
    connection: AsyncConnection, macs: RowMacs, table: Table, rows: list[dict[str, Any]]
) -> None:
    statement = update(table).where(table.c.id == bindparam("row")).values(mac=bindparam("signed"))
    signed = [{"row": v["id"], "signed": macs.signed(table, v)[MAC]} for v in rows]
    await connection.execute(statement, signed)
