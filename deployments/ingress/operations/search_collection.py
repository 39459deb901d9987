"""`query_collection`: what of a collection is like a text or a vector."""

from typing import Any

from cluster.collections.filters import check_filter
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.search import SearchHit
from deployments.ingress.collections import CollectionServices, require_collections
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.pipeline.collection_embedder import GivenQuery
from deployments.ingress.schemas.collections import QueryCollectionRequest, vector_of


class QueryCollection:
    """Finds the points of a collection that are most like a text, by its meaning and its words, or
    a vector. A query sees every change of points that was answered before it."""

    schema = QueryCollectionRequest
    request_class = RequestClass.ANALYSE
    scope = Scope.SEARCH_READ
    can_stream = False

    def __init__(self, collections: CollectionServices | None) -> None:
        self._collections = collections

    async def answer(
        self, request: AdmittedRequest, body: QueryCollectionRequest
    ) -> dict[str, Any]:
        """Raises InvalidRequest (`filter...`), and what CollectionServices.find raises."""
        collections = require_collections(self._collections)
        if body.filter is not None:
            check_filter(body.filter)
        query = GivenQuery(
            body.text,
            None if body.vector is None else vector_of(body.vector),
            body.limit,
            body.mode,
            body.filter,
            body.min_score,
            body.alpha,
            body.fusion,
            body.include_text,
            body.include_payload,
            body.explain,
        )
        found = await collections.find(request, body.collection, query)
        answer, tokens = found.answer, found.tokens
        return {
            "id": f"query-{request.request_id}",
            "object": "collection.query",
            "created": request.created,
            "collection": found.collection.id,
            "mode": found.mode,
            "results": [_result(hit, body) for hit in answer.hits],
            "matched": answer.matched,
            "sequence": answer.sequence,
            "exact": answer.is_exact,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    async def events(self, request: AdmittedRequest, body: QueryCollectionRequest) -> Events:
        """One event, the whole answer: there is nothing to stream."""
        yield None, await self.answer(request, body)


def _result(hit: SearchHit, body: QueryCollectionRequest) -> dict[str, Any]:
    result: dict[str, Any] = {"id": hit.id, "score": hit.score}
    if body.include_text:
        result["text"] = hit.text
    if body.include_payload:
        result["payload"] = dict(hit.payload)
    if body.explain:
        result["explanation"] = {
            "vector_score": hit.vector_score,
            "text_score": hit.text_score,
            "vector_rank": hit.vector_rank,
            "text_rank": hit.text_rank,
        }
    return result
