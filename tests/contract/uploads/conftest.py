"""Uploads, the catalogue and imports over SQLite and PostgreSQL, with files in a folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import metadata, plans, tenants
from tests.contract.uploads.upload_bench import Bench, bench_on
from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres_with_tables(postgres_server: PostgresServer) -> str:
    """One database serves all tests, emptied after each."""
    return postgres_server.new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'media.db'}"
    found: str = request.getfixturevalue("postgres_with_tables")
    return found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    plan = {"id": "default", "document": {}, "version": 1, "created": 0.0, "updated": 0.0}
    row = {"plan": "default", "status": "active", "secret": b"s", "created": 0.0, "updated": 0.0}
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(insert(plans), [plan])
        rows = [{**row, "id": name, "name": name} for name in ("acme", "other")]
        await connection.execute(insert(tenants), rows)
    yield database
    async with database.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(delete(table))
    await database.close()


@pytest.fixture
async def bench(database: Database, url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    made = bench_on(database, ManualClock(), tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def replica(bench: Bench, url: str) -> AsyncIterator[Bench]:
    """The same stores as another process holds them."""
    database = Database(url)
    made = bench_on(database, bench.clock, bench.folder)
    yield made
    await made.close()
    await database.close()
