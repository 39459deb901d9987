"""Searches collections of tenants: the answer to a SearchRequest.

    bring the index up to date -> rank -> read texts -> (again, if a point has changed meanwhile)

In: requests, a database. Out: answers. A query sees every change that was made before the version
of its collection was read; the database decides what that is, so replicas and restarts change
nothing.
"""

import asyncio
from pathlib import Path

import numpy as np

from cluster.collections.model import CollectionChanged
from cluster.metrics.catalogue import search as metrics
from cluster.metrics.series import Reading
from cluster.runtime.problems import DeadlineExceeded
from cluster.storage.database import Database
from deployments.contracts.search import (
    MAX_MATCHES,
    MAX_RESULTS,
    SEARCH,
    SearchAnswer,
    SearchHit,
    SearchRequest,
)
from deployments.search.collection_index import IndexQuery, RankedPoint, Ranking
from deployments.search.figures import SearchFigures
from deployments.search.loaded_collections import LoadedCollection, LoadedCollections
from deployments.search.point_loader import PointLoader
from deployments.search.snapshot_store import SnapshotStore
from deployments.search.snapshot_writer import SnapshotWriter
from deployments.search.sweeper import SearchSweeper

MAX_BYTES = 2 << 30
_TRIES = 4  # of answers whose points change while they are read


class CollectionSearcher:
    """Create it on the loop that uses it; `close` it there. The database belongs to its owner.
    `max_bytes` bounds the collections that it has in memory, but for the one that is searched.
    Large ones have snapshots in `folder` (None: nowhere). Without `sweeper.start` those of deleted
    collections stay."""

    def __init__(
        self, database: Database, max_bytes: int = MAX_BYTES, folder: Path | None = None
    ) -> None:
        self.figures = SearchFigures()
        self._loader = PointLoader(database)
        store = None if folder is None else SnapshotStore(folder)
        self.snapshots = None if store is None else SnapshotWriter(store)
        self.loaded = LoadedCollections(self._loader, max_bytes, self.figures, self.snapshots)
        self.sweeper = SearchSweeper(self._loader, self.loaded, store)

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """Raises CollectionChanged where the collection was reindexed after the request's version
        of it was read, DeadlineExceeded, DatabaseUnavailable."""
        with self.figures.search(request.mode):
            try:
                async with asyncio.timeout(max(0.0, request.timeout_s)):
                    return await self._search(request)
            except TimeoutError:
                raise DeadlineExceeded(SEARCH) from None

    async def close(self) -> None:
        await self.sweeper.close()
        await self.loaded.close()

    def drop(self, tenant: str, collection: str) -> None:
        """The collection is deleted."""
        self.loaded.drop(tenant, collection)

    async def _search(self, request: SearchRequest) -> SearchAnswer:
        tenant, version = request.caller.tenant, request.collection
        for _ in range(_TRIES):
            loaded = await self.loaded.current(tenant, version)
            if loaded.generation != version.generation:
                raise CollectionChanged(version.id)
            ranking, sequence = await self._ranking(loaded, request)
            if not (request.with_text or request.with_payload) or not ranking.points:
                hits = tuple(_hit(point, "", {}) for point in ranking.points)
                return SearchAnswer(hits, sequence, ranking.matched, ranking.is_exact)
            hits, stale = await self._with_texts(request, ranking)
            if not stale:
                return SearchAnswer(hits, sequence, ranking.matched, ranking.is_exact)
            await self.loaded.refreshed(loaded, version)
        return SearchAnswer(hits, sequence, ranking.matched, ranking.is_exact)

    async def _ranking(
        self, loaded: LoadedCollection, request: SearchRequest
    ) -> tuple[Ranking, int]:
        index = loaded.index

        def work() -> tuple[Ranking, int]:
            if request.mode == "match":
                limit = min(request.limit, MAX_MATCHES)
                ranking = index.match(request.filter, request.after, limit)
            else:
                ranking = index.search(_query(request))
            return ranking, index.sequence

        ranking, sequence = await loaded.run(work)
        self.figures.approximate += not ranking.is_exact
        return ranking, sequence

    async def _with_texts(
        self, request: SearchRequest, ranking: Ranking
    ) -> tuple[tuple[SearchHit, ...], bool]:
        """The points that are as they were ranked; and whether others have changed."""
        version = request.collection
        ids = [point.id for point in ranking.points]
        found = await self._loader.texts(request.caller.tenant, version.id, version.generation, ids)
        hits = []
        for point in ranking.points:
            sequence, text, payload = found.get(point.id, (-1, "", {}))
            if sequence == point.sequence:
                text = text if request.with_text else ""
                hits.append(_hit(point, text, payload if request.with_payload else {}))
        return tuple(hits), len(hits) < len(ids)

    def read_metrics(self) -> list[Reading]:
        return [
            *self.figures.read(),
            (metrics.COLLECTIONS, [((), len(self.loaded))]),
            (metrics.POINTS, [((), self.loaded.points)]),
            (metrics.BYTES, [((), self.loaded.nbytes)]),
        ]


def _query(request: SearchRequest) -> IndexQuery:
    has_vector = request.mode != "text" and request.vector
    return IndexQuery(
        limit=min(request.limit, MAX_RESULTS),
        vector=np.frombuffer(request.vector, "<f4").astype(np.float32) if has_vector else None,
        text="" if request.mode == "vector" else request.text,
        filter=request.filter,
        min_score=request.min_score,
        alpha=0.5 if request.alpha is None else request.alpha,
        by_ranks=request.fusion == "ranks",
        explain=request.explain,
    )


def _hit(point: RankedPoint, text: str, payload: object) -> SearchHit:
    return SearchHit(
        point.id,
        point.score,
        text,
        payload if isinstance(payload, dict) else {},
        point.vector_score,
        point.text_score,
        point.vector_rank,
        point.text_rank,
    )
