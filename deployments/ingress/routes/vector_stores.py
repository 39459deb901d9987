"""`/v1/vector_stores`: OpenAI's vector stores, and searches of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.admission import MAX_RESOURCE
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.openapi import problem_responses, request_body
from deployments.ingress.http.request_body import receive_json
from deployments.ingress.operations.vector_store_search import VectorStoreSearcher
from deployments.ingress.permissions import services_of
from deployments.ingress.routes.operations import OPENAI, parse_body
from deployments.ingress.schemas.file_search import RankingOptions
from deployments.ingress.schemas.files import page_of
from deployments.ingress.schemas.vector_stores import (
    AutoChunking,
    ChunkSizes,
    DeletedVectorStore,
    FoundText,
    StaticChunking,
    StoreExpiresAfter,
    StoreFileCounts,
    VectorStoreCreate,
    VectorStoreFound,
    VectorStoreFoundPage,
    VectorStoreList,
    VectorStoreListQuery,
    VectorStoreObject,
    VectorStorePatch,
    VectorStoreSearchBody,
)
from deployments.ingress.vector_stores import NewVectorStore, VectorStores, vector_stores_of
from deployments.vector_stores.model import DAY_S, Chunking, NewStoreFile, VectorStore
from deployments.vector_stores.paging import PageWish

router = APIRouter(prefix="/v1/vector_stores", tags=["openai"])
LOOK = problem_responses(400, 401, 403, 404, 422, 429, 500, 503, 504, form="openai")
CHANGE = problem_responses(
    400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503, 504, form="openai"
)
StoreIdInPath = Annotated[str, Path(max_length=64, description="The vector store's id.")]
PageOf = Annotated[VectorStoreListQuery, Query()]


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """An admitted request that concerns vector stores of the caller's tenant."""

    request: AdmittedRequest
    stores: VectorStores

    @property
    def tenant(self) -> str:
        return self.request.caller.tenant


@asynccontextmanager
async def store_access(
    request: Request, scope: Scope, request_class: RequestClass
) -> AsyncIterator[StoreAccess]:
    services = services_of(request)
    context = authenticate(services, request, request_class)
    action = f"vector_stores.{request.method.lower()}"
    resource = request.scope["path"][:MAX_RESOURCE]
    async with services.admission.admitted(
        context, request_class, action, resource, scope
    ) as admitted:
        yield StoreAccess(admitted, vector_stores_of(services))


def reads(request: Request) -> Any:
    return store_access(request, Scope.SEARCH_READ, RequestClass.READ)


def writes(request: Request) -> Any:
    return store_access(request, Scope.SEARCH_WRITE, RequestClass.ADMIN)


async def body_of(request: Request, schema: type[Any]) -> Any:
    """The body; the response will name what of it has no effect."""
    return parse_body(request, await receive_json(request), schema, OPENAI)


@router.post(
    "",
    response_model=VectorStoreObject,
    responses=CHANGE,
    summary="Create a vector store",
    openapi_extra=request_body(VectorStoreCreate),
)
async def create_vector_store(request: Request) -> VectorStoreObject:
    """`file_ids` are put into it by a job. Each store is a collection with the same id."""
    async with writes(request) as access:
        body: VectorStoreCreate = await body_of(request, VectorStoreCreate)
        chunking = chunking_of(body.chunking_strategy)
        ids = list(dict.fromkeys(body.file_ids or ()))
        if ids:
            access.request.require(Scope.DOCUMENTS_WRITE)
        files = [NewStoreFile(id, "", {}, chunking) for id in ids]
        new = NewVectorStore(
            body.name or "", body.description, body.metadata or {}, _keep_s(body.expires_after)
        )
        return store_object(await access.stores.create(access.request, new, files))


@router.get("", response_model=VectorStoreList, responses=LOOK, summary="List vector stores")
async def list_vector_stores(query: PageOf, request: Request) -> VectorStoreList:
    async with reads(request) as access:
        stores = access.stores
        async with stores.database.read() as connection:
            found, has_more = await stores.repository.page(
                connection, access.tenant, wish_of(query)
            )
    return VectorStoreList(**page_of([store_object(each) for each in found], has_more=has_more))


