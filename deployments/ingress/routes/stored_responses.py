"""`/v1/responses/{id}`: stored responses, retrieved and deleted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.responses.store import ResponseStore
from cluster.runtime.problems import InvalidRequest, UnsupportedParameter
from cluster.storage.database import DatabaseUnavailable
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.ingress.admission import MAX_RESOURCE
from deployments.ingress.authentication import authenticate
from deployments.ingress.http.openapi import problem_responses, request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import services_of
from deployments.ingress.routes.operations import JsonResponse
from deployments.ingress.schemas.admin import EmptyBody
from deployments.ingress.schemas.response_answers import (
    DeletedResponse,
    ResponseItemList,
    ResponseObject,
)

router = APIRouter(prefix="/v1/responses", tags=["openai"])

LOOK = problem_responses(400, 401, 403, 404, 422, 429, 500, 503, 504, form="openai")
CHANGE = problem_responses(
    400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503, 504, form="openai"
)

ResponseId = Annotated[str, Path(description="The id of the response.")]


@router.get(
    "/{response_id}",
    response_model=ResponseObject,
    responses=LOOK,
    summary="Retrieve a stored response",
)
async def get_response(request: Request, response_id: ResponseId, stream: bool = False) -> Response:
    """Responses of other tenants, deleted and expired ones are not found."""
    async with _admitted(request, RequestClass.READ) as (store, tenant):
        record = await store.get(tenant, response_id)
        if stream:
            raise UnsupportedParameter("stream", "events are sent while a response is made.")
    return JsonResponse(orjson.dumps(orjson.loads(record.content)["response"]))


@router.delete(
    "/{response_id}",
    response_model=DeletedResponse,
    responses=CHANGE,
    summary="Delete a stored response",
)
async def delete_response(request: Request, response_id: ResponseId) -> Response:
    """Responses that continue it cannot be continued any more."""
    async with _admitted(request, RequestClass.ADMIN) as (store, tenant):
        await store.delete(tenant, response_id)
    return JsonResponse(orjson.dumps(DeletedResponse(id=response_id).model_dump()))


@router.get(
    "/{response_id}/input_items",
    response_model=ResponseItemList,
    responses=LOOK,
    summary="List the input of a stored response",
)
async def list_response_input_items(
    request: Request,
    response_id: ResponseId,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: Annotated[
        str | None, Query(max_length=256, description="The last item of the page before.")
    ] = None,
) -> Response:
    """The input of its own request, without that of responses which it continues."""
    async with _admitted(request, RequestClass.READ) as (store, tenant):
        record = await store.get(tenant, response_id)
    items: list[dict[str, Any]] = orjson.loads(record.content)["input"]
    page = _page(items if order == "asc" else items[::-1], limit, after)
    return JsonResponse(orjson.dumps(page.model_dump()))


@router.post(
    "/{response_id}/cancel",
    response_model=ResponseObject,
    responses=CHANGE,
    summary="Cancel a response in the background",
    openapi_extra={"requestBody": {**request_body(EmptyBody)["requestBody"], "required": False}},
)
async def cancel_response(request: Request, response_id: ResponseId) -> Response:
    """There are none: a response is made while its request is open, and ends with it."""
    async with _admitted(request, RequestClass.ADMIN) as (store, tenant):
        if await request.body():
            await read_json(request, EmptyBody)
        await store.get(tenant, response_id)
        raise UnsupportedParameter(
            "background", "only responses in the background can be cancelled; there are none."
        )


def _page(items: list[dict[str, Any]], limit: int, after: str | None) -> ResponseItemList:
    """Raises InvalidRequest where `after` is none of the items."""
    start = 0
    if after is not None:
        start = next((n for n, item in enumerate(items, 1) if item["id"] == after), 0)
        if start == 0:
            raise InvalidRequest(f"after: there is no item '{after[:100]}'.", param="after")
    page = items[start : start + limit]
    return ResponseItemList(
        data=page,
        first_id=page[0]["id"] if page else None,
        last_id=page[-1]["id"] if page else None,
        has_more=len(items) > start + limit,
    )


@asynccontextmanager
async def _admitted(
    request: Request, request_class: RequestClass
) -> AsyncIterator[tuple[ResponseStore, str]]:
    """The store, and the tenant whose responses the caller may have."""
    services = services_of(request)
    context = authenticate(services, request, request_class)
    action = f"responses.{request.method.lower()}"
    resource = request.scope["path"][:MAX_RESOURCE]
    async with services.admission.admitted(
        context, request_class, action, resource, Scope.GENERATE
    ):
        if services.responses is None:
            raise DatabaseUnavailable
        yield services.responses, context.caller.tenant
