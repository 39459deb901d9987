"""Every test here runs on SQLite and on PostgreSQL, with the tables made and nothing in them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import metadata
from tests.servers.fixtures import postgres_server, postgres_url  # noqa: F401


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'mobula.db'}"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
