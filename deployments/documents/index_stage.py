"""The part of a document job that indexes: chunks in, points of collections in the database.

Points are written some at a time, in one transaction with a checkpoint and the charge for their
vectors; so an attempt after a crash goes on after the last that were written. A collection that is
reindexed meanwhile takes them anew from the first.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.model import (
    Collection,
    CollectionChanged,
    CollectionPaused,
    PointDraft,
)
from cluster.collections.points import PointRepository
from cluster.collections.repository import CollectionRepository
from cluster.collections.vectors import pack_vectors
from cluster.runtime.problems import InvalidRequest, NotFound
from cluster.storage.database import Database
from cluster.usage.collected_usage import CollectedUsage, CollectedUsageStore
from deployments.contracts.jobs import JobContext
from deployments.documents.chunking import chunk_blocks
from deployments.documents.model import DocumentPlace, StoredChunk, TenantDocument
from deployments.documents.ports import DocumentCalls
from deployments.documents.store import DocumentStore

CHUNKS_AT_ONCE = 32  # of one call of the embedding model
MAX_REINDEXED = 5  # times that a collection may change its points meanwhile


def point_id(document: str, chunk: int) -> str:
    return f"{document}:{chunk:06d}"


def point_payload(
    document: TenantDocument, chunk: StoredChunk, beside: Mapping[str, Any]
) -> dict[str, Any]:
    """Of a chunk's point. Its text begins with the headings above the chunk, which itself begins
    at code point `offset`."""
    return {
        **beside,
        "document": document.id,
        "name": document.name,
        "chunk": chunk.number,
        "page": chunk.page,
        "block": chunk.block,
        "start": chunk.start,
        "last_block": chunk.last_block,
        "end": chunk.end,
        "offset": len(chunk.indexed_text) - len(chunk.text),
    }


class IndexStage:
    """Of one process."""

    def __init__(
        self,
        database: Database,
        store: DocumentStore,
        collections: CollectionRepository,
        points: PointRepository,
        calls: DocumentCalls,
        usage: CollectedUsageStore,
    ) -> None:
        self._database = database
        self._store = store
        self._collections = collections
        self._points = points
        self._calls = calls
        self._usage = usage

    async def run(
        self,
        work: JobContext,
        document: TenantDocument,
        place: DocumentPlace,
        span: tuple[float, float],
    ) -> int:
        """How many points the document has in the collection. `span` are the percent of the job
        that this takes. Raises what the embedding model and collections raise; a collection that
        was deleted has none."""
        chunks = await self._chunks(document, place)
        checkpoint = f"indexed-{place.collection}"
        for _ in range(MAX_REINDEXED):
            try:
                collection = await self._collection(document.tenant, place.collection)
                await self._index(work, document, place, collection, chunks, checkpoint, span)
                return len(chunks)
            except CollectionChanged:
                continue
            except NotFound as problem:
                if problem.param != "collection":
                    raise
                return 0
        raise CollectionChanged(place.collection)

    async def _chunks(
        self, document: TenantDocument, place: DocumentPlace
    ) -> Sequence[StoredChunk]:
        """Those of the document, or others where the place cuts it otherwise."""
        words, overlap = place.options.get("words"), place.options.get("overlap")
        async with self._database.read() as connection:
            if words is None:
                return await self._store.chunks(connection, document.tenant, document.id)
            blocks = await self._store.blocks(connection, document.tenant, document.id)
        return await asyncio.to_thread(chunk_blocks, blocks, words=words, overlap=overlap)

    async def _collection(self, tenant: str, id: str) -> Collection:
        async with self._database.read() as connection:
            return await self._collections.get(connection, tenant, id)

    async def _index(
        self,
        work: JobContext,
        document: TenantDocument,
        place: DocumentPlace,
        collection: Collection,
        chunks: Sequence[StoredChunk],
        checkpoint: str,
        span: tuple[float, float],
    ) -> None:
        saved = work.checkpoints.get(checkpoint, {})
        done = saved["done"] if saved.get("generation") == collection.generation else 0
        beside = place.options.get("payload", {})
        while done < len(chunks):
            some = chunks[done : done + CHUNKS_AT_ONCE]
            usage = CollectedUsage()
            drafts = await self._drafts(work, document, collection, some, beside, usage)
            done += len(some)
            state = replace(place, points=done)

            async def write(
                connection: AsyncConnection,
                drafts: Sequence[PointDraft] = drafts,
                usage: CollectedUsage = usage,
                state: DocumentPlace = state,
            ) -> None:
                await self._store.set_place(connection, document.tenant, document.id, state)
                await self._points.upsert(connection, document.tenant, collection, drafts)
                await self._usage.store_collected(connection, [usage])

            saved = {"generation": collection.generation, "done": done}
            await self._write(work, checkpoint, saved, write)
            self._usage.confirm_collected([usage])
            first, last = span
            await work.report("indexing", first + (last - first) * done / len(chunks))

    async def _write(
        self, work: JobContext, checkpoint: str, saved: Mapping[str, Any], write: Any
    ) -> None:
        """Waits while the collection takes no points for a moment."""
        while True:
            try:
                await work.checkpoint(checkpoint, saved, write)
                return
            except CollectionPaused as problem:
                wait_s = float(problem.extensions.get("retry_after_s") or 1.0)
            await asyncio.sleep(min(wait_s, 5.0))

    async def _drafts(
        self,
        work: JobContext,
        document: TenantDocument,
        collection: Collection,
        chunks: Sequence[StoredChunk],
        beside: Mapping[str, Any],
        usage: CollectedUsage,
    ) -> list[PointDraft]:
        """Without vectors where callers give the collection's own."""
        packed: Sequence[bytes | str | None] = [None] * len(chunks)
        if collection.model:
            texts = [chunk.indexed_text for chunk in chunks]
            vectors = await self._calls.embed(work.job, collection, texts, usage)
            packed = pack_vectors(vectors, collection.metric)
        for vector in packed:
            if isinstance(vector, str):
                raise InvalidRequest(f"A chunk's vector {vector}.")
        return [
            PointDraft(
                point_id(document.id, chunk.number),
                chunk.indexed_text,
                point_payload(document, chunk, beside),
                vector if isinstance(vector, bytes) else None,
            )
            for chunk, vector in zip(chunks, packed, strict=True)
        ]
