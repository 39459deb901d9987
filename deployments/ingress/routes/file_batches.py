"""`/v1/batches`: OpenAI's batches, over files (routes/openai_files.py)."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.storage.pagination import encode_cursor
from deployments.batches.model import FILE_KIND
from deployments.batches.services import BatchServices
from deployments.contracts.jobs import Job
from deployments.ingress.http.openapi import problem_responses, request_body
from deployments.ingress.http.request_body import parse_json
from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.file_batches import CreateFileBatch, file_batch_object
from deployments.ingress.permissions import GeneratesHere, services_of
from deployments.ingress.routes.batch_requests import answer_batch_order, batch_job, batches_of
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
    operations = _callable(request.app.state.operations)
    operation = CreateFileBatch(services_of(request).batches, operations)
    _, answer = await answer_batch_order(request, operation, "v1.batches")
    return JsonResponse(orjson.dumps(answer))


@router.get("", response_model=FileBatchList, responses=LOOK, summary="List batches over files")
async def list_file_batches(
    access: GeneratesHere, query: Annotated[FileBatchQuery, Query()], request: Request
) -> FileBatchList:
    """Newest first."""
    batches, tenant = batches_of(request), access.tenant
    cursor = None
    if query.after is not None:
        last = await batch_job(batches, tenant, query.after, (FILE_KIND,))
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
    batches = batches_of(request)
    job = await batch_job(batches, access.tenant, batch_id, (FILE_KIND,))
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
    batches = batches_of(request)
    await batch_job(batches, access.tenant, batch_id, (FILE_KIND,))
    job = await batches.jobs.cancel(access.tenant, batch_id)
    return (await _objects(batches, access.tenant, [job]))[0]


def _callable(operations: dict[str, Operation[Any]]) -> dict[str, Operation[Any]]:
    """A batch makes no batches."""
    return {name: each for name, each in operations.items() if name != "batches"}


async def _objects(batches: BatchServices, tenant: str, jobs: list[Job]) -> list[FileBatchObject]:
    async with batches.database.read() as connection:
        states = await batches.file_batches.states(connection, tenant, [job.id for job in jobs])
    return [FileBatchObject(**file_batch_object(job, states[job.id])) for job in jobs]
