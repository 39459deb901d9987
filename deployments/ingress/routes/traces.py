"""`/api/v1/traces`: the recorded traces of the last requests, without a collector."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Request

from cluster.runtime.problems import NotFound
from cluster.tracing.span import RecordedTrace, TraceSpan
from deployments.ingress.permissions import ReadsTraces, TenantInQuery, services_of
from deployments.ingress.routes.responses import LOOK
from deployments.ingress.schemas.traces import TraceList, TraceResponse, TraceSpanResponse
from deployments.jobs.job_rows import MAX_EVENTS
from deployments.jobs.job_trace import job_trace

router = APIRouter(prefix="/api/v1/traces", tags=["traces"])
TraceId = Annotated[
    str, Path(min_length=1, max_length=128, description="A request id, trace id or job id.")
]
JOB_PREFIX = "job_"


@router.get(
    "/{trace}",
    response_model=TraceList,
    responses=LOOK,
    summary="The recorded traces of a request id or trace id",
)
async def get_trace(
    access: ReadsTraces, trace: TraceId, request: Request, tenant: TenantInQuery = None
) -> TraceList:
    """Each ingress replica keeps the last 1,000 that it recorded: those that were sampled, failed
    by a fault of the server, or were slow. 404 for others, and for those of other tenants. Of a
    job's id, the trace is made of the job's events.
    """
    everybody = tenant is None and access.actor.is_operator
    services, whose = services_of(request), None if everybody else access.tenant
    if trace.startswith(JOB_PREFIX) and services.media is not None:
        jobs, owner = services.media.jobs, access.tenant
        job = await jobs.get(owner, trace)
        found: Sequence[RecordedTrace] = [
            job_trace(job, await jobs.events(owner, trace, limit=MAX_EVENTS))
        ]
    elif services.find_traces is None:
        found = services.tracing.tracer.ring.find(trace, whose)
    else:
        found = await services.find_traces(trace, whose)
    if not found:
        raise NotFound(f"No trace of '{trace}' is recorded.", param="trace")
    traces = sorted(found, key=lambda each: each.spans[0].start)
    return TraceList(data=[*map(_trace, traces)])


def _trace(trace: RecordedTrace) -> TraceResponse:
    return TraceResponse(
        request_id=trace.request_id,
        trace_id=trace.trace_id,
        tenant=trace.tenant,
        reason=trace.reason,
        spans=[_span(span, depth) for span, depth in nested(trace.spans)],
    )


def _span(span: TraceSpan, depth: int) -> TraceSpanResponse:
    return TraceSpanResponse(
        name=span.name,
        span_id=span.span_id,
        parent_id=span.parent_id,
        kind=span.kind.name.lower(),
        start=span.start,
        duration_ms=round((span.end - span.start) * 1_000, 3),
        depth=depth,
        error=span.error,
        process=span.process,
        attributes=dict(span.attributes),
        events=[
            {"name": event.name, "at": event.at, "attributes": dict(event.attributes)}
            for event in span.events
        ],
        links=[{"trace_id": link.trace_id, "span_id": link.span_id} for link in span.links],
    )


def nested(spans: Sequence[TraceSpan]) -> Iterator[tuple[TraceSpan, int]]:
    """Each span before those below it, which are in the order of their begin; and its depth."""
    ids = {span.span_id for span in spans}
    below: dict[str, list[TraceSpan]] = {}
    for span in spans:
        below.setdefault(span.parent_id if span.parent_id in ids else "", []).append(span)
    pending = [(span, 0) for span in reversed(below.get("", ()))]
    while pending:
        span, depth = pending.pop()
        yield span, depth
        children = sorted(below.get(span.span_id, ()), key=lambda each: each.start)
        pending += [(child, depth + 1) for child in reversed(children)]
