"""Files over every pair of a database (SQLite, PostgreSQL) and a store (a folder, memory)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.blobs.store import BlobStore
from cluster.runtime.clock import ManualClock, SystemClock
from cluster.storage.database import Database
from tests.contract.blobs.desk import Desk


@pytest.fixture
def url(tenants_url: str) -> str:
    """A database with the tenants acme, acme-2 and other."""
    return tenants_url


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
