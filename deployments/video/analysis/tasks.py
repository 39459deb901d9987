"""The pieces of an analysis: each blocks until its sandboxed child ends, and can run anywhere.

A source in; where to split it, what a chunk shows, what it sounds like out. `merging.merge` makes
features of these. The children's files are checked before they are believed.
"""

import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from deployments.contracts.media import AudioFeatures, AudioTrack, MediaSource, Seconds, VideoTrack
from deployments.video.analysis.arrays import Layout, read
from deployments.video.analysis.chunk import LAYOUT, AnalysisChunk, ChunkFeatures, Heard, Mode
from deployments.video.analysis.frame_signature import picture_size
from deployments.video.analysis.silence import detect_silence
from deployments.video.errors import MediaDamaged
from deployments.video.probe.tracks import sound_of
from deployments.video.sandbox import Cancel, ChildLimits, python_child

_BORDERS = "deployments.video.analysis.split_points"
_LOOKING = "deployments.video.analysis.video_worker"
_LISTENING = "deployments.video.analysis.audio_worker"
_SOUND: Layout = dict.fromkeys(("level", "speech", "novelty"), ("<f4", ("n",)))
_PICTURES_HELD = 48
_LARGE = 4096 * 2304
LONGEST_S: Seconds = 180.0  # of one chunk, which holds values for every frame
_STANDARD_RATE = 1920 * 1080 * 30  # pixels a second that one core decodes about 5 times as fast


def chunks(
    source: MediaSource, folder: Path, wanted: int, cancel: Cancel | None = None
) -> tuple[AnalysisChunk, ...]:
    """At most `wanted` chunks of about the same length that begin at keyframes, in order; more for
    a long recording, so that none needs more memory than another's. () for a recording without
    pictures. One chunk alone uses all cores. Raises what python_child raises.
    """
    video, duration = source.info.video, source.info.duration
    if video is None:
        return ()
    wanted = chunk_count(duration, wanted)
    begins: list[int] = []
    if wanted > 1:
        places = [duration * part / wanted for part in range(1, wanted)]
        begins = _begins(source, video, folder, places, cancel)
    if not begins:
        return (AnalysisChunk(0, None, None, threads=0),)
    ends = [*begins, None]
    return tuple(
        AnalysisChunk(index, begin, end, 1 / len(ends))
        for index, (begin, end) in enumerate(zip([None, *begins], ends, strict=True))
    )


def chunk_count(duration: Seconds, wanted: int) -> int:
    """Chunks for a recording: a multiple of `wanted`, none longer than LONGEST_S."""
    return wanted * max(1, math.ceil(duration / (wanted * LONGEST_S)))


def single_chunk(mode: Mode = "exact") -> AnalysisChunk:
    """The recording as one chunk; with mode `fast` only its keyframes are decoded."""
    return AnalysisChunk(0, None, None, threads=0 if mode == "exact" else 1, mode=mode)


def analyse_chunk(
    source: MediaSource, chunk: AnalysisChunk, folder: Path, cancel: Cancel | None = None
) -> ChunkFeatures:
    """What the chunk shows. Raises MediaDamaged (nothing could be decoded, or a child that does not
    keep to its contract), ValueError (no pictures), and what python_child raises.
    """
    video = source.info.video
    if video is None:
        raise ValueError("a recording without pictures has no chunks")
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
    said, arrays = _child(_LOOKING, source, request, folder, limits, LAYOUT, cancel)
    return _believed(chunk, said, arrays)


def analyze_audio_task(
    source: MediaSource, folder: Path, cancel: Cancel | None = None, track: AudioTrack | None = None
) -> Heard | None:
    """What `track` (None: the one in use) sounds like; None for a recording without sound, or whose
    sound cannot be decoded at all. Raises what python_child raises."""
    track = track or sound_of(source.info)
    if track is None:
        return None
    request = {"stream": track.index, "duration": source.info.duration}
    limits = _limits(source.info.duration, 0.2)
    said, arrays = _child(_LISTENING, source, request, folder, limits, _SOUND, cancel)
    if not arrays["level"].size:
        return None
    start, loudness = _number(said, "start"), said.get("loudness")
    level, hop_s = arrays["level"], _number(said, "hop_s")
    hearing = AudioFeatures(
        start,
        hop_s,
        level,
        arrays["speech"],
        arrays["novelty"],
        detect_silence(level, start, hop_s),
        None if loudness is None else _number(said, "loudness"),
    )
    return Heard(hearing, start + level.size * hop_s, _count(said, "errors"))


