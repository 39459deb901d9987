"""Uploads, the catalogue and imports over SQLite and PostgreSQL, with files in a folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from tests.contract.uploads.upload_bench import Bench, bench_on


@pytest.fixture
def url(tenants_url: str) -> str:
    return tenants_url


@pytest.fixture
async def bench(database: Database, url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    made = bench_on(database, ManualClock(), tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def replica(bench: Bench, url: str) -> AsyncIterator[Bench]:
    """The same stores as another process holds them."""
    database = Database(url)
    made = bench_on(database, bench.clock, bench.folder)
    yield made
    await made.close()
    await database.close()
