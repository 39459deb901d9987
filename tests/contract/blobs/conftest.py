"""Files over every pair of a database (SQLite, PostgreSQL) and a store (a folder, memory)."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert

from cluster.blobs.store import BlobStore
from cluster.runtime.clock import ManualClock, SystemClock
from cluster.storage.database import Database, run_sync
from cluster.storage.tables import metadata, plans, stored_objects, tenants
from tests.contract.blobs.desk import TENANTS, Desk
from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be copied: making tables takes longer than a test."""
    file = tmp_path_factory.mktemp("files") / "files.db"
    run_sync(_prepare(f"sqlite+aiosqlite:///{file}"))
    return file


@pytest.fixture(scope="session")
def postgres_tables(postgres_server: PostgresServer) -> str:
    """One database serves all tests; each leaves no files in it."""
    url = postgres_server.new_database()
    run_sync(_prepare(url))
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the tenants of TENANTS."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("sqlite_file"), tmp_path / "files.db")
        return f"sqlite+aiosqlite:///{file}"
    found: str = request.getfixturevalue("postgres_tables")
    return found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    async with database.begin() as connection:
        await connection.execute(delete(stored_objects))
    await database.close()


async def _prepare(url: str) -> None:
    plan = {"id": "default", "document": {}, "version": 1, "created": 0.0, "updated": 0.0}
    row = {"plan": "default", "status": "active", "secret": b"s", "created": 0.0, "updated": 0.0}
    database = Database(url)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(insert(plans), [plan])
        await connection.execute(insert(tenants), [{**row, "id": id, "name": id} for id in TENANTS])
    await database.close()


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path / "blobs") if request.param == "folder" else "memory:///")


@pytest.fixture
def clock() -> ManualClock:
    """Starts at the real time, in which stores say when an object was written."""
    return ManualClock(SystemClock().wall())


@pytest.fixture
def desk(database: Database, store: BlobStore, clock: ManualClock) -> Desk:
    return Desk(database, store, clock)


@pytest.fixture
async def second(url: str, desk: Desk) -> AsyncIterator[Desk]:
    """The same files, as another process has them."""
    database = Database(url)
    yield Desk(database, desk.store, desk.clock, desk.plan)
    await database.close()
