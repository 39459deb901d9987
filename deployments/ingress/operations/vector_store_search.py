"""Searches of vector stores: for `/v1/vector_stores/{id}/search` and the tool `file_search`.

    scope -> guardrails -> embed the queries -> search each store -> the best passages of all

Any collection of the tenant can be searched so, by its id; points that are no part of a file are
named by their own ids.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cluster.collections.filters import check_filter
from cluster.collections.model import Collection
from cluster.collections.vectors import query_vector
from cluster.runtime.problems import InvalidRequest, NotFound
from cluster.tenants.caller import Scope
from deployments.contracts.embedding import EmbedRequest, Vectors
from deployments.contracts.search import CollectionVersion, SearchHit, SearchRequest
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.documents import DocumentServices, require_documents, require_search
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.schemas.file_search import (
    ComparisonFilter,
    CompoundFilter,
    RankingOptions,
)
from deployments.vector_stores.filters import comparison_filter
from deployments.vector_stores.model import no_store
from deployments.vector_stores.passages import FilePassage

_Queries = dict[str, Vectors]  # vectors of all the queries, by model


class VectorStoreSearcher:
    """Implements FileSearcher (operations/responses.py)."""

    def __init__(self, documents: DocumentServices | None, embeddings: EmbeddingPipeline) -> None:
        self._documents = documents
        self._embeddings = embeddings

    async def find(
        self,
        request: AdmittedRequest,
        stores: Sequence[str],
        queries: Sequence[str],
        limit: int,
        filters: ComparisonFilter | CompoundFilter | None,
        ranking: RankingOptions,
    ) -> list[FilePassage]:
        """The best passages of all the stores, for whichever of the queries. Raises Forbidden,
        NotFound, NotInstalled, and what guardrails, limits, the embedding model and the search
        raise."""
        request.require(Scope.SEARCH_READ)
        request.require_analysis(Scope.SEARCH_READ)
        documents = require_documents(self._documents)
        require_search(documents)
        collections = await self._collections(documents, request, stores)
        texts = await self._embeddings.checked(tuple(queries), request)
        vectors = await self._vectors(request, collections, texts)
        search = _Search(documents, request, limit, _checked(filters), ranking)
        found = await asyncio.gather(
            *(
                search.run(collection, text, _vector(collection, vectors, index))
                for collection in collections
                for index, text in enumerate(texts)
            )
        )
        best: dict[tuple[str, str], tuple[float, SearchHit]] = {}
        for collection, hits in found:
            for hit in hits:
                place, score = (collection.id, hit.id), _score(hit)
                if place not in best or best[place][0] < score:
                    best[place] = score, hit
        least = ranking.score_threshold or 0.0
        ordered = sorted(best.items(), key=lambda each: (-each[1][0], each[0]))
        kept = [_passage(hit, score) for _, (score, hit) in ordered if score >= least]
        return kept[:limit]

    async def _collections(
        self, documents: DocumentServices, request: AdmittedRequest, stores: Sequence[str]
    ) -> list[Collection]:
        tenant, found, late = request.caller.tenant, [], []
        async with documents.database.read() as connection:
            for id in dict.fromkeys(stores):
                try:
                    found.append(await documents.collections.get(connection, tenant, id))
                except NotFound:
                    raise no_store(id) from None
        late = [each for each in found if documents.collections.is_use_late(each)]
        if late:
            async with documents.database.begin() as connection:
                for each in late:
                    await documents.collections.touch(connection, tenant, each.id)
        return found

    async def _vectors(
        self, request: AdmittedRequest, collections: Sequence[Collection], texts: Sequence[str]
    ) -> _Queries:
        models = {each.model for each in collections if each.model and each.points}
        found: _Queries = {}
        for number, model in enumerate(sorted(models)):
            asked = EmbedRequest(
                request_id=f"{request.request_id}-q{number}",
                caller=request.caller,
                model=model,
                texts=tuple(texts),
                timeout_s=request.timeout_s("ingress"),
                priority=request.priority,
                input_types=("query",),
                truncate=True,
            )
            found[model] = (await self._embeddings.embed(asked, request)).vectors
        return found


@dataclass(frozen=True, slots=True)
class _Search:
    """Of one request, in each of its stores."""

    documents: DocumentServices
    request: AdmittedRequest
    limit: int
    filter: dict[str, Any] | None
    ranking: RankingOptions

    async def run(
        self, collection: Collection, text: str, vector: bytes
    ) -> tuple[Collection, Sequence[SearchHit]]:
        if not collection.points:
            return collection, ()
        request = self.request
        version = CollectionVersion(
            collection.id,
            collection.generation,
            collection.sequence,
            collection.purged,
            collection.dimensions,
            collection.metric,
        )
        answer = await require_search(self.documents).search(
            SearchRequest(
                request_id=request.request_id,
                caller=request.caller,
                collection=version,
                mode="hybrid" if vector else "text",
                limit=self.limit,
                text=text,
                vector=vector,
                filter=self.filter,
                alpha=self.ranking.alpha if vector else None,
                timeout_s=request.timeout_s("ingress"),
                priority=request.priority,
            )
        )
        return collection, answer.hits


def _checked(filters: ComparisonFilter | CompoundFilter | None) -> dict[str, Any] | None:
    """Raises InvalidRequest (filters)."""
    found = collection_filter(filters)
    if found is not None:
        check_filter(found, "filters")
    return found


def collection_filter(filters: ComparisonFilter | CompoundFilter | None) -> dict[str, Any] | None:
    """Over payloads of points, as docs/guides/search.md has filters."""
    if filters is None:
        return None
    if isinstance(filters, CompoundFilter):
        return {filters.type: [collection_filter(each) for each in filters.filters]}
    return comparison_filter(filters)


def _vector(collection: Collection, vectors: _Queries, index: int) -> bytes:
    """Of query `index`; empty where the collection has no vectors."""
    if collection.model not in vectors:
        return b""
    try:
        return query_vector(vectors[collection.model][index], collection.metric)
    except ValueError as error:
        raise InvalidRequest(f"query: its vector {error}.", param="query") from None


def _score(hit: SearchHit) -> float:
    """From 0 to 1."""
    return min(1.0, max(0.0, hit.score))


def _passage(hit: SearchHit, score: float) -> FilePassage:
    said = hit.payload
    file = str(said.get("file") or said.get("document") or hit.id)
    name = str(said.get("filename") or said.get("name") or said.get("title") or file)
    attributes = said.get("attributes")
    return FilePassage(
        file,
        name,
        score,
        hit.text,
        {
            key: value
            for key, value in (attributes.items() if isinstance(attributes, dict) else ())
            if isinstance(value, str | float | int | bool)
        },
    )
