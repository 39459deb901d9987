"""What exports and erasures say to the store is understood by both, for every table."""

import json
from pathlib import Path
from zipfile import ZipFile

from sqlalchemy import select

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import changes, teams, tenants
from deployments.privacy.erasure import (
    blank_tenant,
    erase_rows,
    erase_user,
    erased_tables,
    remaining_rows,
)
from deployments.privacy.export import ExportRequest, write_export
from deployments.privacy.tables import TENANT_TABLES

SECRET = b"s" * 32


async def ignore(percent: float) -> None:
    """Nobody asks how far it is."""


async def add_teams(database: Database) -> None:
    row = {"id": "crew", "name": "Crew", "created": 0.0, "updated": 0.0}
    async with database.begin() as connection:
        for tenant in ("acme", "other"):
            await connection.execute(teams.insert().values(tenant=tenant, **row))


async def test_every_table_is_exported_for_a_tenant_and_for_a_user(
    database: Database, tmp_path: Path
) -> None:
    await add_teams(database)
    file = tmp_path / "export.zip"
    whole = await write_export(database, ExportRequest("acme", None, 7.0), SECRET, file, ignore)

    assert set(whole) == {table.name for table in TENANT_TABLES if table.is_exported}
    assert (whole["tenants"], whole["teams"]) == (1, 1)
    with ZipFile(file) as archive:
        (team,) = archive.read("teams.jsonl").splitlines()
        manifest = json.loads(archive.read("manifest.json"))
    assert json.loads(team)["tenant"] == manifest["tenant"] == "acme"

    of_user = await write_export(database, ExportRequest("acme", "ana", 7.0), SECRET, file, ignore)
    assert "users" in of_user
    assert sum(of_user.values()) == 0


async def test_every_table_is_erased_and_other_tenants_rows_stay(
    database: Database, clock: ManualClock
) -> None:
    await add_teams(database)
    async with database.begin() as connection:
        assert await remaining_rows(connection, "acme", "job_x")
        for table in erased_tables():
            await erase_rows(connection, table, "acme", "job_x", clock)
        assert await remaining_rows(connection, "acme", "job_x") == {}
        await blank_tenant(connection, "acme", clock)
        await erase_user(connection, "other", "nobody", clock)

    async with database.read() as connection:
        assert (await connection.execute(select(teams.c.tenant))).scalars().all() == ["other"]
        query = select(tenants.c.id).where(tenants.c.status == "suspended")
        assert (await connection.execute(query)).scalars().all() == ["acme"]
        told = (await connection.execute(select(changes.c.kind, changes.c.id))).all()
        assert ("tenant", "acme") in told
        assert ("user", "nobody") in told
