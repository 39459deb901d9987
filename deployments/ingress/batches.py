"""Batches in the ingress: the calls of their items.

In: a job of kind `batch` and an item. Out: the answer that the operation gives a request of its
own. A call is authenticated as the key or user that made the batch, at the time of the call, and
admitted, limited, guarded and recorded as any other request.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from cluster.runtime.problems import InvalidRequest, PayloadTooLarge, Problem
from cluster.tenants.caller import Caller, Priority
from cluster.usage.collected_usage import CollectedUsage
from deployments.batches.model import MAX_RESULT_BYTES, BatchItem, BatchSpec, ItemOutcome
from deployments.contracts.jobs import Job
from deployments.ingress.admission import AdmissionControl
from deployments.ingress.authentication import authenticate_handle_call
from deployments.ingress.context import RequestContext
from deployments.ingress.end_user import FIELDS as END_USER_FIELDS
from deployments.ingress.end_user import name_end_user
from deployments.ingress.http.problems import is_openai_route, render
from deployments.ingress.http.request_body import parse_json
from deployments.ingress.http.usage_tags import body_tags
from deployments.ingress.operations.base import Operation
from deployments.ingress.services import AppServices

CallerOf = Callable[[str, str], Caller]


class OperationCaller:
    """Implements ItemCaller over the operations of this process. `caller_of` a tenant and the id
    of a key or a user gives whom it stands for now, or raises Unauthenticated or Forbidden."""

    def __init__(
        self,
        services: AppServices,
        operations: Mapping[str, Operation[Any]],
        caller_of: CallerOf,
    ) -> None:
        self._services = services
        self._operations = operations
        self._caller_of = caller_of

    async def call(
        self, job: Job, spec: BatchSpec, item: BatchItem, usage: CollectedUsage
    ) -> ItemOutcome:
        services, name = self._services, spec.operation
        operation = self._operations.get(name)
        if operation is None:
            raise InvalidRequest(f"No operation '{name[:50]}' in this version.", param="operation")
        admission, request_id = services.admission, _request_id(job, item)
        caller = self._caller_of(job.tenant, job.key)
        context = authenticate_handle_call(
            services,
            replace(caller, scopes=caller.scopes & spec.scopes),
            request_id,
            services.settings.max_timeout_s,
            operation.request_class,
            Priority.BATCH,
        )
        context.collected = usage
        body = self._body(context, spec, operation, item)
        with services.tracing.handle_call(context, name, job.trace):
            async with admission.admitted(
                context,
                operation.request_class,
                name,
                scope=operation.scope,
                model=getattr(body, "model", None),
            ) as admitted:
                answer = await operation.answer(admitted, body)
        content = orjson.dumps(answer)
        if len(content) > MAX_RESULT_BYTES:
            raise PayloadTooLarge(MAX_RESULT_BYTES)
        return ItemOutcome(item.index, 200, content, request_id)

    def refused(self, job: Job, spec: BatchSpec, item: BatchItem, problem: Problem) -> ItemOutcome:
        request_id = _request_id(job, item)
        path = "" if spec.source is None else spec.source.endpoint
        status, content, _ = render(problem, path, request_id)
        return ItemOutcome(item.index, status, content, request_id)

    def _body(
        self, context: RequestContext, spec: BatchSpec, operation: Operation[Any], item: BatchItem
    ) -> Any:
        """Raises Malformed, InvalidRequest."""
        admission: AdmissionControl = self._services.admission
        try:
            ignored: list[str] | None = [] if _is_lenient(spec) else None
            body = parse_json(item.body, operation.schema, ignored)
            if operation.can_stream and body.stream:
                raise InvalidRequest("stream: the calls of a batch do not stream.", param="stream")
            metadata = getattr(body, "metadata", None)
            context.tags = spec.tags if metadata is None else body_tags(metadata, spec.tags)
        except Problem as problem:
            admission.record_refused(context, spec.operation, problem)
            raise
        if not END_USER_FIELDS.isdisjoint(body.model_fields_set):
            name_end_user(context, body)
        return body


def _is_lenient(spec: BatchSpec) -> bool:
    """Whether unknown fields have no effect, as on the route that the order names."""
    return spec.source is not None and is_openai_route(spec.source.endpoint)


def _request_id(job: Job, item: BatchItem) -> str:
    return f"{job.id}-{item.index}"
