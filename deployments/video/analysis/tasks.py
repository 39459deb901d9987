"""The tasks of an analysis: each blocks until its sandboxed child ends, and runs in any process.

Flows in: a source. Flows out: where to split it, the features of a chunk of pictures, the features
of the sound. `merging.merge` joins these. The files of the children are validated before use.
"""

import math
import os
import secrets
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from deployments.contracts.media import AudioFeatures, AudioTrack, MediaSource, Seconds, VideoTrack
from deployments.sandbox import Cancel, ChildLimits, link_input, python_child
from deployments.sandbox.errors import MediaDamaged
from deployments.video.analysis.arrays import Layout, read
from deployments.video.analysis.audio_features import detect_silence
from deployments.video.analysis.chunk import (
    LAYOUT,
    AnalysisChunk,
    AudioAnalysis,
    ChunkFeatures,
    Mode,
)
from deployments.video.analysis.frame_signature import picture_size
from deployments.video.probe.tracks import sound_of

_KEYFRAMES_WORKER = "deployments.video.analysis.keyframes_worker"
_VIDEO_WORKER = "deployments.video.analysis.video_worker"
_AUDIO_WORKER = "deployments.video.analysis.audio_worker"
_AUDIO_LAYOUT: Layout = dict.fromkeys(("level", "speech", "novelty"), ("<f4", ("n",)))
_DECODER_PICTURES = 48  # held by a decoder
_LARGE = 4096 * 2304
MAX_CHUNK_S: Seconds = 180.0  # a chunk holds values for every frame
_STANDARD_RATE = 1920 * 1080 * 30  # pixels a second that one core decodes about 5 times as fast


def chunks(
    source: MediaSource, folder: Path, wanted: int, cancel: Cancel | None = None
) -> tuple[AnalysisChunk, ...]:
    """At most `wanted` chunks of about equal length that begin at keyframes, in order; more for a
    long recording, so that the memory of a chunk is bounded. () for a recording without pictures. A
    single chunk uses all cores. A task. Raises as python_child does."""
    video, duration = source.info.video, source.info.duration
    if video is None:
        return ()
    wanted = chunk_count(duration, wanted)
    begins: list[int] = []
    if wanted > 1:
        times = [duration * part / wanted for part in range(1, wanted)]
        begins = _split_points(source, video, folder, times, cancel)
    if not begins:
        return (AnalysisChunk(0, None, None, threads=0),)
    ends = [*begins, None]
    return tuple(
        AnalysisChunk(index, begin, end, 1 / len(ends))
        for index, (begin, end) in enumerate(zip([None, *begins], ends, strict=True))
    )


def chunk_count(duration: Seconds, wanted: int) -> int:
    """The number of chunks: a multiple of `wanted`, none longer than MAX_CHUNK_S."""
    return wanted * max(1, math.ceil(duration / (wanted * MAX_CHUNK_S)))


def single_chunk(mode: Mode = "exact") -> AnalysisChunk:
    """The whole recording as one chunk; mode `fast` decodes only its keyframes."""
    return AnalysisChunk(0, None, None, threads=0 if mode == "exact" else 1, mode=mode)


def chunk_of_span(
    source: MediaSource, folder: Path, start: Seconds, end: Seconds, cancel: Cancel | None = None
) -> AnalysisChunk:
    """The chunk from the keyframe at or before `start` to `end`. A task.

    Raises ValueError (no pictures), and as python_child does.
    """
    video = _video_of(source)
    answer = _find_keyframes(source, video, folder, [start, end], cancel)
    keyframes, time_stamps = answer.get("keyframes"), answer.get("time_stamps")
    begin = keyframes[0] if isinstance(keyframes, list) and keyframes else None
    last = time_stamps[1] if isinstance(time_stamps, list) and len(time_stamps) == 2 else None
    return AnalysisChunk(
        0,
        begin if type(begin) is int else None,
        last if type(last) is int else None,
        min(1.0, (end - start + 10.0) / max(source.info.duration, 1.0)),
        threads=0,
    )


def analyse_chunk(
    source: MediaSource, chunk: AnalysisChunk, folder: Path, cancel: Cancel | None = None
) -> ChunkFeatures:
    """The features of one chunk. A task.

    Raises MediaDamaged (nothing could be decoded, or the child broke its contract), ValueError (no
    pictures), and as python_child does.
    """
    video = _video_of(source)
    pixels = video.coded_width * video.coded_height
    request = {
        "stream": video.index,
        "begin": chunk.begin,
        "end": chunk.end,
        "size": picture_size(video.coded_width, video.coded_height),
        "rotation": video.rotation,
        "threads": chunk.threads or _threads(pixels),
        "mode": chunk.mode,
    }
    effort = pixels * max(1.0, float(video.fps)) / _STANDARD_RATE
    limits = _limits(source.info.duration * chunk.share, effort, pixels)
    answer, arrays = _run_worker(_VIDEO_WORKER, source, request, folder, limits, LAYOUT, cancel)
    return _validated(chunk, answer, arrays)


