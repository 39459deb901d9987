"""`batches`: calls any other operation for many items, or the lines of a file, as a job."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.problems import InvalidRequest, Malformed, RateLimited
from cluster.storage.tables import jobs
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.batches.file_batch_store import FileBatchState
from deployments.batches.model import (
    FILE_KIND,
    KIND,
    BatchItem,
    BatchSpec,
    FileSource,
    ItemCounts,
    batch_status,
)
from deployments.batches.services import BatchServices, require_batches
from deployments.contracts.jobs import ENDED, Job, NewJob
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.base import Operation
from deployments.ingress.schemas.batches import OperationBatchCreate

MAX_OPEN = 20  # batches of a tenant that have not ended
MAX_STORED = 200  # batches of a tenant; those that ended first make room
MAX_ATTEMPTS = 12  # each worker that dies costs one
BYTES_PER_CALL = 1_000  # of a file, about
KEEP_OUTPUTS_S = 30 * 86_400.0  # OpenAI's
_RETRY_S = 30.0


class CreateBatch:
    """Body: OperationBatchCreate. Answer: the batch. Each item is a request of its own: it counts
    against the limits of its operation and is charged as such."""

    schema = OperationBatchCreate
    request_class = RequestClass.BATCH
    scope = Scope.GENERATE
    can_stream = False

    def __init__(
        self, batches: BatchServices | None, operations: Mapping[str, Operation[Any]]
    ) -> None:
        self._batches = batches
        self._operations = operations

    async def answer(self, request: AdmittedRequest, body: OperationBatchCreate) -> dict[str, Any]:
        batches, caller = require_batches(self._batches), request.caller
        require_operation(request, self._operations, body.operation, "/operation")
        if body.input_file is not None:
            urls = urls_of(batches.paths, body.operation)
            source = FileSource(body.input_file, body.operation, urls, KEEP_OUTPUTS_S)
            job = await create_file_batch(batches, request, body.operation, source, _over_file)
            return _over_file(job)
        given = body.items or ()
        spec = BatchSpec(body.operation, len(given), caller.scopes, request.tags)
        new = new_batch(request, KIND, spec, len(given))
        items = (
            BatchItem(index, item.custom_id, orjson.dumps(item.body))
            for index, item in enumerate(given)
        )
        async with batches.database.begin() as connection:
            await make_room(connection, caller.tenant)
            job = await batches.jobs.create(connection, new)
            await batches.items.add(connection, caller.tenant, job.id, items)
            answer = batch_response(job, ItemCounts(len(given)))
            if request.store_response is not None:
                await request.store_response(connection, answer)
        batches.wake()
        return answer

    async def events(self, request: AdmittedRequest, body: OperationBatchCreate) -> Events:
        """One event, the batch."""
        yield None, await self.answer(request, body)


def require_operation(
    request: AdmittedRequest, operations: Mapping[str, Operation[Any]], name: str, pointer: str
) -> None:
    """Raises Malformed for an unknown operation, Forbidden for one that the caller may not use."""
    operation = operations.get(name)
    if operation is None:
        known = ", ".join(sorted(operations))
        detail = f"No operation '{name}'; operations: {known}."
        raise Malformed.at(pointer, detail, "unknown-operation")
    request.require(operation.scope)


def new_batch(request: AdmittedRequest, kind: str, spec: BatchSpec, cost: int) -> NewJob:
    """`cost` is what it counts among the tenant's jobs: about its number of calls."""
    caller = request.caller
    return NewJob(
        tenant=caller.tenant,
        kind=kind,
        key=caller.key_id,
        spec=spec.to_json(),
        subject=spec.operation,
        cost=cost,
        weight=caller.weight,
        priority=request.priority,
        max_attempts=MAX_ATTEMPTS,
        request_id=request.request_id,
        trace=request.traceparent,
    )


async def create_file_batch(
    batches: BatchServices,
    request: AdmittedRequest,
    operation: str,
    source: FileSource,
    answer_of: Callable[[Job], dict[str, Any]],
) -> Job:
    """The file must be the tenant's, and for batches. Raises NotFound, InvalidRequest."""
    tenant = request.caller.tenant
    file = await batches.files.get(tenant, source.file)
    if file.purpose != "batch":
        detail = f"File '{file.id}' has the purpose '{file.purpose}'; a batch needs 'batch'."
        raise InvalidRequest(detail, param="input_file_id")
    spec = BatchSpec(operation, 0, request.caller.scopes, request.tags, source)
    new = new_batch(request, FILE_KIND, spec, 1 + file.bytes // BYTES_PER_CALL)
    async with batches.database.begin() as connection:
        await make_room(connection, tenant)
        job = await batches.jobs.create(connection, new)
        await batches.file_batches.add(connection, tenant, job.id)
        if request.store_response is not None:
            await request.store_response(connection, answer_of(job))
    batches.wake()
    return job


def urls_of(paths: Mapping[str, str], endpoint: str) -> tuple[str, ...]:
    """What lines may name, where the order names `endpoint`: it, or a path of that name."""
    return (endpoint, *(path for path, name in paths.items() if name == endpoint))


def _over_file(job: Job) -> dict[str, Any]:
    return batch_response(job, ItemCounts(0), FileBatchState())


async def make_room(connection: AsyncConnection, tenant: str) -> None:
    """Raises RateLimited where too many have not ended."""
    is_batch = (jobs.c.tenant == tenant, jobs.c.kind.in_((KIND, FILE_KIND)))
    open_ = select(func.count()).where(*is_batch, jobs.c.state.not_in(ENDED))
    if (await connection.execute(open_)).scalar_one() >= MAX_OPEN:
        detail = f"{MAX_OPEN} batches of this tenant have not ended, the limit."
        raise RateLimited(detail, _RETRY_S, "batches")
    newest_first = (jobs.c.created.desc(), jobs.c.id.desc())
    newest = select(jobs.c.id).where(*is_batch).order_by(*newest_first).limit(MAX_STORED - 1)
    ended = delete(jobs).where(*is_batch, jobs.c.state.in_(ENDED), jobs.c.id.not_in(newest))
    await connection.execute(ended)


def batch_response(
    job: Job, counts: ItemCounts, state: FileBatchState | None = None
) -> dict[str, Any]:
    """A batch as responses show it; `state` where its lines are in a file."""
    spec = BatchSpec.of(job)
    pending = counts.total - counts.succeeded - counts.failed
    answer = {
        "id": job.id,
        "object": "batch",
        "operation": spec.operation,
        "status": batch_status(job),
        "counts": {
            "total": counts.total,
            "succeeded": counts.succeeded,
            "failed": counts.failed,
            "pending": pending,
        },
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "expires": job.expires,
        "problem": job.problem,
    }
    if spec.source is not None and state is not None:
        answer |= {
            "input_file": spec.source.file,
            "output_file": state.output,
            "error_file": state.error_output,
            "errors": list(state.errors),
        }
    return answer
