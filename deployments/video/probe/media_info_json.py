"""MediaInfo as plain JSON and back: the catalog stores JSON, the stages take MediaInfo.

Fractions are written as `[numerator, denominator]`, so that nothing is rounded.
"""

from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from deployments.contracts.media import AudioTrack, MediaInfo, SubtitleTrack, VideoTrack

_FRACTIONS = ("sar", "fps")


def to_json(info: MediaInfo) -> dict[str, Any]:
    data = asdict(info)
    if info.video is not None:
        data["video"] |= {name: _fraction_to_json(getattr(info.video, name)) for name in _FRACTIONS}
    data["audio"] = list(data["audio"])
    data["subtitles"] = list(data["subtitles"])
    return data


def from_json(data: Mapping[str, Any]) -> MediaInfo:
    """Raises KeyError or TypeError for data that `to_json` did not write."""
    video = data["video"]
    return MediaInfo(
        container=data["container"],
        duration=data["duration"],
        bytes=data["bytes"],
        video=None if video is None else _video(video),
        audio=tuple(AudioTrack(**track) for track in data["audio"]),
        subtitles=tuple(SubtitleTrack(**track) for track in data["subtitles"]),
        sound=data.get("sound"),
    )


def _video(data: Mapping[str, Any]) -> VideoTrack:
    return VideoTrack(**{**data, **{name: Fraction(*data[name]) for name in _FRACTIONS}})


def _fraction_to_json(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]
