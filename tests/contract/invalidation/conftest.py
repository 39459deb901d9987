"""Every test here runs on SQLite and on PostgreSQL, with the tables made and nothing in them."""

import pytest

from cluster.invalidation.feed import InvalidationFeed
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def feed(database: Database, clock: ManualClock) -> InvalidationFeed:
    """Loaded, and refreshed by hand."""
    feed = InvalidationFeed(database, clock, longest_s=LONGEST_S)
    await feed.refresh()
    return feed


LONGEST_S = 1000.0
