"""OpenAI's batches: any operation for the lines of a file, as a job, in OpenAI's form."""

from collections.abc import Mapping
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.batches.file_batch_store import FileBatchState
from deployments.batches.model import MAX_AGE_S, BatchSpec, FileSource
from deployments.batches.services import BatchServices, require_batches
from deployments.contracts.jobs import ENDED, Job
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.batches import (
    KEEP_OUTPUTS_S,
    create_file_batch,
    require_operation,
    urls_of,
)
from deployments.ingress.schemas.files import FileBatchCreate, FileBatchStatus

_ENDS: Mapping[str, FileBatchStatus] = {
    "succeeded": "completed",
    "partial": "completed",
    "failed": "failed",
    "canceled": "cancelled",
}


class CreateFileBatch:
    """Body: FileBatchCreate. Answer: the batch."""

    schema = FileBatchCreate
    request_class = RequestClass.BATCH
    scope = Scope.GENERATE
    can_stream = False

    def __init__(
        self,
        batches: BatchServices | None,
        operations: Mapping[str, Operation[Any]],
    ) -> None:
        self._batches = batches
        self._operations = operations

    async def answer(self, request: AdmittedRequest, body: FileBatchCreate) -> dict[str, Any]:
        batches = require_batches(self._batches)
        name = batches.paths.get(body.endpoint, body.endpoint)
        require_operation(request, self._operations, name, "/endpoint")
        keep = body.output_expires_after
        source = FileSource(
            body.input_file_id,
            body.endpoint,
            urls_of(batches.paths, body.endpoint),
            KEEP_OUTPUTS_S if keep is None else float(keep.seconds),
            body.metadata,
        )
        job = await create_file_batch(
            batches,
            request,
            name,
            source,
            lambda job: file_batch_object(job, FileBatchState()),
        )
        return file_batch_object(job, FileBatchState())

    async def events(self, request: AdmittedRequest, body: FileBatchCreate) -> Events:
        """One event, the batch."""
        yield None, await self.answer(request, body)


def file_batch_object(job: Job, state: FileBatchState) -> dict[str, Any]:
    """A batch in OpenAI's form."""
    source, status = BatchSpec.of(job).source, _status(job, state)
    assert source is not None
    ended = None if job.ended is None else int(job.ended)
    errors = list(state.errors)
    if status == "failed" and not errors and job.problem is not None:
        problem = job.problem
        code = problem["slug"].replace("-", "_")
        errors = [{"code": code, "message": problem["detail"], "line": None, "param": None}]
    return {
        "id": job.id,
        "object": "batch",
        "endpoint": source.endpoint,
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": source.file,
        "completion_window": "24h",
        "status": status,
        "output_file_id": None if ended is None else state.output,
        "error_file_id": None if ended is None else state.error_output,
        "created_at": int(job.created),
        "in_progress_at": None if state.validated is None else int(state.validated),
        "expires_at": int(job.created + MAX_AGE_S),
        "finalizing_at": ended if status in ("completed", "expired") else None,
        "completed_at": ended if status == "completed" else None,
        "failed_at": ended if status == "failed" else None,
        "expired_at": ended if status == "expired" else None,
        "cancelling_at": ended if status == "cancelled" else None,
        "cancelled_at": ended if status == "cancelled" else None,
        "request_counts": {
            "total": state.total,
            "completed": state.succeeded,
            "failed": state.failed,
        },
        "metadata": None if source.metadata is None else dict(source.metadata),
    }


def _status(job: Job, state: FileBatchState) -> FileBatchStatus:
    if job.state in ENDED:
        return "expired" if job.result.get("expired") else _ENDS[job.state]
    if job.cancel_asked:
        return "cancelling"
    return "validating" if state.validated is None else "in_progress"
