"""The spec of a clip job, as JSON and back: the job's row holds JSON, the stages take values.

A spec holds everything about the video at the time of the request, so that later changes of the
video do not change its clips.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deployments.contracts.clips import ClipOptions
from deployments.contracts.media import MediaInfo
from deployments.video.probe.media_info_json import from_json, to_json

CLIPS = "video.clips"
_TUPLES = ("aspects", "keywords")


@dataclass(frozen=True, slots=True)
class ClipJobSpec:
    """`path` is the source's path in the tenant's files, `transcript` the path and kind of a
    sidecar. `video_seconds` is charged; clips are stored for `clip_days`.
    """

    video: str
    name: str
    path: str
    sha256: str
    info: MediaInfo
    options: ClipOptions
    video_seconds: int
    clip_days: float
    transcript: tuple[str, str] | None = None


def clips_folder(job: str) -> str:
    """Where all files of a job are stored."""
    return f"clips/{job}"


def clip_folder(job: str, number: int) -> str:
    """Where the files of one clip of a job are stored."""
    return f"{clips_folder(job)}/{number}"


def to_spec(spec: ClipJobSpec) -> dict[str, Any]:
    options = asdict(spec.options)
    return {
        "video": spec.video,
        "name": spec.name,
        "path": spec.path,
        "sha256": spec.sha256,
        "info": to_json(spec.info),
        "options": {**options, **{name: list(options[name]) for name in _TUPLES}},
        "video_seconds": spec.video_seconds,
        "clip_days": spec.clip_days,
        "transcript": None if spec.transcript is None else list(spec.transcript),
    }


def from_spec(data: Mapping[str, Any]) -> ClipJobSpec:
    """Raises KeyError or TypeError for data that `to_spec` did not write."""
    options = dict(data["options"])
    for name in _TUPLES:
        options[name] = tuple(options[name])
    transcript = data["transcript"]
    return ClipJobSpec(
        video=data["video"],
        name=data["name"],
        path=data["path"],
        sha256=data["sha256"],
        info=from_json(data["info"]),
        options=ClipOptions(**options),
        video_seconds=data["video_seconds"],
        clip_days=data["clip_days"],
        transcript=None if transcript is None else (transcript[0], transcript[1]),
    )
