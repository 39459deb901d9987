"""The store on SQLite and on PostgreSQL, migrated: empty, or with a plan and tenants.

A tier's conftest registers tests/servers/session_fixtures.py and imports the fixtures that it
needs; `store_url` and `open_store` are called `url` and `database`, and tests run on both.
Migrating takes longer than most tests, so it is done once a run: the file is copied, the database
restored before each test.
"""

import shutil
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import insert

from cluster.storage.database import FILE, Database, run_sync
from cluster.storage.migrate import migrate
from cluster.storage.tables import plans, tenants
from tests.servers.fixtures import postgres_url
from tests.servers.made_once import made_once
from tests.servers.reused_postgres import ReusedPostgres

__all__ = [
    "TENANTS",
    "emptied_postgres",
    "empty_sqlite",
    "migrated_home",
    "open_store",
    "postgres_url",
    "sqlite_with_tenants",
    "store_url",
    "tenants_url",
]

TENANTS = ("acme", "acme-2", "other")


@cache
def empty_sqlite() -> Path:
    """The file of a migrated store without rows, to be copied."""
    return made_once("empty.db", lambda file: migrate(f"sqlite+aiosqlite:///{file}"))


def migrated_home(home: Path) -> Path:
    """A home before its first start, but with the tables, whose making takes longer than it."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_sqlite(), home / FILE)
    return home


@pytest.fixture
def emptied_postgres(empty_postgres: ReusedPostgres) -> str:
    """The URL of a migrated database without rows."""
    return empty_postgres.restore()


@pytest.fixture(name="url", params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        file = shutil.copy(empty_sqlite(), tmp_path / "mobula.db")
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
def sqlite_with_tenants() -> Path:
    """The file of a store with TENANTS, to be copied."""
    return made_once("tenants.db", _make_tenants)


def _make_tenants(file: Path) -> None:
    shutil.copy(empty_sqlite(), file)
    add_tenants(f"sqlite+aiosqlite:///{file}")


@pytest.fixture(params=["sqlite", "postgres"])
def tenants_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store with TENANTS and nothing else."""
    if request.param == "sqlite":
        file = shutil.copy(sqlite_with_tenants(), tmp_path / "tenants.db")
        return f"sqlite+aiosqlite:///{file}"
    postgres: ReusedPostgres = request.getfixturevalue("tenants_postgres")
    return postgres.restore()
