"""Points of collections in requests: texts become vectors, then they are stored or searched.

In: an admitted request, a collection by its name or id, and points or a query. Out: what has
changed, or what was found. Vectors come from the request path of embeddings, so calls of the model
are limited, guarded and charged as any other. A search names the state of the collection at its
beginning, and so sees each change that was answered before.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.collections.generations import GenerationRepository
from cluster.collections.model import (
    Collection,
    CollectionChanged,
    PointsChange,
)
from cluster.collections.points import PointRepository
from cluster.collections.repository import CollectionRepository, LimitsOf, is_use_late
from cluster.runtime.clock import Clock
from cluster.runtime.problems import NotInstalled
from cluster.storage.database import Database, DatabaseUnavailable
from cluster.tenants.units import UsageAmounts
from cluster.tracing.genai_names import SEARCH as SEARCH_CALL
from deployments.collections.reindex_job import ReindexOrders
from deployments.contracts.search import (
    MAX_MATCHES,
    SEARCH,
    CollectionSearch,
    CollectionVersion,
    SearchAnswer,
    SearchMode,
    SearchRequest,
)
from deployments.ingress.context import RESERVE, AdmittedRequest
from deployments.ingress.pipeline.collection_embedder import (
    CollectionEmbedder,
    GivenPoint,
    GivenQuery,
    mode_of,
)
from deployments.ingress.pipeline.embedding_pipeline import EmbeddingPipeline
from deployments.ingress.pipeline.metering import Meter
from deployments.jobs.store import JobStore

TRIES = 3  # of what is done with a collection that is reindexed meanwhile
LEAST_S = 1.0  # of a request's time, for another round of deletions
NOT_SERVED = "Collections are not searched here: no deployment 'Search' is served."
INSTALL = "Set `search.enabled: true` in serve_config.yaml."

Also = Callable[[AsyncConnection, PointsChange, int], Awaitable[None]]  # and the tokens


@dataclass(frozen=True, slots=True)
class FoundPoints:
    """`tokens` are those of the query that an embedding model has read."""

    collection: Collection
    mode: SearchMode
    answer: SearchAnswer
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class DeletedPoints:
    """Not `is_complete`: the request's time was over, and points that match are left."""

    collection: Collection
    deleted: int
    is_complete: bool = True


