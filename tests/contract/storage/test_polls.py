"""Polled data: a poll of an SQLite store reads nothing while nobody commits, and misses nothing."""

import shutil
from pathlib import Path

import pytest

from cluster.auth.credential_directory import CredentialDirectory
from cluster.invalidation.feed import InvalidationFeed
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.polled_cache import PolledCache
from tests.contract.storage.conftest import PEPPER, add_key, sqlite_with_plans, until
from tests.contract.transactions import read_transactions


@pytest.fixture(params=["directory", "feed"])
def cache(request: pytest.FixtureRequest, database: Database, clock: ManualClock) -> PolledCache:
    if request.param == "directory":
        return CredentialDirectory(database, PEPPER, clock)
    return InvalidationFeed(database, clock, poll_s=0.01)


class TestSqlite:
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        path = tmp_path / "mobula.db"
        shutil.copy(sqlite_with_plans(), path)
        return f"sqlite+aiosqlite:///{path}"

    async def test_polls_read_nothing_while_nobody_commits(
        self, cache: PolledCache, database: Database, clock: ManualClock
    ) -> None:
        await cache.start()
        await until(lambda: cache.age_s == 0 and database.data_version() == cache._version)
        before = read_transactions(database)
        for _ in range(3):
            clock.advance(1)
            await until(lambda: cache.age_s == 0)
        await cache.close()

        assert read_transactions(database) == before

    async def test_a_commit_of_another_connection_is_read_by_the_next_poll(
        self, database: Database, clock: ManualClock, url: str
    ) -> None:
        directory = CredentialDirectory(database, PEPPER, clock)
        await directory.start()
        await until(lambda: database.data_version() == directory._version)
        other = Database(url)
        await add_key(other, clock)
        await other.close()
        await until(lambda: len(directory) == 1)
        await directory.close()

    async def test_a_version_differs_after_each_commit_and_after_nothing_else(
        self, database: Database, clock: ManualClock
    ) -> None:
        before = database.data_version()
        async with database.read() as connection:
            await connection.exec_driver_sql("SELECT count(*) FROM changes")
        assert database.data_version() == before
        await add_key(database, clock)
        assert database.data_version() != before


async def test_a_store_that_cannot_tell_has_no_version(tmp_path: Path) -> None:
    for url in (
        f"sqlite+aiosqlite:///{tmp_path / 'none.db'}",
        "postgresql+asyncpg://nobody@127.0.0.1:1/none",
    ):
        database = Database(url)
        assert database.data_version() is None
        await database.close()
