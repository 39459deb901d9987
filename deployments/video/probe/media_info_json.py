"""What a recording holds, as plain JSON and back: the catalogue keeps JSON, stages take MediaInfo.

Fractions are written as `[numerator, denominator]`, so that nothing is rounded.
"""

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from deployments.contracts.media import AudioTrack, MediaInfo, SubtitleTrack, VideoTrack

_FRACTIONS = ("sar", "fps")


def to_json(info: MediaInfo) -> dict[str, Any]:
    said = asdict(info)
    if info.video is not None:
        said["video"] |= {name: _pair(getattr(info.video, name)) for name in _FRACTIONS}
    said["audio"] = list(said["audio"])
    said["subtitles"] = list(said["subtitles"])
    return said


def from_json(said: Mapping[str, Any]) -> MediaInfo:
    """Raises KeyError or TypeError for what no `to_json` gave."""
    video = said["video"]
    return MediaInfo(
        container=said["container"],
        duration=said["duration"],
        bytes=said["bytes"],
        video=None if video is None else _video(video),
        audio=tuple(AudioTrack(**track) for track in said["audio"]),
        subtitles=tuple(SubtitleTrack(**track) for track in said["subtitles"]),
        sound=said.get("sound"),
    )


def _video(said: Mapping[str, Any]) -> VideoTrack:
    return VideoTrack(**{**said, **{name: Fraction(*said[name]) for name in _FRACTIONS}})


def _pair(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]
