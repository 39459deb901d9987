"""Every test here runs on SQLite and on PostgreSQL, with the tables made and nothing in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from tests.contract.records.records import Audit


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def audit(database: Database, tmp_path: Path, clock: ManualClock) -> Audit:
    return Audit(database, tmp_path / "audit", clock)


@pytest.fixture
def unreachable() -> Callable[[], Database]:
    return lambda: Database("postgresql+asyncpg://nobody@/nothing?host=/nowhere")
