"""Every test here runs on SQLite and on PostgreSQL, with the tables made and nothing in them."""

import pytest

from cluster.runtime.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
