"""Both stores with their tenants, and a clock that stands still."""

from collections.abc import AsyncIterator

import pytest

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database


@pytest.fixture
async def database(tenants_url: str) -> AsyncIterator[Database]:
    database = Database(tenants_url)
    yield database
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
