"""Jobs over both stores, with the tenants `acme` and `other`."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from cluster.storage.tables import events, job_shares, jobs, usage
from deployments.jobs.store import JobStore
from tests.contract.jobs.office import Office, fill
from tests.servers.fixtures import postgres_server
from tests.servers.postgres import PostgresServer

__all__ = ["postgres_server"]


@pytest.fixture(scope="session")
def jobs_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled file, to be copied."""
    path = tmp_path_factory.mktemp("jobs") / "jobs.db"
    asyncio.run(fill(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def jobs_postgres(postgres_server: PostgresServer) -> str:
    """One filled database for all tests; the jobs are removed after each."""
    url = postgres_server.new_database()
    asyncio.run(fill(url))
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        copied = shutil.copy(request.getfixturevalue("jobs_sqlite"), tmp_path)
        return f"sqlite+aiosqlite:///{copied}"
    found: str = request.getfixturevalue("jobs_postgres")
    return found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    if not database.is_sqlite:
        async with database.begin() as connection:
            names = ", ".join(table.name for table in (jobs, job_shares, events, usage))
            await connection.execute(text(f"TRUNCATE {names} CASCADE"))
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def office(database: Database, clock: ManualClock) -> Office:
    return Office(database, clock, JobStore(database, clock, Random(7)))
