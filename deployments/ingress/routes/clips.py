"""`/api/v1/videos/{video}/clips`, `/api/v1/jobs/{job}/clips` and `/api/v1/capabilities`."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from cluster.runtime.problems import Problem
from cluster.tenants.caller import Scope
from deployments.contracts.clips import ASPECTS
from deployments.ingress.authentication import authenticate
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.idempotency import with_idempotency
from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.clips import Clips
from deployments.ingress.permissions import AnyCaller, ReadsJobs, services_of
from deployments.ingress.routes.responses import CHANGE, LOOK
from deployments.ingress.schemas.clips import (
    CapabilitiesAnswer,
    ClipAnswer,
    ClipJobCreate,
    ClipRequest,
    ClipsAnswer,
)
from deployments.ingress.schemas.jobs import JobAnswer
from deployments.video.captions import styles
from deployments.video.services import MediaServices, require_media

router = APIRouter(prefix="/api/v1", tags=["clips"])
RETRY_AFTER_S = "2"

_ID = r"^[0-9A-Za-z_-]{4,63}$"
VideoId = Annotated[str, Path(pattern=_ID, description="The video's id.")]
JobId = Annotated[str, Path(pattern=_ID, description="The job's id.")]
Number = Annotated[int, Path(ge=1, le=10_000, description="The clip's number, from 1.")]


@router.post(
    "/videos/{video}/clips",
    status_code=202,
    response_model=JobAnswer,
    responses=CHANGE,
    summary="Make clips of a video",
    openapi_extra=request_body(ClipRequest),
)
async def create_clips(video: VideoId, request: Request) -> Response:
    """Answers with the job, whose URL is in `Location`. With an `Idempotency-Key`, repetitions of a
    request create one job.
    """
    services = services_of(request)
    operation: Operation[Any] = Clips(services.media)
    context = authenticate(services, request, operation.request_class)
    try:
        options = await read_json(request, ClipRequest)
        raw, name = await request.body(), f"clips:{video}"
        operation = with_idempotency(operation, services.idempotency, name, request.headers, raw)
    except Problem as problem:
        services.admission.record_refused(context, "clips", problem)
        raise
    async with services.admission.admitted(
        context, operation.request_class, "clips", scope=operation.scope
    ) as admitted:
        body = ClipJobCreate(video=video, **options.model_dump())
        answer = await operation.answer(admitted, body)
    content = JobAnswer.model_validate(answer).model_dump_json()
    headers = {"Location": f"/api/v1/jobs/{answer['id']}", "Retry-After": RETRY_AFTER_S}
    return Response(content, 202, headers, "application/json")


@router.get(
    "/jobs/{job}/clips",
    response_model=ClipsAnswer,
    responses=LOOK,
    summary="The clips of a job, with links to their files",
)
async def list_clips(access: ReadsJobs, job: JobId, request: Request) -> ClipsAnswer:
    """Can be polled while the job runs: each clip is listed as soon as it is ready."""
    media = _media(request)
    current = await media.jobs.get(access.tenant, job)
    clips = [
        ClipAnswer.model_validate(media.clip(access.tenant, part))
        for part in await media.jobs.parts(access.tenant, job)
    ]
    return ClipsAnswer(job=job, video=current.subject, state=current.state, data=clips)


@router.get(
    "/capabilities",
    response_model=CapabilitiesAnswer,
    responses=LOOK,
    summary="What this installation can do with recordings, and why not",
)
async def capabilities(admitted: AnyCaller, request: Request) -> CapabilitiesAnswer:
    admitted.require(Scope.MEDIA_READ)
    media = _media(request)
    limits = media.ingest.limits_of(admitted.caller.tenant)
    return CapabilitiesAnswer.model_validate(
        {
            "abilities": {
                name: asdict(each) for name, each in (await media.capabilities()).items()
            },
            "aspects": list(ASPECTS),
            "qualities": ["draft", "standard", "final"],
            "caption_styles": list(styles()),
            "limits": asdict(limits) | {"max_form_bytes": media.max_form_bytes},
        }
    )


def _media(request: Request) -> MediaServices:
    return require_media(services_of(request).media)
