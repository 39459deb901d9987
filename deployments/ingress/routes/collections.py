"""`/api/v1/collections`: collections of points that are searched by meaning and by words."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.collections.model import NAME, Collection, CollectionDraft
from cluster.runtime.problems import InvalidRequest
from deployments.ingress.collections import CollectionServices, require_collections
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.facts import TextFacts
from deployments.ingress.names.model_names import DefaultOf
from deployments.ingress.operations.clips import job_response
from deployments.ingress.permissions import (
    AdminAccess,
    ReadsSearch,
    WritesSearch,
    services_of,
)
from deployments.ingress.pipeline.collection_embedder import DOCUMENT
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.collections import (
    OWN_VECTORS,
    CollectionCreate,
    CollectionPage,
    CollectionPatch,
    CollectionQuery,
    CollectionReindex,
    CollectionResponse,
)
from deployments.ingress.schemas.jobs import JobResponse

RETRY_AFTER_S = "2"
_DEFAULT: DefaultOf = "default_embedding_model"
router = APIRouter(prefix="/api/v1/collections", tags=["search"])
Name = Annotated[str, Path(pattern=NAME, description="The collection's id, or its name.")]


@router.get("", response_model=CollectionPage, responses=LOOK, summary="List collections")
async def list_collections(
    access: ReadsSearch, query: Annotated[CollectionQuery, Query()]
) -> CollectionPage:
    page = await access.admin.collections.list(access.tenant, query.limit, query.cursor)
    return CollectionPage(data=[show(each) for each in page.items], next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    response_model=CollectionResponse,
    responses=MAKE,
    summary="Make a collection",
    openapi_extra=request_body(CollectionCreate),
)
async def create_collection(access: WritesSearch, request: Request) -> CollectionResponse:
    """Its points are texts, whose vectors the collection's embedding model makes; with the model
    `none` they come with vectors of their own."""
    body = await read_json(request, CollectionCreate)
    model = _model(access, request, body.model)
    draft = CollectionDraft(
        name=body.name or "",
        model=model,
        dimensions=body.dimensions or 0,
        metric=body.metric,
        description=body.description,
        attributes=body.attributes,
        keep_s=body.keep_s,
    )
    if model and body.dimensions:
        await _check_dimensions(access, request, model, body.dimensions)
    return show(await access.admin.collections.create(access.actor, access.tenant, draft))


@router.get(
    "/{collection}", response_model=CollectionResponse, responses=LOOK, summary="Show a collection"
)
async def get_collection(access: ReadsSearch, collection: Name) -> CollectionResponse:
    return show(await access.admin.collections.get(access.tenant, collection))


@router.patch(
    "/{collection}",
    response_model=CollectionResponse,
    responses=CHANGE,
    summary="Change a collection's name, description, attributes or expiry",
    openapi_extra=request_body(CollectionPatch),
)
async def update_collection(
    access: WritesSearch, collection: Name, request: Request
) -> CollectionResponse:
    body = await read_json(request, CollectionPatch)
    service = access.admin.collections
    found = await service.get(access.tenant, collection)
    changed = await service.update(
        access.actor,
        access.tenant,
        found.id,
        body.name,
        body.description,
        body.attributes,
        body.keep_s,
    )
    return show(changed)


@router.delete(
    "/{collection}", status_code=204, responses=CHANGE, summary="Delete a collection, all points"
)
async def delete_collection(access: WritesSearch, collection: Name) -> Response:
    """Requests that name it are refused on every replica at once; its points are deleted after
    that."""
    service = access.admin.collections
    found = await service.get(access.tenant, collection)
    await service.delete(access.actor, access.tenant, found.id)
    return Response(status_code=204)


@router.post(
    "/{collection}/reindex",
    status_code=202,
    response_model=JobResponse,
    responses=CHANGE,
    summary="Make the vectors of a collection anew, by another model",
    openapi_extra=request_body(CollectionReindex),
)
async def reindex_collection(access: WritesSearch, collection: Name, request: Request) -> Response:
    """A job, whose URL is in `Location`. Queries are answered from the old vectors until it has
    ended, and from the new ones from then on. Its calls of the model are charged."""
    body = await read_json(request, CollectionReindex)
    services = _collections(request)
    found = await access.admin.collections.get(access.tenant, collection)
    named = body.model if body.model is not None else found.model or OWN_VECTORS
    model = _model(access, request, named)
    if not model:
        raise InvalidRequest("model: name an embedding model that makes vectors.", param="model")
    dimensions = body.dimensions or 0
    if dimensions:
        await _check_dimensions(access, request, model, dimensions)
    job = await services.reindexings.order(
        access.admin, access.actor, found, model, dimensions, access.request.tags
    )
    content = JobResponse.model_validate(job_response(job)).model_dump_json()
    headers = {"Location": f"/api/v1/jobs/{job.id}", "Retry-After": RETRY_AFTER_S}
    return Response(content, 202, headers, "application/json")


def show(collection: Collection) -> CollectionResponse:
    return CollectionResponse(
        id=collection.id,
        name=collection.name,
        description=collection.description,
        model=collection.model or OWN_VECTORS,
        dimensions=collection.dimensions or None,
        metric=collection.metric,
        points=collection.points,
        bytes=collection.bytes,
        sequence=collection.sequence,
        generation=collection.generation,
        reindexing=collection.job,
        attributes=dict(collection.attributes),
        created=collection.created,
        updated=collection.updated,
        expires=collection.expires,
    )


def _collections(request: Request) -> CollectionServices:
    return require_collections(services_of(request).collections)


def _model(access: AdminAccess, request: Request, name: str | None) -> str:
    """The embedding model that the name stands for; empty: callers' vectors. Without a name it is
    the tenant's default, else the operator's, else the first that the caller may use. Raises
    UnknownModel."""
    if name == OWN_VECTORS:
        return ""
    models, admitted = services_of(request).models, access.request
    known = models.embedder_ids
    if name is None and not _has_default(models, admitted.caller.tenant):
        return next(filter(admitted.allows_model, known), "")
    facts = TextFacts(admitted, admitted.caller)
    return models.names.resolve(name or "", facts, admitted, known, _DEFAULT)


def _has_default(models: ModelRegistry, tenant: str) -> bool:
    try:
        models.names.apply_default("", tenant, _DEFAULT)
    except InvalidRequest:
        return False
    return True


async def _check_dimensions(
    access: AdminAccess, request: Request, model: str, dimensions: int
) -> None:
    """By one word. Raises UnsupportedParameter for dimensions that the model does not have."""
    embedder = _collections(request).embedder
    await embedder.embed(access.request, model, ("word",), DOCUMENT, dimensions)
