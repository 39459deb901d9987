"""Searches of vector stores: for `/v1/vector_stores/{id}/search` and the tool `file_search`.

    scope and feature -> search each collection for each query -> the best passages of all

Any collection of the tenant can be searched so, by its id; points that are no part of a file are
named by their own ids.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from cluster.collections.filters import check_filter
from cluster.runtime.problems import NotFound
from cluster.tenants.caller import Scope
from deployments.contracts.search import SearchHit
from deployments.ingress.collections import CollectionServices, require_collections
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.pipeline.collection_embedder import GivenQuery
from deployments.ingress.schemas.file_search import (
    ComparisonFilter,
    CompoundFilter,
    RankingOptions,
)
from deployments.ingress.translation.problems import FieldNames, renamed_fields
from deployments.vector_stores.filters import comparison_filter
from deployments.vector_stores.model import no_store
from deployments.vector_stores.passages import FilePassage

_FIELDS: FieldNames = ((re.compile(r"(text|vector)\b"), "query"),)


class VectorStoreSearcher:
    """Implements FileSearcher (operations/responses.py)."""

    def __init__(self, collections: CollectionServices | None) -> None:
        self._collections = collections

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
        NotFound, NotInstalled, InvalidRequest (`filters`), and what guardrails, limits, the
        embedding model and the search raise."""
        request.require(Scope.SEARCH_READ)
        request.require_analysis(Scope.SEARCH_READ)
        filter = _checked_filter(filters)
        asked = [
            (store, GivenQuery(text, limit=limit, filter=filter, alpha=ranking.alpha))
            for store in dict.fromkeys(stores)
            for text in dict.fromkeys(queries)
        ]
        found = await asyncio.gather(*(self._find(request, *each) for each in asked))
        best: dict[tuple[str, str], tuple[float, SearchHit]] = {}
        for id, hits in found:
            for hit in hits:
                place, score = (id, hit.id), _score(hit)
                if place not in best or best[place][0] < score:
                    best[place] = score, hit
        least = ranking.score_threshold or 0.0
        ordered = sorted(best.items(), key=lambda each: (-each[1][0], each[0]))
        kept = [_passage(hit, score) for _, (score, hit) in ordered if score >= least]
        return kept[:limit]

    async def _find(
        self, request: AdmittedRequest, store: str, query: GivenQuery
    ) -> tuple[str, Sequence[SearchHit]]:
        """The collection's id, and what is in it."""
        try:
            with renamed_fields(_FIELDS):
                found = await require_collections(self._collections).find(request, store, query)
        except NotFound as problem:
            if problem.param != "collection":
                raise
            raise no_store(store) from None
        return found.collection.id, found.answer.hits


def _checked_filter(filters: ComparisonFilter | CompoundFilter | None) -> dict[str, Any] | None:
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
