"""`batches`: calls any other operation for many items, as a job."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.problems import Malformed, RateLimited
from cluster.storage.tables import jobs
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.batches.model import KIND, BatchItem, BatchSpec, ItemCounts, batch_status
from deployments.batches.services import BatchServices, require_batches
from deployments.contracts.jobs import ENDED, Job, NewJob
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.base import Operation
from deployments.ingress.schemas.batches import OperationBatchCreate

MAX_OPEN = 20  # batches of a tenant that have not ended
MAX_STORED = 200  # batches of a tenant; those that ended first make room
MAX_ATTEMPTS = 12  # each worker that dies costs one
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
        operation = self._operations.get(body.operation)
        if operation is None:
            known = ", ".join(sorted(self._operations))
            detail = f"No operation '{body.operation}'; operations: {known}."
            raise Malformed.at("/operation", detail, "unknown-operation")
        request.require(operation.scope)
        spec = BatchSpec(body.operation, len(body.items), caller.scopes, request.tags)
        new = NewJob(
            tenant=caller.tenant,
            kind=KIND,
            key=caller.key_id,
            spec=spec.to_json(),
            subject=body.operation,
            cost=len(body.items),
            weight=caller.weight,
            priority=request.priority,
            max_attempts=MAX_ATTEMPTS,
            request_id=request.request_id,
            trace=request.traceparent,
        )
        items = [
            BatchItem(index, item.custom_id, orjson.dumps(item.body))
            for index, item in enumerate(body.items)
        ]
        async with batches.database.begin() as connection:
            await _make_room(connection, caller.tenant)
            job = await batches.jobs.create(connection, new)
            await batches.items.add(connection, caller.tenant, job.id, items)
            answer = batch_response(job, ItemCounts(len(items)))
            if request.store_response is not None:
                await request.store_response(connection, answer)
        batches.wake()
        return answer

    async def events(self, request: AdmittedRequest, body: OperationBatchCreate) -> Events:
        """One event, the batch."""
        yield None, await self.answer(request, body)


async def _make_room(connection: AsyncConnection, tenant: str) -> None:
    """Raises RateLimited where too many have not ended."""
    is_batch = (jobs.c.tenant == tenant, jobs.c.kind == KIND)
    open_ = select(func.count()).where(*is_batch, jobs.c.state.not_in(ENDED))
    if (await connection.execute(open_)).scalar_one() >= MAX_OPEN:
        detail = f"{MAX_OPEN} batches of this tenant have not ended, the limit."
        raise RateLimited(detail, _RETRY_S, "batches")
    newest_first = (jobs.c.created.desc(), jobs.c.id.desc())
    newest = select(jobs.c.id).where(*is_batch).order_by(*newest_first).limit(MAX_STORED - 1)
    ended = delete(jobs).where(*is_batch, jobs.c.state.in_(ENDED), jobs.c.id.not_in(newest))
    await connection.execute(ended)


def batch_response(job: Job, counts: ItemCounts) -> dict[str, Any]:
    """A batch as responses show it."""
    spec = BatchSpec.of(job)
    pending = spec.total - counts.succeeded - counts.failed
    return {
        "id": job.id,
        "object": "batch",
        "operation": spec.operation,
        "status": batch_status(job),
        "counts": {
            "total": spec.total,
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
