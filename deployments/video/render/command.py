"""One ffmpeg command for a whole clip: every aspect's file and its thumbnails, from one decode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from deployments.contracts.clips import ClipPlan, Quality
from deployments.contracts.media import MediaInfo
from deployments.sandbox.errors import NoMedia
from deployments.sandbox.inputs import INPUT_OPTIONS, input_name
from deployments.video.probe.tracks import sound_of
from deployments.video.render.audio_filters import (
    gain_filters,
    nodes,
    to_filter_string,
    trim_and_resample,
)
from deployments.video.render.layout import Stream, split_stream
from deployments.video.render.loudness import Gain
from deployments.video.render.span import Span
from deployments.video.render.video_filters import VideoOutput, build_outputs, waveform_filter
from deployments.video.render.workspace import Workspace

_PRESETS: Mapping[Quality, str] = {"draft": "superfast", "standard": "veryfast", "final": "medium"}
_NVENC: Mapping[Quality, str] = {"draft": "p2", "standard": "p4", "final": "p6"}
_CRF: Mapping[Quality, int] = {"draft": 23, "standard": 21, "final": 19}
_KEYFRAME_S = 2
Options = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class RenderCommand:
    """`argv` for the clip; `files` (name: text) it reads; `pictures` are the names of the videos,
    `candidates` the patterns (`%d` from 1) of the thumbnails to choose from, `blacks` the files in
    which black frames are logged."""

    argv: tuple[str, ...]
    files: Mapping[str, str]
    pictures: tuple[str, ...]
    candidates: tuple[str, ...]
    blacks: tuple[str, ...]


def command(
    plan: ClipPlan, info: MediaInfo, span: Span, gain: Gain, workspace: Workspace
) -> RenderCommand:
    """The command that renders `plan`; a graph built with ffmpeg-python, run by our sandbox."""
    import ffmpeg

    stem = f"c{plan.index}"
    source = input_node(span, workspace)
    track = sound_of(info)
    sound = [] if track is None else [source[str(track.index)]]
    options = video_options(plan, span.rate, workspace.encoder_threads) | file_options()
    if track is not None:  # in a graph of its own, to be rebuilt where the sound's form changes
        prepared = trim_and_resample(
            span.lead, span.duration, track.start > span.start, span.repair
        )
        chain = to_filter_string((*prepared, *gain_filters(gain)))
        options |= {"filter:a": chain, **audio_options()}
    video_outputs = _video_outputs(source, plan, info, span, gain, stem)
    pictures = tuple(f"{stem}o{number}.mp4" for number in range(len(video_outputs)))
    candidates = tuple(f"{stem}o{number}-%d.jpg" for number in range(len(video_outputs)))
    blacks = tuple(f"{stem}o{number}.black" for number in range(len(video_outputs)))
    outputs: list[Any] = []
    for video_output, picture, candidate in zip(video_outputs, pictures, candidates, strict=True):
        outputs.append(ffmpeg.output(video_output.picture, *sound, picture, **options))
        outputs.append(ffmpeg.output(video_output.candidates, candidate, **picture_options()))
    argv = ffmpeg.merge_outputs(*outputs).compile(cmd=workspace.ffmpeg(*_global_options(workspace)))
    files = {
        name: text for video_output in video_outputs for name, text in video_output.files.items()
    }
    return RenderCommand(tuple(argv), files, pictures, candidates, blacks)


def input_node(span: Span, workspace: Workspace) -> Stream:
    """The recording from the keyframe before the span on, or from its beginning if no seek is
    needed. The graph trims the rest: ffmpeg's own cut has microsecond precision only, and its `-t`
    counts from the keyframe."""
    import ffmpeg

    options = {**INPUT_OPTIONS, "threads": str(workspace.threads)}
    if span.seek > 0:
        options["ss"] = f"{span.seek:.6f}"
    return ffmpeg.input(
        input_name(workspace.source),
        noaccurate_seek=None,
        max_error_rate=1,
        **{"reinit_filter:v": 0},
        **options,
    )


def _global_options(workspace: Workspace) -> Sequence[str]:
    threads = ("-filter_complex_threads", str(workspace.threads))
    return ("-v", "warning", "-nostats", "-progress", "pipe:1", *threads)


def _video_outputs(
    source: Stream, plan: ClipPlan, info: MediaInfo, span: Span, gain: Gain, stem: str
) -> tuple[VideoOutput, ...]:
    if info.video is not None:
        return build_outputs(source[str(info.video.index)], info.video, span, plan.outputs, stem)
    track = sound_of(info)
    if track is None:
        raise NoMedia()
    prepared = trim_and_resample(span.lead, span.duration, True, span.repair)
    sound = nodes(source[str(track.index)], (*prepared, *gain_filters(gain)))
    return waveform_filter(
        split_stream(sound, len(plan.outputs), "asplit"), span, plan.outputs, stem
    )


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
    """Index first, without the source's metadata, times or build names: equal plans give equal
    bytes."""
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
