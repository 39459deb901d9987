"""Collections in the store, and a searcher over them, as a shard has it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.collections.generations import GenerationRepository
from cluster.collections.points import PointRepository
from cluster.collections.repository import CollectionRepository
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.search.searcher import CollectionSearcher
from tests.contract.collections.conftest import StoredCollections
from tests.contract.search.searched import SearchedCollections


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(tenants_url: str) -> AsyncIterator[Database]:
    database = Database(tenants_url)
    yield database
    await database.close()


@pytest.fixture
async def searched(
    database: Database, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[SearchedCollections]:
    stored = StoredCollections(
        database, CollectionRepository(clock), PointRepository(clock), GenerationRepository(clock)
    )
    searcher = CollectionSearcher(database, folder=tmp_path / "search")
    yield SearchedCollections(stored, searcher)
    await searcher.close()
