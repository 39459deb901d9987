"""A search of collections for tests: reads every point from the store for each query."""

from typing import Any

import numpy as np
from sqlalchemy import select

from cluster.collections.filters import matches
from cluster.collections.vectors import unpack_vector
from cluster.storage.database import Database
from cluster.storage.tables import points
from deployments.contracts.search import SearchAnswer, SearchHit, SearchRequest


class PointSearch:
    """Implements CollectionSearch: by the cosine and by the share of the query's words."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.requests: list[SearchRequest] = []

    async def search(self, request: SearchRequest) -> SearchAnswer:
        self.requests.append(request)
        collection = request.collection
        query = select(points).where(
            points.c.tenant == request.caller.tenant,
            points.c.collection == collection.id,
            points.c.generation == collection.generation,
            points.c.deleted.is_(False),
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        found = [row for row in rows if _passes(row.payload, request.filter)]
        hits = sorted((_hit(request, row) for row in found), key=lambda hit: (-hit.score, hit.id))
        return SearchAnswer(tuple(hits[: request.limit]), collection.sequence, len(found))


def _passes(payload: dict[str, Any], conditions: Any) -> bool:
    return conditions is None or matches(conditions, payload)


def _hit(request: SearchRequest, row: Any) -> SearchHit:
    words = set(request.text.casefold().split())
    text_score = len(words & set(row.text.casefold().split())) / max(1, len(words))
    vector_score = 0.0
    if request.vector and row.vector is not None:
        asked = np.frombuffer(request.vector, "<f4")
        vector_score = float(asked @ unpack_vector(row.vector))
    return SearchHit(
        row.id, vector_score + text_score, row.text, row.payload, vector_score, text_score
    )
