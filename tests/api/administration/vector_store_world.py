"""A vector store of acme for the world of administration."""

from collections.abc import Mapping

from cluster.collections.model import CollectionDraft
from cluster.collections.repository import CollectionRepository
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from deployments.documents.model import DocumentPlace, NewPlace
from deployments.documents.store import DocumentStore
from deployments.vector_stores.model import NewStoreFile
from deployments.vector_stores.store import VectorStoreRepository


async def seed_vector_store(
    database: Database, clock: Clock, file: str, document: str
) -> Mapping[str, str]:
    """A store whose file is the document, and a batch of it."""
    stores, documents = VectorStoreRepository(clock), DocumentStore(clock)
    async with database.begin() as connection:
        draft = CollectionDraft(model="letters")
        made = await CollectionRepository(clock).create(connection, "acme", "k", draft)
        await stores.add(connection, "acme", made.id, "handbook", {})
        batch = await stores.add_batch(connection, "acme", made.id)
        new = NewStoreFile(file, "a.jsonl")
        await stores.put(connection, "acme", "k", made.id, [new], "none", batch)
        await stores.set_file(connection, "acme", made.id, file, document=document)
        await documents.place(connection, "acme", document, NewPlace(made.id))
        place = DocumentPlace(made.id, "indexed", 0, {})
        await documents.set_place(connection, "acme", document, place)
    return {"store": made.id, "file_batch": batch}