def _begins(
    source: MediaSource,
    video: VideoTrack,
    folder: Path,
    places: list[Seconds],
    cancel: Cancel | None,
) -> list[int]:
    with _linked(source.path, folder) as (name, readable):
        request = {"name": name, "stream": video.index, "at": places}
        said = python_child(_BORDERS, request, folder, cancel=cancel, readable=readable)
    begins = said.get("begins")
    if not isinstance(begins, list) or not all(type(pts) is int for pts in begins):
        raise MediaDamaged()
    return sorted(set(begins))


def _child(
    module: str,
    source: MediaSource,
    request: dict[str, Any],
    folder: Path,
    limits: ChildLimits,
    layout: Layout,
    cancel: Cancel | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the child said, and the arrays it left."""
    out = folder / f"measures-{secrets.token_hex(8)}.npz"
    try:
        with _linked(source.path, folder) as (name, readable):
            asked = {**request, "name": name, "out": out.name}
            said = python_child(
                module, asked, folder, limits=limits, cancel=cancel, readable=readable
            )
        return said, read(out, layout)
    except ValueError as error:
        raise MediaDamaged() from error
    finally:
        out.unlink(missing_ok=True)


@contextmanager
def _linked(path: Path, folder: Path) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """The recording under a name of ours in `folder`, and what a child must be let read for it."""
    link = folder / f"source-{secrets.token_hex(8)}"
    link.symlink_to(path.resolve())
    try:
        yield link.name, (path.resolve(),)
    finally:
        link.unlink(missing_ok=True)


def _limits(duration: Seconds, effort: float, pixels: int = 0) -> ChildLimits:
    """Room for a recording that takes four times as long as it lasts, on a busy machine, and for
    the pictures that a decoder holds."""
    cpu_s = math.ceil(60 + 4 * duration * max(0.2, effort))
    return ChildLimits(
        memory_bytes=(2 << 30) + _PICTURES_HELD * 3 * pixels,
        cpu_s=cpu_s,
        wall_s=60.0 + 4.0 * cpu_s,
        output_bytes=1 << 30,
    )


def _threads(pixels: int) -> int:
    """Each thread of a decoder holds pictures of its own."""
    return min(os.cpu_count() or 1, 4 if pixels <= _LARGE else 2)


def _believed(chunk: AnalysisChunk, said: dict[str, Any], arrays: dict[str, Any]) -> ChunkFeatures:
    pts, sampled = arrays["pts"], arrays["sampled"]
    rising = bool((np.diff(pts) > 0).all() and (np.diff(sampled) > 0).all())
    if not rising or (sampled.size and not 0 <= sampled[0] <= sampled[-1] < pts.size):
        raise MediaDamaged()
    return ChunkFeatures(
        chunk,
        _fraction(said, "time_base"),
        _fraction(said, "origin"),
        _number(said, "step"),
        _count(said, "errors"),
        arrays,
        None if said.get("ends") is None else int(_number(said, "ends")),
    )


def _number(said: dict[str, Any], name: str) -> float:
    value = said.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise MediaDamaged()
    return float(value)


def _count(said: dict[str, Any], name: str) -> int:
    return max(0, int(_number(said, name)))


def _fraction(said: dict[str, Any], name: str) -> Fraction:
    value = said.get(name)
    if not isinstance(value, list) or len(value) != 2 or not all(type(n) is int for n in value):
        raise MediaDamaged()
    if value[1] <= 0:
        raise MediaDamaged()
    return Fraction(*value)
