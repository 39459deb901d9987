"""`clips`: request clips of a video, by HTTP or handle; `jobs.get`: the state of the job.

A request is checked against the recording before anything is charged, its seconds of video are
reserved in the tenant's limits, and its job is written in one transaction.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from cluster.tenants.caller import Scope
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import UsageAmounts
from cluster.usage.ledger import record
from deployments.contracts.jobs import Job, NewJob
from deployments.ingress.admission import current_entrance
from deployments.ingress.context import RequestContext
from deployments.ingress.http.streaming import Events
from deployments.ingress.response_store import store_response
from deployments.ingress.schemas.clips import ClipJobCreate, JobQueryBody
from deployments.video.billing import CHARGE, LEDGER, charge, charge_to_json
from deployments.video.clip_order import caption_warnings, clip_job_spec
from deployments.video.job_spec import CLIPS, ClipJobSpec, to_spec
from deployments.video.services import MediaServices, VideoDisabled

DAY_S = 86_400.0
NOTHING = UsageAmounts()
WARNINGS = "warnings"


class Clips:
    """Body: ClipJobCreate. Answer: the job, of the video in its current state."""

    schema = ClipJobCreate
    request_class = RequestClass.MEDIA

    def __init__(self, media: MediaServices | None, plan_of: Callable[[str], Plan]) -> None:
        self._media = media
        self._plan_of = plan_of

    def streams(self, body: ClipJobCreate) -> bool:
        return False

    async def answer(self, call: RequestContext, body: ClipJobCreate) -> dict[str, Any]:
        call.require(Scope.MEDIA_WRITE)
        media = _enabled(self._media)
        tenant = call.caller.tenant
        plan, video = self._plan_of(tenant), await media.videos.get(tenant, body.video)
        spec = clip_job_spec(video, body.options(), plan)
        warnings = caption_warnings(video, spec.options)
        amounts = UsageAmounts(video_seconds=spec.video_seconds)
        entrance = current_entrance.get()
        if entrance is None:
            raise RuntimeError("an order that no gate let in")
        reserved = await entrance.permit.reserve(LEDGER, amounts)
        try:
            job = await self._create_job(media, call, spec, plan, warnings)
        except BaseException:
            reserved.settle(NOTHING, requests=0)
            raise
        reserved.settle(amounts, requests=0)
        return job_response(job)

    async def events(self, call: RequestContext, body: ClipJobCreate) -> Events:
        """One event, the job: /api/v1/jobs/{job}/events has the rest."""
        yield None, await self.answer(call, body)

    async def _create_job(
        self,
        media: MediaServices,
        call: RequestContext,
        spec: ClipJobSpec,
        plan: Plan,
        warnings: list[str],
    ) -> Job:
        caller, seconds = call.caller, spec.video_seconds
        entry = charge(caller.tenant, caller.key_id, plan, seconds, float(call.created))
        new = NewJob(
            tenant=caller.tenant,
            kind=CLIPS,
            key=caller.key_id,
            spec={**to_spec(spec), CHARGE: charge_to_json(entry), WARNINGS: warnings},
            subject=spec.video,
            cost=max(1, plan.weights.cost(UsageAmounts(video_seconds=spec.video_seconds))),
            weight=caller.weight,
            priority=call.priority,
            keep_s=plan.media.clip_days * DAY_S,
            request_id=call.request_id,
        )
        async with media.database.begin() as connection:
            await media.videos.lock(connection, caller.tenant, spec.video)
            await record(connection, entry)
            job = await media.jobs.create(connection, new)
            await store_response(connection, job_response(job))
            return job


class GetJob:
    """Body: JobQueryBody. Answer: the job, with links to the clips that are ready."""

    schema = JobQueryBody
    request_class = RequestClass.READ

    def __init__(self, media: MediaServices | None) -> None:
        self._media = media

    def streams(self, body: JobQueryBody) -> bool:
        return False

    async def answer(self, call: RequestContext, body: JobQueryBody) -> dict[str, Any]:
        call.require(Scope.MEDIA_READ)
        media, tenant = _enabled(self._media), call.caller.tenant
        job = await media.jobs.get(tenant, body.job)
        parts = await media.jobs.parts(tenant, body.job)
        return {**job_response(job), "clips": [media.clip(tenant, part) for part in parts]}

    async def events(self, call: RequestContext, body: JobQueryBody) -> Events:
        yield None, await self.answer(call, body)


def job_response(job: Job) -> dict[str, Any]:
    """A job as callers see it: without its spec, which names paths, but with its warnings."""
    fields = asdict(job)
    del fields["spec"]
    warnings = list(job.spec.get(WARNINGS, ()))
    return {"object": "job", **fields, "priority": str(job.priority), WARNINGS: warnings}


def _enabled(media: MediaServices | None) -> MediaServices:
    if media is None:
        raise VideoDisabled
    return media
