"""What the routes of `/api/v1/batches` and of `/v1/batches` share."""

from typing import Any

from fastapi import Request

from cluster.runtime.problems import NotFound, Problem
from deployments.batches.services import BatchServices, require_batches
from deployments.contracts.jobs import Job
from deployments.ingress.authentication import authenticate
from deployments.ingress.http.request_body import MAX_VALUES, parse_json, receive_json
from deployments.ingress.idempotency import with_idempotency
from deployments.ingress.operations.base import Operation
from deployments.ingress.permissions import services_of


async def answer_batch_order(
    request: Request,
    operation: Operation[Any],
    endpoint: str,
    max_values: int = MAX_VALUES,
) -> tuple[str, dict[str, Any]]:
    """The tenant, and what `operation` answers to the body. Idempotency keys are those of
    `endpoint`."""
    services = services_of(request)
    context = authenticate(services, request, operation.request_class)
    run = operation
    try:
        raw = await receive_json(request)
        body = parse_json(raw, operation.schema, max_values=max_values)
        run = with_idempotency(operation, services.idempotency, endpoint, request.headers, raw)
    except Problem as problem:
        services.admission.record_refused(context, "batches", problem)
        raise
    async with services.admission.admitted(
        context, operation.request_class, "batches", scope=operation.scope
    ) as admitted:
        return context.caller.tenant, await run.answer(admitted, body)


def batches_of(request: Request) -> BatchServices:
    """Raises DatabaseUnavailable."""
    return require_batches(services_of(request).batches)


async def batch_job(batches: BatchServices, tenant: str, id: str, kinds: tuple[str, ...]) -> Job:
    """Raises NotFound, also for a job of another kind."""
    try:
        job = await batches.jobs.get(tenant, id)
    except NotFound:
        raise _no_batch(id) from None
    if job.kind not in kinds:
        raise _no_batch(id)
    return job


def _no_batch(id: str) -> NotFound:
    return NotFound(f"There is no batch '{id[:64]}'.", param="batch")