@dataclass(frozen=True)
class CollectionServices:
    """`search` None: nothing searches here."""

    database: Database
    collections: CollectionRepository
    points: PointRepository
    embedder: CollectionEmbedder
    meter: Meter
    clock: Clock
    reindexings: ReindexOrders
    search: CollectionSearch | None = None

    async def get(self, tenant: str, name: str) -> Collection:
        """By id or name. Raises NotFound."""
        async with self.database.read() as connection:
            return await self.collections.get(connection, tenant, name)

    async def put(
        self,
        request: AdmittedRequest,
        name: str,
        given: Sequence[GivenPoint],
        *,
        truncate: bool = False,
        also: Also | None = None,
    ) -> tuple[PointsChange, int]:
        """Stores points with different ids; returns the tokens of their texts too. `also` writes in
        the same transaction. `truncate`: the vector of a text that is too long for the model is
        that of its beginning.

        Raises NotFound, CollectionPaused, CollectionsFull, DimensionsDiffer, InvalidRequest
        (`points.N.text`, `points.N.vector`), and what embedding raises.
        """
        tenant, tokens = request.caller.tenant, 0
        for left in reversed(range(TRIES)):
            collection = await self.get(tenant, name)
            drafts, read = await self.embedder.drafts(request, collection, given, truncate=truncate)
            tokens += read
            try:
                async with self.database.begin() as connection:
                    change = await self.points.upsert(connection, tenant, collection, drafts)
                    if also is not None:
                        await also(connection, change, tokens)
                    return change, tokens
            except CollectionChanged:
                if not left:
                    raise
        raise AssertionError("unreachable")

    async def delete(
        self, request: AdmittedRequest, name: str, ids: Sequence[str]
    ) -> DeletedPoints:
        """Those that exist. Raises NotFound for the collection."""
        tenant = request.caller.tenant
        collection = await self.get(tenant, name)
        async with self.database.begin() as connection:
            change = await self.points.delete(connection, tenant, collection.id, ids)
        return DeletedPoints(change.collection, change.deleted)

    async def delete_matching(
        self, request: AdmittedRequest, name: str, filter: Mapping[str, Any]
    ) -> DeletedPoints:
        """Those that pass the filter, also those that come to do so meanwhile, a page at a time. A
        point that is changed so that it does not any more is left."""
        tenant, deleted = request.caller.tenant, 0
        tries = TRIES
        collection = await self.get(tenant, name)
        while True:
            try:
                answer = await self.ask(
                    request,
                    collection,
                    mode="match",
                    limit=MAX_MATCHES,
                    filter=filter,
                    with_text=False,
                    with_payload=False,
                )
            except CollectionChanged:
                tries -= 1
                if not tries:
                    raise
                collection = await self.get(tenant, collection.id)
                continue
            if not answer.hits:
                return DeletedPoints(collection, deleted)
            ids = [hit.id for hit in answer.hits]
            async with self.database.begin() as connection:
                change = await self.points.delete(
                    connection, tenant, collection.id, ids, up_to=answer.sequence
                )
            collection, deleted = change.collection, deleted + change.deleted
            if request.timeout_s("ingress") < LEAST_S:
                return DeletedPoints(collection, deleted, is_complete=False)

    async def find(self, request: AdmittedRequest, name: str, query: GivenQuery) -> FoundPoints:
        """Raises NotFound, InvalidRequest (`text`, `vector`, `mode`), DimensionsDiffer, and what
        embedding and the search raise."""
        for left in reversed(range(TRIES)):
            collection = await self.get(request.caller.tenant, name)
            mode = mode_of(collection, query)
            text, vector, tokens = await self.embedder.query(request, collection, query, mode)
            try:
                answer = await self.ask(
                    request,
                    collection,
                    mode=mode,
                    limit=query.limit,
                    text=text,
                    vector=vector,
                    filter=query.filter,
                    min_score=query.min_score,
                    alpha=query.alpha,
                    fusion=query.fusion,
                    with_text=query.with_text,
                    with_payload=query.with_payload,
                    explain=query.explain,
                )
                break
            except CollectionChanged:  # its vectors may be another model's now
                if not left:
                    raise
        if is_use_late(collection, self.clock.wall()):
            async with self.database.begin() as connection:
                await self.collections.touch(connection, collection.tenant, collection.id)
        return FoundPoints(collection, mode, answer, tokens)

    async def ask(
        self, request: AdmittedRequest, collection: Collection, **query: Any
    ) -> SearchAnswer:
        """One call of what searches, with the fields of SearchRequest; a call that fails costs
        nothing. Raises NotInstalled, and what limits and the search raise."""
        if self.search is None:
            raise NotInstalled(NOT_SERVED, INSTALL)
        timer = request.timer
        since = timer.clock.monotonic()
        reservation = await request.permit.reserve(SEARCH, UsageAmounts())
        timer.add_stage(RESERVE, since)
        requests = 0
        try:
            with timer.encoder_call(SEARCH_CALL, SEARCH) as timed:
                sent = SearchRequest(
                    request_id=request.request_id,
                    caller=request.caller,
                    collection=version_of(collection),
                    timeout_s=request.timeout_s("ingress"),
                    priority=request.priority,
                    trace=timed.trace,
                    trace_state=timer.trace_state,
                    **query,
                )
                answer = await self.search.search(sent)
            requests = 1
        finally:
            reservation.settle(UsageAmounts(), requests=requests)
        self.meter.record_call(
            request.caller,
            request.plan,
            SEARCH,
            UsageAmounts(),
            request.tags,
            collected=request.collected,
        )
        return answer


def require_collections(collections: CollectionServices | None) -> CollectionServices:
    """Raises DatabaseUnavailable where there is no store."""
    if collections is None:
        raise DatabaseUnavailable
    return collections


def collection_services(
    database: Database,
    limits_of: LimitsOf,
    embeddings: EmbeddingPipeline,
    meter: Meter,
    clock: Clock,
    jobs: JobStore,
    wake: Callable[[], None],
    search: CollectionSearch | None,
) -> CollectionServices:
    return CollectionServices(
        database,
        CollectionRepository(clock, limits_of),
        PointRepository(clock, limits_of),
        CollectionEmbedder(embeddings),
        meter,
        clock,
        ReindexOrders(jobs, GenerationRepository(clock), wake),
        search,
    )


def version_of(collection: Collection) -> CollectionVersion:
    return CollectionVersion(
        collection.id,
        collection.generation,
        collection.sequence,
        collection.purged,
        collection.dimensions,
        collection.metric,
    )
