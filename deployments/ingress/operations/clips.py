"""`clips`: create a job that makes clips of a video; `jobs.get`: show a job.

The options are checked against the recording before anything is charged, the seconds of video are
reserved in the tenant's limits, and the job is written in one transaction.
"""

from dataclasses import asdict
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from cluster.tenants.units import UsageAmounts
from cluster.usage.dimensions import CallDimensions
from cluster.usage.entries import record
from deployments.contracts.jobs import Job, NewJob
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.streaming import Events
from deployments.ingress.schemas.clips import ClipJobCreate, JobQueryBody
from deployments.video.billing import CHARGE, LEDGER, charge, charge_to_json
from deployments.video.clip_order import caption_warnings, clip_job_spec
from deployments.video.job_spec import CLIPS, ClipJobSpec, to_spec
from deployments.video.services import MediaServices, require_media

DAY_S = 86_400.0
WARNINGS = "warnings"


class Clips:
    """Body: ClipJobCreate. Answer: the job. Its clips are of the video in its current state."""

    schema = ClipJobCreate
    request_class = RequestClass.MEDIA
    scope = Scope.MEDIA_WRITE
    can_stream = False

    def __init__(self, media: MediaServices | None) -> None:
        self._media = media

    async def answer(self, request: AdmittedRequest, body: ClipJobCreate) -> dict[str, Any]:
        media = require_media(self._media)
        video = await media.videos.get(request.caller.tenant, body.video)
        spec = clip_job_spec(video, body.options(), request.plan)
        warnings = caption_warnings(video, spec.options)
        audio_seconds = await media.speech_seconds(request.caller.tenant, spec)
        amounts = UsageAmounts(video_seconds=spec.video_seconds, audio_seconds=audio_seconds)
        reservation = await request.permit.reserve(LEDGER, amounts)
        try:
            job = await self._create_job(media, request, spec, amounts, warnings)
        except BaseException:
            reservation.settle(UsageAmounts(), requests=0)
            raise
        reservation.settle(amounts, requests=0)
        return job_response(job)

    async def events(self, request: AdmittedRequest, body: ClipJobCreate) -> Events:
        """One event, the job: /api/v1/jobs/{job}/events has the rest."""
        yield None, await self.answer(request, body)

    async def _create_job(
        self,
        media: MediaServices,
        request: AdmittedRequest,
        spec: ClipJobSpec,
        amounts: UsageAmounts,
        warnings: list[str],
    ) -> Job:
        caller, plan, seconds = request.caller, request.plan, spec.video_seconds
        end_user = media.pseudonym_of(caller.tenant, caller.end_user)
        named = CallDimensions(caller.team, end_user, request.tags)
        entry = charge(caller.tenant, caller.key_id, plan, seconds, float(request.created), named)
        new = NewJob(
            tenant=caller.tenant,
            kind=CLIPS,
            key=caller.key_id,
            spec={
                **to_spec(spec),
                CHARGE: charge_to_json(entry, amounts.audio_seconds),
                WARNINGS: warnings,
            },
            subject=spec.video,
            cost=max(1, plan.weights.cost(amounts)),
            weight=caller.weight,
            priority=request.priority,
            keep_s=plan.media.clip_days * DAY_S,
            request_id=request.request_id,
            trace=request.traceparent,
        )
        async with media.database.begin() as connection:
            await media.videos.lock(connection, caller.tenant, spec.video)
            await record(connection, entry)
            job = await media.jobs.create(connection, new)
            if request.store_response is not None:
                await request.store_response(connection, job_response(job))
            return job


class GetJob:
    """Body: JobQueryBody. Answer: the job, with links to the clips that are ready."""

    schema = JobQueryBody
    request_class = RequestClass.READ
    scope = Scope.MEDIA_READ
    can_stream = False

    def __init__(self, media: MediaServices | None) -> None:
        self._media = media

    async def answer(self, request: AdmittedRequest, body: JobQueryBody) -> dict[str, Any]:
        media, tenant = require_media(self._media), request.caller.tenant
        job = await media.jobs.get(tenant, body.job)
        parts = await media.jobs.parts(tenant, body.job)
        return {**job_response(job), "clips": [media.clip(tenant, part) for part in parts]}

    async def events(self, request: AdmittedRequest, body: JobQueryBody) -> Events:
        yield None, await self.answer(request, body)


def job_response(job: Job) -> dict[str, Any]:
    """A job as responses show it: of its spec, which names paths, only the warnings."""
    fields = asdict(job)
    del fields["spec"], fields["trace"]
    warnings = list(job.spec.get(WARNINGS, ()))
    return {"object": "job", **fields, "priority": str(job.priority), WARNINGS: warnings}
