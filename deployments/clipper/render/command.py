"""One ffmpeg command for a whole clip: every aspect's file and its thumbnails, from one decode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.clipper.render.encoding import (
    audio_options,
    file_options,
    picture_options,
    video_options,
)
from deployments.clipper.render.layout import Stream
from deployments.clipper.render.loudness import Gain
from deployments.clipper.render.picture import Drawing, drawn
from deployments.clipper.render.running import Workspace
from deployments.clipper.render.sound import evened, loud, nodes, shared, text
from deployments.clipper.render.span import Span
from deployments.clipper.render.waves import waves
from deployments.clipper.sandbox.inputs import ffmpeg_options, input_name
from deployments.contracts.clips import ClipPlan
from deployments.contracts.media import MediaInfo


@dataclass(frozen=True, slots=True)
class Command:
    """`argv` for the clip; `files` (name: text) it needs; `pictures` are the names of the videos it
    makes, `candidates` the patterns (`%d` from 1) of the thumbnails to choose from."""

    argv: tuple[str, ...]
    files: Mapping[str, str]
    pictures: tuple[str, ...]
    candidates: tuple[str, ...]


def command(plan: ClipPlan, info: MediaInfo, span: Span, gain: Gain, work: Workspace) -> Command:
    """The command that renders `plan`; a graph built with ffmpeg-python, to be run by us."""
    import ffmpeg

    stem = f"c{plan.index}"
    source = opened(span, work)
    sound = [source[str(track.index)] for track in info.audio[:1]]
    options = video_options(plan, span.rate, work.encoder_threads) | file_options()
    if sound:  # in a graph of its own, which may be made anew where the sound changes its form
        chain = text((*evened(span.lead, span.duration, is_late(info, span)), *loud(gain)))
        options |= {"filter:a": chain, **audio_options()}
    drawings = _drawings(source, plan, info, span, stem)
    pictures = tuple(f"{stem}o{number}.mp4" for number in range(len(drawings)))
    candidates = tuple(f"{stem}o{number}-%d.jpg" for number in range(len(drawings)))
    outputs: list[Any] = []
    for drawing, picture, candidate in zip(drawings, pictures, candidates, strict=True):
        outputs.append(ffmpeg.output(drawing.picture, *sound, picture, **options))
        outputs.append(ffmpeg.output(drawing.candidates, candidate, **picture_options()))
    argv = ffmpeg.merge_outputs(*outputs).compile(cmd=work.ffmpeg(*_globals(work)))
    files = {name: words for drawing in drawings for name, words in drawing.files.items()}
    return Command(tuple(argv), files, pictures, candidates)


def opened(span: Span, work: Workspace) -> Stream:
    """The recording, from the keyframe before the span on. What lies before and after the span the
    graph takes away: ffmpeg's own cut is only as exact as microseconds are, and its `-t` counts
    from the keyframe."""
    import ffmpeg

    options = ffmpeg_options() | {"threads": str(work.threads), "ss": f"{span.seek:.6f}"}
    return ffmpeg.input(
        input_name(work.source),
        noaccurate_seek=None,
        max_error_rate=1,
        **{"reinit_filter:v": 0},
        **options,
    )


def _globals(work: Workspace) -> Sequence[str]:
    threads = ("-filter_complex_threads", str(work.threads))
    return ("-v", "warning", "-nostats", "-progress", "pipe:1", *threads)


def is_late(info: MediaInfo, span: Span) -> bool:
    """Whether the sound begins after the clip does."""
    return bool(info.audio) and info.audio[0].start > span.start


def _drawings(
    source: Stream, plan: ClipPlan, info: MediaInfo, span: Span, stem: str
) -> tuple[Drawing, ...]:
    if info.video is not None:
        return drawn(source[str(info.video.index)], info.video, span, plan.outputs, stem)
    sound = nodes(source[str(info.audio[0].index)], evened(span.lead, span.duration, late=True))
    return waves(shared(sound, len(plan.outputs)), span, plan.outputs, stem)
