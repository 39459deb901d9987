"""`/v1/batches`: OpenAI's batches, over files (routes/openai_files.py)."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.runtime.problems import NotFound, Problem
from cluster.storage.pagination import encode_cursor
from deployments.batches.model import FILE_KIND
from deployments.batches.services import BatchServices, require_batches
from deployments.contracts.jobs import Job
from deployments.ingress.authentication import authenticate
from deployments.ingress.http.openapi import problem_responses, request_body
from deployments.ingress.http.request_body import parse_json, receive_json
from deployments.ingress.idempotency import with_idempotency
from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.file_batches import CreateFileBatch, file_batch_object
from deployments.ingress.permissions import GeneratesHere, services_of
from deployments.ingress.routes.operations import JsonResponse
from deployments.ingress.schemas.admin import EmptyBody
from deployments.ingress.schemas.files import (
    FileBatchCreate,
    FileBatchList,
    FileBatchObject,
    FileBatchQuery,
    page_of,
)

router = APIRouter(prefix="/v1/batches", tags=["openai"])
LOOK = problem_responses(400, 401, 403, 404, 422, 429, 500, 503, 504, form="openai")
CHANGE = problem_responses(
    400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503, 504, form="openai"
)

FileBatchId = Annotated[str, Path(max_length=64, description="The batch's id.")]


@router.post(
    "",
    response_model=FileBatchObject,
    responses=CHANGE,
    summary="Create a batch over a file",
    openapi_extra=request_body(FileBatchCreate),
)
async def create_file_batch(request: Request) -> Response:
    """Each line of the file is a request of its own: it counts against the limits of its operation
    and is charged as such, once. With an `Idempotency-Key`, repetitions of a request create one
    batch.
    """
    services = services_of(request)
    operation: Operation[Any] = CreateFileBatch(
        services.batches, _callable(request.app.state.operations)
    )
    context = authenticate(services, request, operation.request_class)
    try:
        raw = await receive_json(request)
        body = parse_json(raw, FileBatchCreate)
        operation = with_idempotency(
            operation, services.idempotency, "v1.batches", request.headers, raw
        )
    except Problem as problem:
        services.admission.record_refused(context, "batches", problem)
        raise
    async with services.admission.admitted(
        context, operation.request_class, "batches", scope=operation.scope
    ) as admitted:
        answer = await operation.answer(admitted, body)
    return JsonResponse(orjson.dumps(answer))


@router.get("", response_model=FileBatchList, responses=LOOK, summary="List batches over files")
async def list_file_batches(
    access: GeneratesHere, query: Annotated[FileBatchQuery, Query()], request: Request
) -> FileBatchList:
    """Newest first."""
    batches, tenant = _batches(request), access.tenant
    cursor = None
    if query.after is not None:
        last = await _job(batches, tenant, query.after)
        cursor = encode_cursor(last.created, last.id)
    page = await batches.jobs.page(tenant, kind=FILE_KIND, limit=query.limit, cursor=cursor)
    data = await _objects(batches, tenant, list(page.items))
    return FileBatchList(**page_of(data, has_more=page.next is not None))


@router.get(
    "/{batch_id}",
    response_model=FileBatchObject,
    responses=LOOK,
    summary="Show a batch over a file",
)
async def get_file_batch(
    access: GeneratesHere, batch_id: FileBatchId, request: Request
) -> FileBatchObject:
    batches = _batches(request)
    job = await _job(batches, access.tenant, batch_id)
    return (await _objects(batches, access.tenant, [job]))[0]


@router.post(
    "/{batch_id}/cancel",
    response_model=FileBatchObject,
    responses=CHANGE,
    summary="Cancel a batch over a file",
    openapi_extra={"requestBody": {**request_body(EmptyBody)["requestBody"], "required": False}},
)
async def cancel_file_batch(
    access: GeneratesHere, batch_id: FileBatchId, request: Request
) -> FileBatchObject:
    """May be repeated. Outcomes that are there stay, in its files; calls that run are given up
    within two seconds, and cost nothing."""
    if raw := await request.body():
        parse_json(raw, EmptyBody)
    batches = _batches(request)
    await _job(batches, access.tenant, batch_id)
    job = await batches.jobs.cancel(access.tenant, batch_id)
    return (await _objects(batches, access.tenant, [job]))[0]


def _callable(operations: dict[str, Operation[Any]]) -> dict[str, Operation[Any]]:
    """A batch makes no batches."""
    return {name: each for name, each in operations.items() if name != "batches"}


def _batches(request: Request) -> BatchServices:
    return require_batches(services_of(request).batches)


async def _job(batches: BatchServices, tenant: str, id: str) -> Job:
    """Raises NotFound, also for a job of another kind."""
    try:
        job = await batches.jobs.get(tenant, id)
    except NotFound:
        raise _no_batch(id) from None
    if job.kind != FILE_KIND:
        raise _no_batch(id)
    return job


def _no_batch(id: str) -> NotFound:
    return NotFound(f"There is no batch '{id[:64]}'.", param="batch")


async def _objects(batches: BatchServices, tenant: str, jobs: list[Job]) -> list[FileBatchObject]:
    async with batches.database.read() as connection:
        states = await batches.file_batches.states(connection, tenant, [job.id for job in jobs])
    return [FileBatchObject(**file_batch_object(job, states[job.id])) for job in jobs]
