"""`clips`: order clips of a video, by HTTP or handle; `jobs.get`: how an order stands.

An order is held against the recording before anything is charged, its seconds of video are set
aside in the tenant's limits, and its job is written in one transaction.
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from cluster.runtime.problems import Conflict, InvalidRequest
from cluster.tenants.caller import Scope
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import UsageAmounts
from cluster.usage.ledger import record
from deployments.contracts.clips import ClipOptions
from deployments.contracts.jobs import Job, NewJob
from deployments.contracts.media import MediaInfo
from deployments.ingress.admission import current_entrance
from deployments.ingress.context import RequestContext
from deployments.ingress.http.streaming import Events
from deployments.ingress.media import MediaServices, VideoDisabled
from deployments.ingress.response_store import store_response
from deployments.ingress.schemas.clips import ClipJobCreate, JobQueryBody
from deployments.video.billing import CHARGE, LEDGER, charge, charge_to_json
from deployments.video.captions.glyphs import why_undrawn
from deployments.video.captions.styles import NONE, find
from deployments.video.catalog import Video, transcript_of
from deployments.video.job_spec import CLIPS, ClipJobSpec, to_spec
from deployments.video.probe.media_info_json import from_json
from deployments.video.probe.tracks import with_sound

DAY_S = 86_400.0
NOTHING = UsageAmounts()
WARNINGS = "warnings"


class Clips:
    """Body: ClipOrder. Answer: the job. It is made of the video as it is now."""

    schema = ClipJobCreate
    request_class = RequestClass.MEDIA

    def __init__(self, media: MediaServices | None, plan_of: Callable[[str], Plan]) -> None:
        self._media = media
        self._plan_of = plan_of

    def streams(self, body: ClipJobCreate) -> bool:
        return False

    async def answer(self, call: RequestContext, body: ClipJobCreate) -> dict[str, Any]:
        call.require(Scope.MEDIA_WRITE)
        media = _there(self._media)
        tenant = call.caller.tenant
        plan, video = self._plan_of(tenant), await media.videos.get(tenant, body.video)
        order = _order(video, body.options(), plan)
        warnings = _warnings(video, order.options)
        amounts = UsageAmounts(video_seconds=order.video_seconds)
        entrance = current_entrance.get()
        if entrance is None:
            raise RuntimeError("an order that no gate let in")
        reserved = await entrance.permit.reserve(LEDGER, amounts)
        try:
            job = await self._accepted(media, call, order, plan, warnings)
        except BaseException:
            reserved.settle(NOTHING, requests=0)
            raise
        reserved.settle(amounts, requests=0)
        return job_response(job)

    async def events(self, call: RequestContext, body: ClipJobCreate) -> Events:
        """One event, the job: /api/v1/jobs/{job}/events has the rest."""
        yield None, await self.answer(call, body)

    async def _accepted(
        self,
        media: MediaServices,
        call: RequestContext,
        order: ClipJobSpec,
        plan: Plan,
        warnings: list[str],
    ) -> Job:
        caller, seconds = call.caller, order.video_seconds
        charged = charge(caller.tenant, caller.key_id, plan, seconds, float(call.created))
        new = NewJob(
            tenant=caller.tenant,
            kind=CLIPS,
            key=caller.key_id,
            spec={**to_spec(order), CHARGE: charge_to_json(charged), WARNINGS: warnings},
            subject=order.video,
            cost=max(1, plan.weights.cost(UsageAmounts(video_seconds=order.video_seconds))),
            weight=caller.weight,
            priority=call.priority,
            keep_s=plan.media.clip_days * DAY_S,
            request_id=call.request_id,
        )
        async with media.database.begin() as connection:
            await media.videos.lock(connection, caller.tenant, order.video)
            await record(connection, charged)
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
        media, tenant = _there(self._media), call.caller.tenant
        job = await media.jobs.get(tenant, body.job)
        parts = await media.jobs.parts(tenant, body.job)
        return {**job_response(job), "clips": [media.clip(tenant, part) for part in parts]}

    async def events(self, call: RequestContext, body: JobQueryBody) -> Events:
        yield None, await self.answer(call, body)


def job_response(job: Job) -> dict[str, Any]:
    """A job as answers show it: of what it was told, which names paths, the warnings only."""
    said = asdict(job)
    del said["spec"]
    warnings = list(job.spec.get(WARNINGS, ()))
    return {"object": "job", **said, "priority": str(job.priority), WARNINGS: warnings}


def _there(media: MediaServices | None) -> MediaServices:
    if media is None:
        raise VideoDisabled
    return media


def _order(video: Video, options: ClipOptions, plan: Plan) -> ClipJobSpec:
    """Raises Conflict (the video is not ready) and InvalidRequest, naming the field."""
    if video.state != "ready" or video.info is None:
        raise Conflict(f"Video '{video.id}' is {video.state}; clips need one that is ready.")
    info = with_sound(from_json(video.info), options.audio_track, options.language)
    find(options.captions)
    said = video.transcript
    return ClipJobSpec(
        video=video.id,
        name=video.name,
        path=video.path,
        sha256=video.sha256,
        info=info,
        options=options,
        video_seconds=_seconds(info, options),
        clip_days=plan.media.clip_days,
        transcript=None if said is None else (transcript_of(video.id), str(said["kind"])),
    )


def _warnings(video: Video, options: ClipOptions) -> list[str]:
    """What will not come out as asked for, as far as it is known beforehand."""
    scripts = (video.transcript or {}).get("undrawn_scripts", ())
    if not scripts or options.captions == NONE:
        return []
    return [why_undrawn(scripts)]


def _seconds(info: MediaInfo, options: ClipOptions) -> int:
    """Whole seconds of the recording that are looked at."""
    end = info.duration if options.end is None else min(options.end, info.duration)
    if options.start >= end:
        raise InvalidRequest(
            f"start: {options.start:g} is not before the recording's end, {info.duration:g}.",
            param="start",
            limit=info.duration,
        )
    return max(1, math.ceil(end - options.start))
