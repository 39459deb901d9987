"""What a job of clips is told, as JSON and back: the job's row keeps JSON, stages take values.

An order holds all that was true of the video when it was accepted, so that later changes of it do
not change what its clips come out like.
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
    """`path` is the source's in the tenant's files, `transcript` that of a sidecar and its kind.

    `video_seconds` is how much of the recording is paid for, `clip_days` how long clips are kept.
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


def clips_of(job: str) -> str:
    """Where all files of a job are."""
    return f"clips/{job}"


def to_spec(order: ClipJobSpec) -> dict[str, Any]:
    options = asdict(order.options)
    return {
        "video": order.video,
        "name": order.name,
        "path": order.path,
        "sha256": order.sha256,
        "info": to_json(order.info),
        "options": {**options, **{name: list(options[name]) for name in _TUPLES}},
        "video_seconds": order.video_seconds,
        "clip_days": order.clip_days,
        "transcript": None if order.transcript is None else list(order.transcript),
    }


def from_spec(spec: Mapping[str, Any]) -> ClipJobSpec:
    """Raises KeyError or TypeError for what no `to_spec` gave."""
    options = dict(spec["options"])
    for name in _TUPLES:
        options[name] = tuple(options[name])
    said = spec["transcript"]
    return ClipJobSpec(
        video=spec["video"],
        name=spec["name"],
        path=spec["path"],
        sha256=spec["sha256"],
        info=from_json(spec["info"]),
        options=ClipOptions(**options),
        video_seconds=spec["video_seconds"],
        clip_days=spec["clip_days"],
        transcript=None if said is None else (said[0], said[1]),
    )
