"""Every test here runs on SQLite and on PostgreSQL, with the tables made and nothing in them."""

import pytest

from cluster.clock import ManualClock
from tests.servers.stores import (  # noqa: F401
    emptied_postgres,
    migrated_file,
    migrated_postgres,
    open_store,
    postgres_server,
    store_url,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
