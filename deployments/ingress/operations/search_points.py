"""`put_points` and `delete_points`: changes of what collections hold."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.filters import check_filter
from cluster.collections.model import PointsChange
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.collections import CollectionServices, require_collections
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.pipeline.collection_embedder import GivenPoint
from deployments.ingress.schemas.collections import (
    DeletePointsRequest,
    PutPointsRequest,
    vector_of,
)


class PutPoints:
    """Stores up to 256 points of a collection under their ids. Queries that begin after the answer
    see them."""

    schema = PutPointsRequest
    request_class = RequestClass.EMBED
    scope = Scope.SEARCH_WRITE
    can_stream = False

    def __init__(self, collections: CollectionServices | None) -> None:
        self._collections = collections

    async def answer(self, request: AdmittedRequest, body: PutPointsRequest) -> dict[str, Any]:
        """Raises what CollectionServices.put raises."""
        collections = require_collections(self._collections)
        given = [
            GivenPoint(
                point.id,
                point.text,
                point.payload,
                None if point.vector is None else vector_of(point.vector),
            )
            for point in body.points
        ]

        async def store_response(
            connection: AsyncConnection, change: PointsChange, tokens: int
        ) -> None:
            if request.store_response is not None:
                await request.store_response(connection, _put_answer(change, tokens))

        change, tokens = await collections.put(
            request, body.collection, given, truncate=body.truncate, also=store_response
        )
        return _put_answer(change, tokens)

    async def events(self, request: AdmittedRequest, body: PutPointsRequest) -> Events:
        """One event, the whole answer: there is nothing to stream."""
        yield None, await self.answer(request, body)


class DeletePoints:
    """Deletes points of a collection: those with the given ids, or those that pass a filter.
    Queries that begin after the answer find none of them."""

    schema = DeletePointsRequest
    request_class = RequestClass.ADMIN
    scope = Scope.SEARCH_WRITE
    can_stream = False

    def __init__(self, collections: CollectionServices | None) -> None:
        self._collections = collections

    async def answer(self, request: AdmittedRequest, body: DeletePointsRequest) -> dict[str, Any]:
        """Raises InvalidRequest (`filter...`), and what CollectionServices.delete raises."""
        collections = require_collections(self._collections)
        if body.filter is not None:
            check_filter(body.filter)
            done = await collections.delete_matching(request, body.collection, body.filter)
        else:
            done = await collections.delete(request, body.collection, body.ids or ())
        return {
            "object": "collection.points.delete",
            "collection": done.collection.id,
            "deleted": done.deleted,
            "complete": done.is_complete,
            "sequence": done.collection.sequence,
        }

    async def events(self, request: AdmittedRequest, body: DeletePointsRequest) -> Events:
        """One event, the whole answer: there is nothing to stream."""
        yield None, await self.answer(request, body)


def _put_answer(change: PointsChange, tokens: int) -> dict[str, Any]:
    return {
        "object": "collection.points.put",
        "collection": change.collection.id,
        "inserted": change.inserted,
        "replaced": change.replaced,
        "sequence": change.collection.sequence,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