def analyze_audio_task(
    source: MediaSource, folder: Path, cancel: Cancel | None = None, track: AudioTrack | None = None
) -> AudioAnalysis | None:
    """The features of `track` (None: of the one in use); None for a recording without sound, or
    whose sound cannot be decoded at all. A task. Raises as python_child does."""
    track = track or sound_of(source.info)
    if track is None:
        return None
    request = {"stream": track.index, "duration": source.info.duration}
    limits = _limits(source.info.duration, 0.2)
    answer, arrays = _run_worker(
        _AUDIO_WORKER, source, request, folder, limits, _AUDIO_LAYOUT, cancel
    )
    level = arrays["level"]
    if not level.size:
        return None
    start, hop_s = _number(answer, "start"), _number(answer, "hop_s")
    silences = detect_silence(level, start, hop_s)
    features = AudioFeatures(start, hop_s, level, arrays["speech"], arrays["novelty"], silences)
    return AudioAnalysis(features, start + level.size * hop_s, _count(answer, "errors"))


def _video_of(source: MediaSource) -> VideoTrack:
    if source.info.video is None:
        raise ValueError("a recording without pictures has no chunks")
    return source.info.video


def _split_points(
    source: MediaSource,
    video: VideoTrack,
    folder: Path,
    times: list[Seconds],
    cancel: Cancel | None,
) -> list[int]:
    """Rising time stamps of keyframes near `times`, each after the first frame."""
    answer = _find_keyframes(source, video, folder, times, cancel)
    keyframes, first = answer.get("keyframes"), answer.get("first")
    if not isinstance(keyframes, list) or not all(
        type(pts) in (int, type(None)) for pts in keyframes
    ):
        raise MediaDamaged()
    if type(first) is not int:
        return []
    return sorted({pts for pts in keyframes if pts is not None and pts > first})


def _find_keyframes(
    source: MediaSource,
    video: VideoTrack,
    folder: Path,
    times: list[Seconds],
    cancel: Cancel | None,
) -> dict[str, Any]:
    with link_input(source.path, folder) as (name, readable):
        request = {"name": name, "stream": video.index, "times": times}
        return python_child(_KEYFRAMES_WORKER, request, folder, cancel=cancel, readable=readable)


def _run_worker(
    module: str,
    source: MediaSource,
    request: dict[str, Any],
    folder: Path,
    limits: ChildLimits,
    layout: Layout,
    cancel: Cancel | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The child's answer, and the arrays it wrote."""
    out = folder / f"measures-{secrets.token_hex(8)}.npz"
    try:
        with link_input(source.path, folder) as (name, readable):
            answer = python_child(
                module,
                {**request, "name": name, "out": out.name},
                folder,
                limits=limits,
                cancel=cancel,
                readable=readable,
            )
        return answer, read(out, layout)
    except ValueError as error:
        raise MediaDamaged() from error
    finally:
        out.unlink(missing_ok=True)


def _limits(duration: Seconds, effort: float, pixels: int = 0) -> ChildLimits:
    """Four times the recording's duration on a busy machine, and memory for the pictures that a
    decoder holds."""
    cpu_s = math.ceil(60 + 4 * duration * max(0.2, effort))
    return ChildLimits(
        memory_bytes=(2 << 30) + _DECODER_PICTURES * 3 * pixels,
        cpu_s=cpu_s,
        wall_s=60.0 + 4.0 * cpu_s,
        output_bytes=1 << 30,
    )


def _threads(pixels: int) -> int:
    """Each thread of a decoder holds pictures of its own."""
    return min(os.cpu_count() or 1, 4 if pixels <= _LARGE else 2)


def _validated(
    chunk: AnalysisChunk, answer: dict[str, Any], arrays: dict[str, Any]
) -> ChunkFeatures:
    pts, sampled = arrays["pts"], arrays["sampled"]
    rising = bool((np.diff(pts) > 0).all() and (np.diff(sampled) > 0).all())
    if not rising or (sampled.size and not 0 <= sampled[0] <= sampled[-1] < pts.size):
        raise MediaDamaged()
    return ChunkFeatures(
        chunk,
        _fraction(answer, "time_base"),
        _fraction(answer, "origin"),
        _number(answer, "step"),
        _count(answer, "errors"),
        arrays,
        None if answer.get("ends") is None else int(_number(answer, "ends")),
    )


def _number(answer: dict[str, Any], name: str) -> float:
    value = answer.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise MediaDamaged()
    return float(value)


def _count(answer: dict[str, Any], name: str) -> int:
    return max(0, int(_number(answer, name)))


def _fraction(answer: dict[str, Any], name: str) -> Fraction:
    value = answer.get(name)
    if not isinstance(value, list) or len(value) != 2 or not all(type(n) is int for n in value):
        raise MediaDamaged()
    if value[1] <= 0:
        raise MediaDamaged()
    return Fraction(*value)
