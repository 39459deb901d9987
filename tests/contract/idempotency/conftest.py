"""Every test here runs on SQLite and on PostgreSQL, with the tables made and nothing in them."""

from collections.abc import AsyncIterator

import pytest

from cluster.idempotency.store import IdempotencyStore
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database


@pytest.fixture
async def second(url: str, database: Database) -> AsyncIterator[Database]:
    """The same store, as another replica holds it."""
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def secret_of(tenant: str) -> bytes:
    return tenant.encode().ljust(32, b"s")


@pytest.fixture
def store(database: Database, clock: ManualClock) -> IdempotencyStore:
    return IdempotencyStore(database, secret_of, clock)


@pytest.fixture
def replica(second: Database, clock: ManualClock) -> IdempotencyStore:
    return IdempotencyStore(second, secret_of, clock)
