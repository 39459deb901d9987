"""MACs for rows that a store held before there were MACs: once in its life, or when told to.

Flows in: a store, and what is known of this home. Flows out: how many rows were signed, or
`NotAdopted`. That it was done is kept where who writes the store cannot reach it: in a file of the
home, beside the audit trail's checkpoints. Without that file it counts as done as soon as one
genuine row is there; and a home that has never seen this store signs nothing unless the operator
says so, so that taking all MACs away does not open the way to plant rows.
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
    """Rows of keys or users are there, and none that this installation has signed."""

    def __init__(self) -> None:
        super().__init__(
            "The store holds keys or users, and none was written under this pepper. If it is the "
            "right store and its rows can be trusted (the first start of this version with a new "
            "home, a restored backup, or a pepper that was replaced), run `mobula bootstrap "
            "--adopt-rows` once. Otherwise MOBULA_PEPPER or MOBULA_DATABASE_URL is a wrong one."
        )


def is_older_home(home: Path) -> bool:
    """Whether an earlier version worked in this home, and this one has not yet."""
    traces = (PEPPER, ADMIN, AUDIT, FILE)
    return not _file(home).exists() and any((home / name).exists() for name in traces)


def is_done(home: Path) -> bool:
    return _file(home).exists()


def note_done(home: Path, now: float) -> None:
    if not is_done(home):
        _file(home).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(_file(home), f"{now}\n".encode())


def _file(home: Path) -> Path:
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
    """Sign rows without a MAC, if that was not `done` and the store is `trusted`; returns how many
    by table. `forced` signs whatever has no genuine MAC. Raises NotAdopted.
    """
    odd, genuine, rows = await _survey(connection, macs)
    if not forced:
        if done or genuine or not rows:
            return {}
        if not trusted:
            raise NotAdopted
    signed: dict[str, int] = {}
    for table in TABLES:
        chosen = [v for v in odd[table.name] if forced or v[MAC] is None]
        if chosen:
            await _sign(connection, macs, table, chosen)
            signed[table.name] = len(chosen)
        if forced and chosen and table.name in KINDS:
            ids = [values["id"] for values in chosen]
            await record_changes(connection, clock, KINDS[table.name], ids)
    return signed


async def _survey(
    connection: AsyncConnection, macs: RowMacs
) -> tuple[dict[str, list[dict[str, Any]]], int, int]:
    """Rows that are not genuine by table; how many are; how many there are in all."""
    odd: dict[str, list[dict[str, Any]]] = {table.name: [] for table in TABLES}
    genuine = total = 0
    for table in TABLES:
        for row in (await connection.execute(stored_values(table))).all():
            total += 1
            if macs.genuine(table, row) is not None:
                genuine += 1
                continue
            try:
                odd[table.name].append(as_stored(table, row))
            except ValueError:  # nothing that Mobula has ever written
                continue
    return odd, genuine, total


async def _sign(
    connection: AsyncConnection, macs: RowMacs, table: Table, rows: list[dict[str, Any]]
) -> None:
    statement = update(table).where(table.c.id == bindparam("row")).values(mac=bindparam("signed"))
    signed = [{"row": v["id"], "signed": macs.signed(table, v)[MAC]} for v in rows]
    await connection.execute(statement, signed)