@router.get(
    "/{store}",
    response_model=VectorStoreObject,
    responses=LOOK,
    summary="Show a vector store",
)
async def get_vector_store(store: StoreIdInPath, request: Request) -> VectorStoreObject:
    async with reads(request) as access:
        return store_object(await access.stores.get(access.tenant, store))


@router.post(
    "/{store}",
    response_model=VectorStoreObject,
    responses=CHANGE,
    summary="Change a vector store",
    openapi_extra=request_body(VectorStorePatch),
)
async def update_vector_store(store: StoreIdInPath, request: Request) -> VectorStoreObject:
    async with writes(request) as access:
        body: VectorStorePatch = await body_of(request, VectorStorePatch)
        given = body.model_fields_set
        columns: dict[str, object] = {}
        if "name" in given:
            columns["name"] = body.name or ""
        if "metadata" in given:
            columns["attributes"] = body.metadata or {}
        collection = {"keep_s": _keep_s(body.expires_after)} if "expires_after" in given else {}
        changed = await access.stores.change(access.tenant, store, columns, collection)
        return store_object(changed)


@router.delete(
    "/{store}",
    response_model=DeletedVectorStore,
    responses=CHANGE,
    summary="Delete a vector store",
)
async def delete_vector_store(store: StoreIdInPath, request: Request) -> DeletedVectorStore:
    """Its files stay; documents that were made for it alone are deleted."""
    async with writes(request) as access:
        await access.stores.delete(access.tenant, store)
    return DeletedVectorStore(id=store)


@router.post(
    "/{store}/search",
    response_model=VectorStoreFoundPage,
    responses=CHANGE,
    summary="Search a vector store",
    openapi_extra=request_body(VectorStoreSearchBody),
)
async def search_vector_store(store: StoreIdInPath, request: Request) -> VectorStoreFoundPage:
    """By meaning and by words. Any collection of the tenant can be searched so, by its id."""
    services = services_of(request)
    async with store_access(request, Scope.SEARCH_READ, RequestClass.ANALYSE) as access:
        body: VectorStoreSearchBody = await body_of(request, VectorStoreSearchBody)
        searcher = VectorStoreSearcher(services.collections)
        passages = await searcher.find(
            access.request,
            [store],
            body.queries,
            body.max_num_results,
            body.filters,
            body.ranking_options or RankingOptions(),
        )
    data = [
        VectorStoreFound(
            file_id=passage.file,
            filename=passage.name,
            score=passage.score,
            attributes=dict(passage.attributes),
            content=[FoundText(text=passage.text)],
        )
        for passage in passages
    ]
    return VectorStoreFoundPage(search_query=body.queries, data=data)


def wish_of(query: VectorStoreListQuery) -> PageWish:
    return PageWish(query.limit, query.order, query.after, query.before)


def chunking_of(strategy: AutoChunking | StaticChunking | None) -> Chunking:
    if not isinstance(strategy, StaticChunking):
        return Chunking()
    return Chunking(strategy.static.max_chunk_size_tokens, strategy.static.chunk_overlap_tokens)


def sizes_of(chunking: Chunking, tokens: int, overlap: int) -> ChunkSizes:
    """Those of `chunking`, or the usual ones."""
    if chunking.tokens is None or chunking.overlap is None:
        return ChunkSizes(max_chunk_size_tokens=tokens, chunk_overlap_tokens=overlap)
    return ChunkSizes(max_chunk_size_tokens=chunking.tokens, chunk_overlap_tokens=chunking.overlap)


def counts_object(counts: Any) -> StoreFileCounts:
    return StoreFileCounts(**counts, total=sum(counts.values()))


def store_object(store: VectorStore) -> VectorStoreObject:
    collection = store.collection
    expires = None
    if collection.keep_s is not None:
        expires = StoreExpiresAfter(days=max(1, round(collection.keep_s / DAY_S)))
    return VectorStoreObject(
        id=store.id,
        created_at=int(store.created),
        name=store.name,
        description=collection.description,
        usage_bytes=collection.bytes,
        file_counts=counts_object(store.counts),
        status="in_progress" if store.counts["in_progress"] else "completed",
        expires_after=expires,
        expires_at=None if collection.expires is None else int(collection.expires),
        last_active_at=int(collection.used),
        metadata=dict(store.attributes),
    )


def _keep_s(expires: StoreExpiresAfter | None) -> float | None:
    return None if expires is None else expires.days * DAY_S
