"""A search of collections for tests: reads every point from the database for each query."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.filters import matches
from cluster.collections.vectors import unpack_vector
from cluster.storage.database import Database
from cluster.storage.tables import points
from cluster.usage.collected_usage import CollectedUsage
from deployments.contracts.search import SearchAnswer, SearchHit, SearchRequest


class BruteForceSearch:
    """Implements CollectionSearch. A text's score is the share of the query's words that it has."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.requests: list[SearchRequest] = []

    async def search(self, request: SearchRequest) -> SearchAnswer:
        self.requests.append(request)
        version, table = request.collection, points.c
        query = select(points).where(
            table.tenant == request.caller.tenant,
            table.collection == version.id,
            table.generation == version.generation,
            table.deleted.is_(False),
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(table.id))).all()
        passing = [
            row for row in rows if request.filter is None or matches(request.filter, row.payload)
        ]
        if request.mode == "match":
            hits = [SearchHit(row.id, 0.0) for row in passing if row.id > request.after]
        else:
            hits = _ranked([_hit(request, row) for row in passing], request)
        return SearchAnswer(tuple(hits[: request.limit]), version.sequence, len(passing))


class NotCharged:
    """A store of collected usage that keeps none."""

    async def store_collected(
        self, connection: AsyncConnection, collected: Iterable[CollectedUsage]
    ) -> None: ...

    def confirm_collected(self, collected: Iterable[CollectedUsage]) -> None: ...


def _hit(request: SearchRequest, row: Any) -> SearchHit:
    cosine = share = None
    if request.vector and row.vector is not None:
        cosine = float(np.frombuffer(request.vector, "<f4") @ unpack_vector(row.vector))
    words = request.text.split()
    if words:
        share = sum(word in row.text.split() for word in words) / len(words)
    score = (cosine or 0.0) + (share or 0.0)
    return SearchHit(row.id, score, row.text, row.payload, cosine, share)


def _ranked(hits: Sequence[SearchHit], request: SearchRequest) -> list[SearchHit]:
    found = [
        hit
        for hit in hits
        if (hit.vector_score is not None or hit.text_score)
        and (request.min_score is None or hit.score >= request.min_score)
    ]
    return sorted(found, key=lambda hit: (-hit.score, hit.id))
