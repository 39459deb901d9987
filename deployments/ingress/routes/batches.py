"""`/api/v1/batches`: many calls of one operation as a job, and their results."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.runtime.problems import Conflict
from cluster.tenants.caller import Scope
from deployments.batches.model import FILE_KIND, KIND, ItemResult
from deployments.contracts.jobs import ENDED
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import parse_json
from deployments.ingress.operations.batches import batch_response
from deployments.ingress.permissions import (
    GeneratesHere,
    admit_long_lived,
)
from deployments.ingress.routes.batch_requests import answer_batch_order, batch_job, batches_of
from deployments.ingress.routes.jobs import Prefer, wait_for_change, wait_s_of
from deployments.ingress.routes.responses import CHANGE, LOOK, NO_STORE
from deployments.ingress.schemas.admin import EmptyBody
from deployments.ingress.schemas.batches import (
    OperationBatchCreate,
    OperationBatchPage,
    OperationBatchQuery,
    OperationBatchResponse,
    OperationItemPage,
    OperationItemQuery,
    OperationItemResponse,
)

router = APIRouter(prefix="/api/v1/batches", tags=["batches"])
RETRY_AFTER_S = "2"
KINDS = (KIND, FILE_KIND)
MAX_VALUES = 100_000  # of a body; that of an item may have as many as a request of its own

BatchId = Annotated[str, Path(max_length=64, description="The batch's id.")]


@router.post(
    "",
    status_code=202,
    response_model=OperationBatchResponse,
    responses=CHANGE,
    summary="Call an operation for many items",
    openapi_extra=request_body(OperationBatchCreate),
)
async def create_batch(request: Request, prefer: Prefer = None) -> Response:
    """Answers with the batch, whose URL is in `Location`; it goes on without the client, and with
    other processes should this one end. With an `Idempotency-Key`, repetitions of a request create
    one batch.
    """
    operation = request.app.state.operations["batches"]
    tenant, answer = await answer_batch_order(request, operation, "batches", MAX_VALUES)
    id, wait_s = answer["id"], wait_s_of(request, prefer)
    if wait_s:
        answer = await _awaited(request, tenant, id, wait_s)
    headers = {"Location": f"/api/v1/batches/{id}", "Retry-After": RETRY_AFTER_S}
    return _respond(answer, 202, headers, wait_s)


@router.get("", response_model=OperationBatchPage, responses=LOOK, summary="List batches")
async def list_batches(
    access: GeneratesHere, query: Annotated[OperationBatchQuery, Query()], request: Request
) -> OperationBatchPage:
    """Newest first."""
    batches = batches_of(request)
    page = await batches.jobs.page(
        access.tenant, kind=KINDS, limit=query.limit, cursor=query.cursor
    )
    counts = await batches.counts(access.tenant, page.items)
    data = [
        OperationBatchResponse.model_validate(batch_response(job, *counts[job.id]))
        for job in page.items
    ]
    return OperationBatchPage(data=data, next_cursor=page.next)


@router.get(
    "/{batch}", response_model=OperationBatchResponse, responses=LOOK, summary="Show a batch"
)
async def get_batch(batch: BatchId, request: Request, prefer: Prefer = None) -> Response:
    """`Prefer: wait=N` answers within N seconds (at most 30), earlier if the batch ends."""
    async with admit_long_lived(request, Scope.GENERATE, None) as access:
        tenant = access.tenant
        await batch_job(batches_of(request), tenant, batch, KINDS)
    wait_s = wait_s_of(request, prefer)
    return _respond(await _awaited(request, tenant, batch, wait_s), 200, {}, wait_s)


@router.get(
    "/{batch}/items",
    response_model=OperationItemPage,
    responses=LOOK,
    summary="The results of a batch, in the order of its items",
)
async def list_batch_items(
    access: GeneratesHere,
    batch: BatchId,
    query: Annotated[OperationItemQuery, Query()],
    request: Request,
) -> OperationItemPage:
    """Can be read while the batch runs. A page has at most 4 MiB of results. The outcomes of a
    batch over a file are in files: 409."""
    batches = batches_of(request)
    job = await batch_job(batches, access.tenant, batch, KINDS)
    if job.kind == FILE_KIND:
        raise Conflict("The outcomes of this batch are in its output_file and error_file.")
    is_cancelled = job.state in ENDED
    state = query.status
    if state in ("queued", "cancelled"):
        if (state == "cancelled") != is_cancelled:
            return OperationItemPage(data=[])
        state = "queued"
    async with batches.database.read() as connection:
        page = await batches.items.page(
            connection, access.tenant, batch, state=state, after=query.after, limit=query.limit
        )
    data = [_item(each, is_cancelled=is_cancelled) for each in page.items]
    return OperationItemPage(data=data, next_after=page.next)


@router.post(
    "/{batch}/cancel",
    response_model=OperationBatchResponse,
    responses=CHANGE,
    summary="Cancel a batch",
    openapi_extra={"requestBody": {**request_body(EmptyBody)["requestBody"], "required": False}},
)
async def cancel_batch(
    access: GeneratesHere, batch: BatchId, request: Request
) -> OperationBatchResponse:
    """May be repeated. Results that are there stay; calls that run are given up within a second or
    two."""
    if raw := await request.body():
        parse_json(raw, EmptyBody)
    batches = batches_of(request)
    await batch_job(batches, access.tenant, batch, KINDS)
    job = await batches.jobs.cancel(access.tenant, batch)
    counts = await batches.counts(access.tenant, [job])
    return OperationBatchResponse.model_validate(batch_response(job, *counts[job.id]))


@router.delete(
    "/{batch}", status_code=204, responses=CHANGE, summary="Forget an ended batch and its results"
)
async def delete_batch(access: GeneratesHere, batch: BatchId, request: Request) -> Response:
    batches = batches_of(request)
    await batch_job(batches, access.tenant, batch, KINDS)
    await batches.jobs.delete(access.tenant, batch)
    return Response(status_code=204)


async def _awaited(request: Request, tenant: str, id: str, wait_s: float) -> dict[str, Any]:
    """The batch once it has ended, or time is up."""
    batches = batches_of(request)
    job = await batch_job(batches, tenant, id, KINDS)
    if wait_s:
        job = await wait_for_change(batches.jobs, job, request, None, wait_s)
    counts = await batches.counts(tenant, [job])
    return batch_response(job, *counts[job.id])


def _respond(
    answer: dict[str, Any], status: int, headers: dict[str, str], wait_s: float
) -> Response:
    if wait_s:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
    content = OperationBatchResponse.model_validate(answer).model_dump_json()
    return Response(content, status, {**NO_STORE, **headers}, "application/json")


def _item(item: ItemResult, *, is_cancelled: bool) -> OperationItemResponse:
    content = None if item.body is None else orjson.loads(item.body)
    is_answer = item.state == "succeeded"
    return OperationItemResponse(
        index=item.index,
        custom_id=item.custom_id,
        status="cancelled" if is_cancelled and item.state == "queued" else item.state,
        http_status=item.status,
        request_id=item.request_id,
        response=content if is_answer else None,
        error=None if is_answer else content,
    )
