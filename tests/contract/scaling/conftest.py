"""Every test here runs on SQLite and on PostgreSQL, with the tables made and nothing in them."""

import pytest

from cluster.clock import ManualClock
from tests.servers.stores import open_store, postgres_server, postgres_url, store_url  # noqa: F401


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
