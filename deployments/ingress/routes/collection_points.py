"""`/api/v1/collections/{collection}/points` and `/query`: what a collection holds, and queries."""

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from cluster.collections.model import POINT_ID, Point
from cluster.collections.vectors import unpack_vector
from cluster.runtime.problems import Problem
from deployments.ingress.authentication import authenticate
from deployments.ingress.collections import CollectionServices, require_collections
from deployments.ingress.context import request_state
from deployments.ingress.end_user import name_end_user
from deployments.ingress.http.openapi import GENERATION_PROBLEMS, problem_responses, request_body
from deployments.ingress.http.request_body import MAX_VALUES, parse_json, receive_json
from deployments.ingress.idempotency import with_idempotency
from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.search_collection import QueryCollection
from deployments.ingress.operations.search_points import DeletePoints, PutPoints
from deployments.ingress.permissions import ReadsSearch, services_of
from deployments.ingress.routes.collections import Name
from deployments.ingress.routes.responses import LOOK
from deployments.ingress.schemas.collections import (
    CollectionQueryResponse,
    CollectionSearchBody,
    DeletePointsRequest,
    PointPage,
    PointQuery,
    PointResponse,
    PointsDelete,
    PointsDeleteResponse,
    PointsPut,
    PointsPutResponse,
    PutPointsRequest,
    QueryCollectionRequest,
)

MAX_VECTOR_VALUES = 150_000  # values of a body with 256 vectors of 384 numbers, and more
CALL = problem_responses(*GENERATION_PROBLEMS)
router = APIRouter(prefix="/api/v1/collections/{collection}", tags=["search"])
PointPath = Annotated[str, Path(pattern=POINT_ID, description="The point's id.")]
Schema = TypeVar("Schema", bound=BaseModel)


@router.get("/points", response_model=PointPage, responses=LOOK, summary="List points")
async def list_points(
    access: ReadsSearch, collection: Name, query: Annotated[PointQuery, Query()], request: Request
) -> PointPage:
    services = _collections(request)
    found = await services.get(access.tenant, collection)
    async with services.database.read() as connection:
        page = await services.points.list(
            connection, access.tenant, found, query.limit, query.cursor
        )
    data = [_show(each, vector=query.vectors) for each in page.items]
    return PointPage(data=data, next_cursor=page.next)


@router.put(
    "/points",
    response_model=PointsPutResponse,
    responses=CALL,
    summary="Store points under their ids",
    openapi_extra=request_body(PointsPut),
)
async def put_points(collection: Name, request: Request) -> Any:
    """A point that is there already is replaced. Queries that begin after the answer see all of
    them. With an `Idempotency-Key`, a repetition of the request changes nothing."""
    operation = PutPoints(services_of(request).collections)
    return await _answer(request, "put_points", operation, PointsPut, PutPointsRequest, collection)


@router.post(
    "/points/delete",
    response_model=PointsDeleteResponse,
    responses=CALL,
    summary="Delete points by their ids, or by a filter",
    openapi_extra=request_body(PointsDelete),
)
async def delete_points(collection: Name, request: Request) -> Any:
    """Queries that begin after the answer find none of them."""
    operation = DeletePoints(services_of(request).collections)
    return await _answer(
        request, "delete_points", operation, PointsDelete, DeletePointsRequest, collection
    )


@router.get("/points/{point}", response_model=PointResponse, responses=LOOK, summary="Show a point")
async def get_point(
    access: ReadsSearch, collection: Name, point: PointPath, request: Request
) -> PointResponse:
    services = _collections(request)
    found = await services.get(access.tenant, collection)
    async with services.database.read() as connection:
        stored = await services.points.get(connection, access.tenant, found, point)
    return _show(stored, vector=True)


@router.post(
    "/query",
    response_model=CollectionQueryResponse,
    response_model_exclude_unset=True,
    responses=CALL,
    summary="Find points by meaning and by words",
    openapi_extra=request_body(CollectionSearchBody),
)
async def query_collection(collection: Name, request: Request) -> Any:
    """A query sees every change of points that was answered before it."""
    operation = QueryCollection(services_of(request).collections)
    return await _answer(
        request,
        "query_collection",
        operation,
        CollectionSearchBody,
        QueryCollectionRequest,
        collection,
    )


async def _answer(
    request: Request,
    name: str,
    operation: Operation[Any],
    schema: type[BaseModel],
    whole: type[BaseModel],
    collection: str,
) -> dict[str, Any]:
    """What the operation answers to the body of the schema, with the collection of the path. An
    idempotency key is one of this collection."""
    services = services_of(request)
    request_state(request.scope).operation = name
    context = authenticate(services, request, operation.request_class)
    try:
        raw = await receive_json(request)
        values = MAX_VECTOR_VALUES if name == "put_points" else MAX_VALUES
        given = parse_json(raw, schema, max_values=values)
        key = f"{name}:{collection}"
        run = with_idempotency(
            operation, services.idempotency, key, request.headers, raw, services.guardrails
        )
    except Problem as problem:
        services.admission.record_refused(context, name, problem)
        raise
    name_end_user(context, given)
    body = whole.model_construct(given.model_fields_set, **dict(given), collection=collection)
    resource = f"collection:{collection}"
    async with services.admission.admitted(
        context, operation.request_class, name, resource, scope=operation.scope
    ) as admitted:
        return await run.answer(admitted, body)


def _show(point: Point, *, vector: bool) -> PointResponse:
    numbers = None
    if vector and point.vector is not None:
        numbers = unpack_vector(point.vector).tolist()
    return PointResponse(
        id=point.id,
        text=point.text,
        payload=dict(point.payload),
        vector=numbers,
        sequence=point.sequence,
        updated=point.updated,
    )


def _collections(request: Request) -> CollectionServices:
    return require_collections(services_of(request).collections)
