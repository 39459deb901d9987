"""The store on SQLite and on PostgreSQL, migrated and with nothing in it.

A tier's conftest imports all of them; the fixtures are called `url` and `database`, and tests run
on both. Migrating takes longer than most tests, so it is done once a session: the file is
copied, the database emptied before each test.
"""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cluster.storage.database import Database, run_sync
from cluster.storage.migrate import migrate
from cluster.storage.tables import metadata
from tests.servers.fixtures import postgres_server, postgres_url
from tests.servers.postgres import PostgresServer

__all__ = [
    "emptied_postgres",
    "migrated_file",
    "migrated_postgres",
    "open_store",
    "postgres_server",
    "postgres_url",
    "store_url",
]

_LEAVE_ME_ALONE = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be copied."""
    path = tmp_path_factory.mktemp("store") / "mobula.db"
    migrate(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> "Refilled":
    return Refilled(postgres_server)


@pytest.fixture
def emptied_postgres(migrated_postgres: "Refilled") -> str:
    """Whatever the test before left in it, or forgot to close."""
    return migrated_postgres.empty()


class Refilled:
    """A migrated database that is used again and again, and another where a table is gone."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._url = ""

    def empty(self) -> str:
        """Its URL."""
        try:
            if self._url:
                run_sync(_empty(self._url))
                return self._url
        except DBAPIError:
            pass
        self._url = self._server.new_database()
        migrate(self._url)
        return self._url


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


async def _empty(url: str) -> None:
    database = Database(url)
    async with database.begin() as connection:
        await connection.execute(_LEAVE_ME_ALONE)
        names = (table.name for table in reversed(metadata.sorted_tables))
        deletions = " ".join(f"DELETE FROM {name};" for name in names)
        await connection.execute(text(f"DO $$ BEGIN {deletions} END $$"))
    await database.close()
