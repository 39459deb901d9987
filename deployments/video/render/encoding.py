"""Encoder settings by quality: a plan in, options for ffmpeg's outputs out."""

from collections.abc import Mapping
from fractions import Fraction

from deployments.contracts.clips import ClipPlan, Quality

_PRESETS: Mapping[Quality, str] = {"draft": "superfast", "standard": "veryfast", "final": "medium"}
_NVENC: Mapping[Quality, str] = {"draft": "p2", "standard": "p4", "final": "p6"}
_CRF: Mapping[Quality, int] = {"draft": 23, "standard": 21, "final": 19}
_KEYFRAME_S = 2
Options = dict[str, str | int]


def video_options(plan: ClipPlan, rate: Fraction, threads: int) -> Options:
    """H.264 High, 4:2:0, a keyframe every two seconds at least."""
    encoder = _nvenc(plan.quality) if plan.encoder == "nvenc" else _x264(plan.quality, threads)
    return {
        **encoder,
        "profile:v": "high",
        "pix_fmt": "yuv420p",
        "g": max(1, round(rate * _KEYFRAME_S)),
    }


def audio_options() -> Options:
    return {"c:a": "aac", "b:a": "160k", "ar": 48_000, "ac": 2}


def file_options() -> Options:
    """Index first, nothing of the source's metadata, and nothing that names a moment or a build, so
    that equal plans give equal bytes."""
    return {
        "f": "mp4",
        "movflags": "+faststart",
        "map_metadata": -1,
        "map_chapters": -1,
        "fflags": "+bitexact",
        "flags:v": "+bitexact",
        "flags:a": "+bitexact",
    }


def picture_options() -> Options:
    """For thumbnails: JPEG at a constant quality."""
    return {
        "f": "image2",
        "c:v": "mjpeg",
        "q:v": 3,
        "fps_mode": "passthrough",
        "map_metadata": -1,
        "fflags": "+bitexact",
        "flags:v": "+bitexact",
    }


def _x264(quality: Quality, threads: int) -> Options:
    return {
        "c:v": "libx264",
        "preset": _PRESETS[quality],
        "crf": _CRF[quality],
        "threads": threads,
    }


def _nvenc(quality: Quality) -> Options:
    return {
        "c:v": "h264_nvenc",
        "preset": _NVENC[quality],
        "rc": "vbr",
        "cq": _CRF[quality],
        "b:v": 0,
    }
