"""Probes a recording before it is decoded or charged.

A file in, `MediaInfo` in display space out, or a typed problem. A sandboxed child (child.py) reads
the file; its answer is not trusted: types, ranges and limits are checked here.
"""

import math
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from deployments.contracts.media import MediaInfo, MediaLimits, VideoTrack
from deployments.sandbox import Cancel, ChildLimits, link_input, python_child
from deployments.sandbox.errors import MediaDamaged, MediaTooLarge, MediaTooShort, NoMedia

PROBE_LIMITS = ChildLimits(cpu_s=20, wall_s=60.0, output_bytes=1 << 20, files=32)
_CHILD = "deployments.video.probe.child"


def probe(
    path: Path,
    folder: Path,
    limits: MediaLimits | None = None,
    *,
    child: ChildLimits = PROBE_LIMITS,
    cancel: Cancel | None = None,
) -> MediaInfo:
    """Blocks for some 0.4 s; `folder` is private and may be the file's own.

    Raises MediaRefused (not a recording), NoMedia, MediaDamaged (no picture can be decoded, or
    impossible times), MediaTooLarge (names the field of MediaLimits), and as python_child does.
    """
    limits = limits or MediaLimits()
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise MediaTooLarge("max_bytes", limits.max_bytes, size)
    with link_input(path, folder) as (name, readable):
        request = {"name": name, "limits": asdict(limits)}
        answer = python_child(
            _CHILD, request, folder, limits=child, cancel=cancel, readable=readable
        )
    return check_limits(_parse({**answer, "bytes": size}), limits)


def check_limits(info: MediaInfo, limits: MediaLimits) -> MediaInfo:
    """`info`, if it is within the limits. Raises MediaTooLarge, MediaTooShort and NoMedia."""
    if info.video is None and not info.audio:
        raise NoMedia()
    streams = len(info.audio) + len(info.subtitles) + (info.video is not None)
    _check_limit("max_streams", streams, limits.max_streams)
    _check_limit("max_duration_s", round(info.duration, 3), limits.max_duration_s)
    if info.duration < limits.min_duration_s:
        raise MediaTooShort(info.duration, limits.min_duration_s)
    if info.video is not None:
        video = info.video
        _check_limit("max_pixels", video.coded_width * video.coded_height, limits.max_pixels)
        _check_limit("max_pixels", video.width * video.height, limits.max_pixels)
        _check_limit("max_fps", round(float(video.fps), 3), limits.max_fps)
    return info


def _check_limit(field: str, got: float, limit: float) -> None:
    if got > limit:
        raise MediaTooLarge(field, limit, got)


def _parse(answer: dict[str, Any]) -> MediaInfo:
    try:
        info = msgspec.convert(answer, MediaInfo, dec_hook=_fraction)
    except (msgspec.ValidationError, ValueError, ZeroDivisionError) as error:
        raise MediaDamaged() from error
    video = info.video
    times = [info.duration, *(track.start for track in info.audio)]
    if not all(map(math.isfinite, times)) or (video is not None and not _is_plausible(video)):
        raise MediaDamaged("The header holds values that cannot be.")
    return info


def _is_plausible(video: VideoTrack) -> bool:
    sizes = (video.width, video.height, video.coded_width, video.coded_height, video.bits)
    return min(sizes) > 0 and min(video.fps, video.sar) > 0 and math.isfinite(video.start)


def _fraction(kind: type, value: Any) -> Any:
    if kind is Fraction and isinstance(value, str) and len(value) < 50:
        return Fraction(value)
    raise ValueError(f"{kind.__name__} expected")
