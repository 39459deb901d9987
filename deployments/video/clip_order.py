"""Clip requests: checked against the recording before anything is charged, and turned into specs.

Flows in: a video, the caller's options, the tenant's plan. Flows out: the spec of a job, or a
problem that names the field; and warnings about captions.
"""

import math

from cluster.runtime.problems import Conflict, InvalidRequest
from cluster.tenants.plan import Plan
from deployments.contracts.clips import ClipOptions
from deployments.contracts.media import MediaInfo
from deployments.video.captions.glyphs import why_undrawn
from deployments.video.captions.styles import NONE, find
from deployments.video.catalog import Video, transcript_of
from deployments.video.job_spec import ClipJobSpec
from deployments.video.probe.media_info_json import from_json
from deployments.video.probe.tracks import with_sound


def clip_job_spec(video: Video, options: ClipOptions, plan: Plan) -> ClipJobSpec:
    """Raises Conflict (the video is not ready) and InvalidRequest, naming the field."""
    if video.state != "ready" or video.info is None:
        raise Conflict(f"Video '{video.id}' is {video.state}; clips need one that is ready.")
    info = with_sound(from_json(video.info), options.audio_track, options.language)
    find(options.captions)
    sidecar = video.transcript
    return ClipJobSpec(
        video=video.id,
        name=video.name,
        path=video.path,
        sha256=video.sha256,
        info=info,
        options=options,
        video_seconds=_charged_seconds(info, options),
        clip_days=plan.media.clip_days,
        transcript=None if sidecar is None else (transcript_of(video.id), str(sidecar["kind"])),
    )


def caption_warnings(video: Video, options: ClipOptions) -> list[str]:
    """Which words of the sidecar captions cannot show."""
    scripts = (video.transcript or {}).get("undrawn_scripts", ())
    if not scripts or options.captions == NONE:
        return []
    return [why_undrawn(scripts)]


def _charged_seconds(info: MediaInfo, options: ClipOptions) -> int:
    """Whole seconds of the requested part of the recording."""
    end = info.duration if options.end is None else min(options.end, info.duration)
    if options.start >= end:
        raise InvalidRequest(
            f"start: {options.start:g} is not before the recording's end, {info.duration:g}.",
            param="start",
            limit=info.duration,
        )
    return max(1, math.ceil(end - options.start))
