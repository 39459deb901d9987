"""The store on SQLite and on PostgreSQL, with the tables made and nothing in them.

A conftest imports all four; the fixtures are called `url` and `database`, and tests run on both.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.storage.database import Database
from cluster.storage.tables import metadata
from tests.servers.fixtures import postgres_server, postgres_url

__all__ = ["open_store", "postgres_server", "postgres_url", "store_url"]


@pytest.fixture(name="url", params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'mobula.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture(name="database")
async def open_store(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()
