"""Collections of two tenants, on both stores, with a clock that stands still."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
import pytest

from cluster.collections.generations import GenerationRepository
from cluster.collections.model import (
    Collection,
    CollectionDraft,
    CollectionLimits,
    PointDraft,
    PointsChange,
)
from cluster.collections.points import PointRepository
from cluster.collections.repository import CollectionRepository
from cluster.collections.vectors import pack_vectors
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database

LIMITS = CollectionLimits(max_collections=3, max_points=10, max_bytes=2_000)


def vector(*numbers: float) -> bytes:
    packed = pack_vectors(np.array([numbers], np.float32), "cosine")[0]
    assert isinstance(packed, bytes)
    return packed


def words(*ids: str, text: str = "words") -> list[PointDraft]:
    return [PointDraft(id, text, {"id": id}) for id in ids]


@dataclass
class StoredCollections:
    """Every change in a transaction of its own."""

    database: Database
    collections: CollectionRepository
    points: PointRepository
    generations: GenerationRepository

    async def create(self, tenant: str = "acme", name: str = "", **fields: object) -> Collection:
        draft = CollectionDraft(name, **fields)  # type: ignore[arg-type]
        async with self.database.begin() as connection:
            return await self.collections.create(connection, tenant, "key", draft)

    async def get(self, name: str, tenant: str = "acme") -> Collection:
        async with self.database.read() as connection:
            return await self.collections.get(connection, tenant, name)

    async def put(
        self, collection: Collection, drafts: list[PointDraft], tenant: str = "acme"
    ) -> PointsChange:
        async with self.database.begin() as connection:
            return await self.points.upsert(connection, tenant, collection, drafts)

    async def delete(
        self, id: str, *ids: str, tenant: str = "acme", up_to: int | None = None
    ) -> PointsChange:
        async with self.database.begin() as connection:
            return await self.points.delete(connection, tenant, id, ids, up_to=up_to)

    async def ids(self, collection: Collection, tenant: str = "acme") -> list[str]:
        current = await self.get(collection.id, tenant)
        async with self.database.read() as connection:
            page = await self.points.list(connection, tenant, current, 1_000)
        return [each.id for each in page.items]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(tenants_url: str) -> AsyncIterator[Database]:
    database = Database(tenants_url)
    yield database
    await database.close()


@pytest.fixture
def stored(database: Database, clock: ManualClock) -> StoredCollections:
    def limits_of(tenant: str) -> CollectionLimits:
        return LIMITS

    return StoredCollections(
        database,
        CollectionRepository(clock, limits_of),
        PointRepository(clock, limits_of),
        GenerationRepository(clock),
    )
