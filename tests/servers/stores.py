"""The store on SQLite and on PostgreSQL, migrated: empty, or with a plan and tenants.

A tier's conftest imports the fixtures that it needs; `store_url` and `open_store` are called `url`
and `database`, and tests run on both. Migrating takes longer than most tests, so it is done once a
session: the file is copied, the database restored before each test.
"""

import shutil
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import insert

from cluster.storage.database import FILE, Database, run_sync
from cluster.storage.migrate import migrate
from cluster.storage.tables import plans, tenants
from tests.servers.fixtures import postgres_server, postgres_url
from tests.servers.postgres import PostgresServer
from tests.servers.reused_postgres import PostgresTemplates, ReusedPostgres

__all__ = [
    "TENANTS",
    "emptied_postgres",
    "empty_postgres",
    "empty_sqlite",
    "migrated_file",
    "migrated_home",
    "migrated_postgres",
    "open_store",
    "postgres_server",
    "postgres_url",
    "sqlite_with_tenants",
    "store_url",
    "tenants_file",
    "tenants_postgres",
    "tenants_url",
]

TENANTS = ("acme", "acme-2", "other")


@cache
def empty_sqlite() -> bytes:
    """The file of a migrated store without rows."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        migrate(f"sqlite+aiosqlite:///{file}")
        return file.read_bytes()


def migrated_home(home: Path) -> Path:
    """A home before its first start, but with the tables, whose making takes longer than it."""
    home.mkdir(parents=True, exist_ok=True)
    (home / FILE).write_bytes(empty_sqlite())
    return home


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be copied."""
    path = tmp_path_factory.mktemp("store") / "mobula.db"
    path.write_bytes(empty_sqlite())
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> PostgresTemplates:
    return PostgresTemplates(postgres_server)


@pytest.fixture(scope="session")
def empty_postgres(migrated_postgres: PostgresTemplates) -> Iterator[ReusedPostgres]:
    with ReusedPostgres(migrated_postgres) as database:
        yield database


@pytest.fixture
def emptied_postgres(empty_postgres: ReusedPostgres) -> str:
    """The URL of a migrated database without rows."""
    return empty_postgres.restore()


@pytest.fixture(name="url", params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "mobula.db")
        return f"sqlite+aiosqlite:///{file}"
    found: str = request.getfixturevalue("emptied_postgres")
    return found


@pytest.fixture(name="database")
async def open_store(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.close()


def add_tenants(url: str) -> None:
    """The plan `default`, and TENANTS on it."""
    run_sync(_add_tenants(url))


async def _add_tenants(url: str) -> None:
    plan = {"id": "default", "document": {}, "version": 1, "created": 0.0, "updated": 0.0}
    row = {"plan": "default", "status": "active", "secret": b"s", "created": 0.0, "updated": 0.0}
    database = Database(url)
    async with database.begin() as connection:
        await connection.execute(insert(plans), [plan])
        await connection.execute(insert(tenants), [{**row, "id": id, "name": id} for id in TENANTS])
    await database.close()


@cache
def sqlite_with_tenants() -> bytes:
    """The file of a store with TENANTS."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tenants.db"
        file.write_bytes(empty_sqlite())
        add_tenants(f"sqlite+aiosqlite:///{file}")
        return file.read_bytes()


@pytest.fixture(scope="session")
def tenants_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be copied: a store with TENANTS."""
    path = tmp_path_factory.mktemp("store") / "tenants.db"
    path.write_bytes(sqlite_with_tenants())
    return path


@pytest.fixture(scope="session")
def tenants_postgres(migrated_postgres: PostgresTemplates) -> Iterator[ReusedPostgres]:
    with ReusedPostgres(migrated_postgres, add_tenants) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgres"])
def tenants_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store with TENANTS and nothing else."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("tenants_file"), tmp_path / "tenants.db")
        return f"sqlite+aiosqlite:///{file}"
    postgres: ReusedPostgres = request.getfixturevalue("tenants_postgres")
    return postgres.restore()
