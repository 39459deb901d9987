"""Finds the passages of documents that are about a question.

    wait until the documents are indexed -> guardrails -> embed the question -> search -> passages

Flows in: a question of an admitted request, and which documents. Flows out: chunks, best first,
with what it takes to cite them. The tenant is the caller's, whatever is named.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.model import Collection, CollectionChanged
from cluster.runtime.problems import Conflict, NotFound
from deployments.contracts.embedding import Vectors
from deployments.contracts.search import SearchHit
from deployments.documents.citations import Blocks, Passage, blocks_of
from deployments.documents.model import DEFAULT_COLLECTION, DocumentNotIndexed
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.documents import DocumentServices
from deployments.ingress.pipeline.collection_embedder import DOCUMENT, GivenQuery
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline

POLL_S = 0.1  # while a document is not indexed
MAX_TRIES = 3  # of a search whose collection is reindexed meanwhile
MARGIN_S = 1.0  # of the deadline, for the refusal


@dataclass(frozen=True, slots=True)
class PassageQuery:
    """`documents` None: all of the collection; `collection` None: where the documents are."""

    text: str
    documents: Sequence[str] | None = None
    collection: str | None = None
    limit: int = 5


@dataclass(frozen=True, slots=True)
class FoundPassages:
    """`question` is as guardrails let it through, `model` what embedded it (empty: nothing)."""

    question: str
    passages: Sequence[Passage]
    model: str


class PassageFinder:
    def __init__(self, documents: DocumentServices, embeddings: EmbeddingPipeline) -> None:
        self._documents = documents
        self._embeddings = embeddings

    async def find(self, request: AdmittedRequest, query: PassageQuery) -> FoundPassages:
        """Raises NotFound, DocumentNotIndexed, NotInstalled, and what guardrails, limits, the
        embedding model and the search raise."""
        (text,) = await self._embeddings.checked((query.text,), request)
        for _ in range(MAX_TRIES - 1):
            with contextlib.suppress(CollectionChanged):
                return await self._search(request, query, text)
        return await self._search(request, query, text)

    async def _search(
        self, request: AdmittedRequest, query: PassageQuery, text: str
    ) -> FoundPassages:
        """Raises CollectionChanged where the collection is reindexed meanwhile."""
        collection = await self._collection(request, query)
        if collection is None:
            return FoundPassages(text, (), "")
        given = GivenQuery(text=text, limit=query.limit, filter=documents_filter(query.documents))
        found = await self._documents.collections.find(request, collection.id, given)
        return FoundPassages(text, passages_of(found.answer.hits), found.collection.model)

    async def embed(self, request: AdmittedRequest, model: str, texts: Sequence[str]) -> Vectors:
        """One row a text."""
        embedder = self._documents.collections.embedder
        vectors, _ = await embedder.embed(request, model, tuple(texts), DOCUMENT, truncate=True)
        return vectors

    async def blocks(self, request: AdmittedRequest, passages: Sequence[Passage]) -> Blocks:
        """The blocks that quotes of the passages may be in, as they are now."""
        documents, tenant = self._documents, request.caller.tenant
        found: Blocks = {}
        async with documents.database.read() as connection:
            for document, numbers in blocks_of(passages).items():
                blocks = await documents.store.blocks(
                    connection, tenant, document, numbers=sorted(numbers)
                )
                found = {**found, **{(document, block.number): block for block in blocks}}
        return found

    async def _collection(self, request: AdmittedRequest, query: PassageQuery) -> Collection | None:
        """The one to search, once it has the documents. None: nothing was indexed ever."""
        while True:
            try:
                return await self._ready_collection(request, query)
            except DocumentNotIndexed as problem:
                if not problem.will_be:
                    raise
                left_s = request.timeout_s("ingress") - MARGIN_S
                if left_s <= 0:
                    raise
                await asyncio.sleep(min(POLL_S, left_s))

    async def _ready_collection(
        self, request: AdmittedRequest, query: PassageQuery
    ) -> Collection | None:
        documents, tenant = self._documents, request.caller.tenant
        repository = documents.collections.collections
        async with documents.database.read() as connection:
            name = query.collection
            if name is None and query.documents is not None:
                name = await self._shared_place(connection, tenant, query.documents)
            try:
                collection = await repository.get(connection, tenant, name or DEFAULT_COLLECTION)
            except NotFound:
                if name is None:
                    return None
                raise
            ids = list(dict.fromkeys(query.documents or ()))
            for document in await documents.store.unindexed(connection, tenant, ids, collection.id):
                if document.state == "failed":
                    raise DocumentNotIndexed(document.id, document.problem or {})
                places = await documents.store.places(connection, tenant, document.id)
                if collection.id not in {place.collection for place in places}:
                    raise Conflict(
                        f"Document '{document.id}' is not in collection '{collection.name}'.",
                        param="documents",
                    )
                raise DocumentNotIndexed(document.id)
            return collection

    async def _shared_place(
        self, connection: AsyncConnection, tenant: str, ids: Sequence[str]
    ) -> str:
        """A collection that all of the documents are, or will be, in. Raises NotFound, Conflict."""
        documents, shared = self._documents, None
        for id in dict.fromkeys(ids):
            document = await documents.store.get(connection, tenant, id)
            places = await documents.store.places(connection, tenant, document.id)
            here = {place.collection for place in places}
            if not here:
                raise Conflict(
                    f"Document '{id}' is in no collection: it was sent with `index` false.",
                    param="documents",
                )
            shared = here if shared is None else shared & here
        if not shared:
            raise Conflict("The documents are in different collections.", param="documents")
        if len(shared) > 1:
            with contextlib.suppress(NotFound):
                repository = documents.collections.collections
                default = await repository.get(connection, tenant, DEFAULT_COLLECTION)
                if default.id in shared:
                    return default.id
        return min(shared)


def documents_filter(documents: Sequence[str] | None) -> dict[str, object] | None:
    """As docs/guides/search.md has filters."""
    if documents is None:
        return None
    return {"in": {"document": list(dict.fromkeys(documents))}}


def passages_of(hits: Sequence[SearchHit]) -> tuple[Passage, ...]:
    """Those that are chunks of documents."""
    found: list[Passage] = []
    for hit in hits:
        said = hit.payload
        if not isinstance(said.get("document"), str) or "block" not in said:
            continue
        offset = int(said.get("offset", 0))
        found.append(
            Passage(
                number=len(found) + 1,
                document=said["document"],
                name=str(said.get("name", "")),
                page=int(said.get("page", 1)),
                block=int(said["block"]),
                start=int(said["start"]),
                last_block=int(said["last_block"]),
                end=int(said["end"]),
                text=hit.text[offset:],
                heading=hit.text[:offset].strip(),
                score=hit.score,
                vector_score=hit.vector_score,
                text_score=hit.text_score,
            )
        )
    return tuple(found)
