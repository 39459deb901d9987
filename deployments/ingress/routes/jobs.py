"""`/api/v1/jobs`: jobs and their events, as they happen; cancelling and deleting jobs."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from cluster.runtime.problems import Forbidden
from cluster.tenants.caller import Scope
from deployments.contracts.jobs import ENDED, Job, JobEvent
from deployments.ingress.authentication import bearer_token
from deployments.ingress.context import request_state
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.range_requests import matches_etag
from deployments.ingress.http.request_body import read_json
from deployments.ingress.http.streaming import KEEP_ALIVE, SSE, EventFeedResponse, feed_frame
from deployments.ingress.permissions import (
    ReadsJobs,
    TenantInQuery,
    WritesJobs,
    admit_long_lived,
    services_of,
)
from deployments.ingress.routes.responses import CHANGE, LOOK, NO_STORE
from deployments.ingress.schemas.admin import EmptyBody
from deployments.ingress.schemas.jobs import JobDetail, JobPage, JobQuery, JobResponse
from deployments.jobs.event_stream import BEAT_S, GapEvent, follow, has_ended
from deployments.jobs.store import JobStore
from deployments.video.services import require_media

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])

RETRY_AFTER_S = 2
MAX_WAIT_S = 30.0
RESERVE_S = 2.0  # of the request's deadline, for the response itself
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", re.IGNORECASE)

JobId = Annotated[str, Path(max_length=64, description="The job's id.")]
Seq = Annotated[int | None, Query(ge=0, le=2**31 - 1, description="The last event seen.")]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=20, description="The same, as browsers say it."),
]
Condition = Annotated[str | None, Header(alias="If-None-Match", max_length=2_000)]
Prefer = Annotated[
    str | None,
    Header(
        max_length=200,
        description="RFC 7240: `wait=N` answers within N seconds (at most 30), earlier if the job "
        "ends, or, beside If-None-Match, changes.",
    ),
]


@router.get("", response_model=JobPage, responses=LOOK, summary="List jobs, newest first")
async def list_jobs(
    access: ReadsJobs, query: Annotated[JobQuery, Query()], request: Request
) -> JobPage:
    page = await _jobs(request).page(
        access.tenant,
        state=query.state,
        kind=query.kind,
        subject=query.subject,
        limit=query.limit,
        cursor=query.cursor,
    )
    return JobPage(data=[_answer(each) for each in page.items], next_cursor=page.next)


@router.get(
    "/{job}",
    response_model=JobDetail,
    responses={304: {"description": "It is as it was."}, **LOOK},
    summary="Show a job",
)
async def get_job(
    job: JobId,
    request: Request,
    tenant: TenantInQuery = None,
    condition: Condition = None,
    prefer: Prefer = None,
) -> Response:
    """While it runs, `Retry-After` says when to ask again, and `ETag` spares the answer."""
    async with admit_long_lived(request, Scope.MEDIA_READ, tenant) as access:
        jobs = _jobs(request)
        current = await jobs.get(access.tenant, job)
    wait_s = wait_s_of(request, prefer)
    if wait_s:
        current = await wait_for_change(jobs, current, request, condition, wait_s)
    headers = _headers(request, current)
    if wait_s:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
    if matches_etag(condition, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    parts = [asdict(part) for part in await jobs.parts(current.tenant, job)]
    detail = JobDetail.model_validate({**_fields(current), "parts": parts})
    return Response(detail.model_dump_json(), media_type="application/json", headers=headers)


@router.get(
    "/{job}/events",
    response_class=Response,
    responses={
        200: {"content": {SSE: {"schema": {"type": "string"}}}},
        204: {"description": "It has ended, and its last event was seen: do not come back."},
        **LOOK,
    },
    summary="What happens to a job, as server-sent events",
)
async def stream_job_events(
    job: JobId,
    request: Request,
    tenant: TenantInQuery = None,
    after: Seq = None,
    last_event_id: LastEventId = None,
) -> Response:
    """From the event after `Last-Event-ID` or `after` on, until the job ends: `queued`, `started`,
    `progress`, `part`, `retrying`, and `succeeded`, `partial`, `failed` or `canceled`. `reset`:
    requested events have been deleted. The stream outlasts the request's deadline.
    """
    async with admit_long_lived(request, Scope.MEDIA_READ, tenant) as access:
        jobs = _jobs(request)
        last_seq = _last_seq(after, last_event_id)
        if await has_ended(jobs, access.tenant, job, last_seq):
            return Response(status_code=204, headers=NO_STORE)
        frames = _frames(jobs, access.tenant, job, last_seq)
        await anext(frames)  # subscribes
    return EventFeedResponse(frames, lambda: _check_access(request))


@router.post(
    "/{job}/cancel",
    response_model=JobResponse,
    responses=CHANGE,
    summary="Cancel a job",
    openapi_extra={"requestBody": {**request_body(EmptyBody)["requestBody"], "required": False}},
)
async def cancel_job(access: WritesJobs, job: JobId, request: Request) -> JobResponse:
    """May be repeated. One that runs is `canceled` when its worker has let go, a second later."""
    if await request.body():
        await read_json(request, EmptyBody)
    return _answer(await _jobs(request).cancel(access.tenant, job))


@router.delete(
    "/{job}", status_code=204, responses=CHANGE, summary="Forget an ended job and its files"
)
async def delete_job(access: WritesJobs, job: JobId, request: Request) -> Response:
    await _jobs(request).delete(access.tenant, job)
    return Response(status_code=204)


def _jobs(request: Request) -> JobStore:
    services = services_of(request)
    if services.media is None and services.audio is not None:
        return services.audio.jobs
    return require_media(services.media).jobs


def _answer(job: Job) -> JobResponse:
    return JobResponse.model_validate(_fields(job))


def _fields(job: Job) -> dict[str, Any]:
    return {**asdict(job), "warnings": list(job.spec.get("warnings", ()))}


def _check_access(request: Request) -> None:
    """Raises Unauthenticated or Forbidden once the credential may no longer read jobs."""
    caller = services_of(request).authenticator.verify(bearer_token(request))
    if not caller.allows(Scope.MEDIA_READ):
        raise Forbidden(f"This key lacks the scope '{Scope.MEDIA_READ}'.")


async def wait_for_change(
    jobs: JobStore, job: Job, request: Request, condition: str | None, wait_s: float
) -> Job:
    """The job once it has ended, or differs from what the client has, or time is up."""
    clock = services_of(request).clock
    until = clock.monotonic() + wait_s
    while job.state not in ENDED and (left_s := until - clock.monotonic()) > 0:
        if condition is not None and not matches_etag(condition, job_tag(request, job)):
            break
        if not await jobs.watch.wait(job.tenant, job.id, 0, left_s):
            break
        job = await jobs.get(job.tenant, job.id)
    return job


async def _frames(jobs: JobStore, tenant: str, job: str, after: int) -> AsyncGenerator[bytes, None]:
    """The first frame is empty; it comes as soon as the stream has subscribed."""
    with jobs.watch.subscribe(tenant):
        yield b""
        async with aclosing(follow(jobs, tenant, job, after, BEAT_S)) as events:
            async for event in events:
                yield _frame(event)


def _frame(event: JobEvent | GapEvent | None) -> bytes:
    if event is None:
        return KEEP_ALIVE
    if isinstance(event, GapEvent):
        return feed_frame("reset", {"after": event.after})
    return feed_frame(event.kind, {"job": event.job, "at": event.at, **event.data}, event.seq)


def _last_seq(after: int | None, last_event_id: str | None) -> int:
    """The header counts before the query: a browser that reconnects repeats the first address."""
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        return min(int(last_event_id), 2**31 - 1)
    return after or 0


def wait_s_of(request: Request, prefer: str | None) -> float:
    preference, deadline = _WAIT.search(prefer or ""), request_state(request.scope).deadline
    if preference is None or deadline is None:
        return 0.0
    return max(0.0, min(float(preference[1]), MAX_WAIT_S, deadline.remaining() - RESERVE_S))


def _headers(request: Request, job: Job) -> dict[str, Any]:
    headers = {"ETag": job_tag(request, job), "Cache-Control": "private, no-cache"}
    if job.state not in ENDED:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return headers


def job_tag(request: Request, job: Job) -> str:
    """A strong tag, so each coding of the response has its own (RFC 9110 section 8.8.3.3)."""
    coding = "-gzip" if "gzip" in request.headers.get("accept-encoding", "") else ""
    return f'"{job.id}-{job.version}{coding}"'
