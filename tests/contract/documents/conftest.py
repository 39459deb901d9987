"""Documents of two tenants on both stores, with a clock that stands still."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from cluster.collections.model import Collection, CollectionDraft
from cluster.collections.points import PointRepository
from cluster.collections.repository import CollectionRepository
from cluster.runtime.clock import ManualClock
from cluster.storage.database import Database
from deployments.contracts.documents import DOCUMENT_JOB, DocumentBlock
from deployments.contracts.jobs import Job, NewJob
from deployments.documents.model import (
    DocumentQuota,
    NewPlace,
    StoredChunk,
    TenantDocument,
)
from deployments.documents.store import DocumentStore
from deployments.jobs.store import JobStore

QUOTA = DocumentQuota(documents=3, characters=1_000)


def document(id: str = "doc_1", tenant: str = "acme", **fields: Any) -> TenantDocument:
    made = TenantDocument(id, tenant, "key", "a.txt", f"{id:0<64}", "readable", 1.0, 1.0)
    return replace(made, **fields)


def block(text: str = "Some text.", page: int = 1) -> DocumentBlock:
    return DocumentBlock(page, "text", text, box=(0.1, 0.2, 0.3, 0.4))


def chunk(number: int = 0, text: str = "Some text.") -> StoredChunk:
    return StoredChunk(number, 1, 0, 0, 0, len(text), text, "Head")


@dataclass
class StoredDocuments:
    """Every change in a transaction of its own."""

    database: Database
    store: DocumentStore
    collections: CollectionRepository
    points: PointRepository
    jobs: JobStore

    async def do(self, method: str, *arguments: Any, **options: Any) -> Any:
        """A method of the store."""
        async with self.database.begin() as connection:
            return await getattr(self.store, method)(connection, *arguments, **options)

    async def collection(self, tenant: str = "acme", name: str = "documents") -> Collection:
        async with self.database.begin() as connection:
            draft = CollectionDraft(name)
            return await self.collections.create(connection, tenant, "key", draft)

    async def job(self, subject: str, tenant: str = "acme") -> Job:
        async with self.database.begin() as connection:
            new = NewJob(tenant, DOCUMENT_JOB, "key", {}, subject=subject)
            return await self.jobs.create(connection, new)

    async def indexed(self, tenant: str = "acme", id: str = "doc_1") -> Collection:
        """A document that is in a collection."""
        collection = await self.collection(tenant)
        await self.do("add", document(id, tenant))
        await self.do("place", tenant, id, NewPlace(collection.id))
        return collection


@pytest.fixture
async def database(tenants_url: str) -> AsyncIterator[Database]:
    database = Database(tenants_url)
    yield database
    await database.close()


@pytest.fixture
def stored(database: Database) -> StoredDocuments:
    clock = ManualClock()
    return StoredDocuments(
        database,
        DocumentStore(clock, QUOTA),
        CollectionRepository(clock),
        PointRepository(clock),
        JobStore(database, clock, Random(3)),
    )
