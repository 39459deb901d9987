"""Renders one clip: a plan and its source in, files in the private folder out.

1 the span (frames, rate, loudness), 2 the gain, 3 one ffmpeg run for all aspects and thumbnails,
4 the best thumbnail of each, 5 sizes and hashes. A piece: picklable, blocks, runs anywhere.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from deployments.contracts.clips import ClipPlan, OutputPlan, RenderedFile, RenderFacts
from deployments.contracts.media import AudioTrack, MediaInfo, MediaSource
from deployments.video.captions.font import files_for
from deployments.video.errors import MediaDamaged
from deployments.video.probe.tracks import sound_of
from deployments.video.render.audio_filters import (
    METER,
    gain_filters,
    to_filter_string,
    trim_and_resample,
)
from deployments.video.render.channels import REPAIRED
from deployments.video.render.command import RenderCommand, command
from deployments.video.render.loudness import (
    Gain,
    LoudnessMeasurement,
    gain_to,
    is_limiting,
    is_silent,
    makeup_gain,
    parse_loudness,
)
from deployments.video.render.span import Span, find_span, sought
from deployments.video.render.video_filters import FONTS
from deployments.video.render.workspace import Workspace, link_or_copy, open_workspace
from deployments.video.sandbox import Cancel
from deployments.video.sandbox.inputs import ffmpeg_input

OnProgress = Callable[[float], None]


def render(
    plan: ClipPlan,
    source: MediaSource,
    folder: Path,
    on_progress: OnProgress | None,
    cancel: Cancel,
) -> tuple[RenderedFile, ...]:
    """The files of one clip: for each output of the plan, in its order, a video and a thumbnail.

    `folder` is the job's private folder; `source` is linked into it unless it is there. Names begin
    with `c<index>`, so clips of one job may be rendered beside each other. `on_progress` gets
    shares from 0 to 1. A recording without sound gives videos without sound; one without picture
    gives a moving waveform. Where the source ends early the clip is shorter (see quality/).

    Raises MediaDamaged (nothing there to render), Interrupted (`cancel` said so), MediaTimeout,
    MediaTooLarge, RenderFailed and SandboxFailed. Whatever is raised, no file of this clip is left.
    """
    work = open_workspace(plan, source, folder, cancel)
    try:
        span = find_span(plan, source.info, work)
        made = command(plan, source.info, span, find_gain(plan, source.info, span, work), work)
        _lay_out(made, folder)
        work.run(made.argv, _progress(span, on_progress))
        return tuple(_collected(plan, made, span, folder))
    except BaseException:
        _clear(folder.glob(f"c{plan.index}o*.mp4"))
        _clear(folder.glob(f"c{plan.index}o*.jpg"))
        raise
    finally:
        _clear(folder.glob(f"c{plan.index}o*p*.cmd"))
        _clear(folder.glob(f"c{plan.index}o*.ass"))
        _clear(folder.glob(f"c{plan.index}o*-*.jpg"))
        _clear(folder.glob(f"c{plan.index}o*.black"))


def _lay_out(made: RenderCommand, folder: Path) -> None:
    """The files that the graph reads: commands, captions, fonts."""
    for name, text in made.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    fonts = folder / FONTS
    fonts.mkdir(exist_ok=True)
    for name, text in made.files.items():
        for font in files_for(text) if name.endswith(".ass") else ():
            link_or_copy(font, fonts)


def _progress(span: Span, on_progress: OnProgress | None) -> Callable[[str], None] | None:
    """ffmpeg's progress lines (`out_time_us=1234`) as shares of the clip."""
    if on_progress is None:
        return None
    tell = on_progress

    def on_line(line: str) -> None:
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.isdecimal():
            tell(min(1.0, int(value) / 1e6 / span.duration))

    return on_line


def _collected(plan: ClipPlan, made: RenderCommand, span: Span, folder: Path) -> list[RenderedFile]:
    found: list[RenderedFile] = []
    for output, picture, candidates, black in zip(
        plan.outputs, made.pictures, made.candidates, made.blacks, strict=True
    ):
        video = _described("video", output, folder / picture)
        found.append(replace(video, facts=_facts(span, folder / black)))
        best = _best(folder, candidates.replace("%d", "*"))
        best = best.replace(folder / Path(picture).with_suffix(".jpg"))
        found.append(_described("thumbnail", output, best))
    return found


def _facts(span: Span, black: Path) -> RenderFacts:
    noted = black.read_text(errors="replace") if black.is_file() else ""
    return RenderFacts(
        black=noted.count("lavfi.blackframe.pblack="),
        gaps=span.gaps,
        repairs=(REPAIRED[span.repair],) if span.repair else (),
        silent=span.heard is not None and is_silent(span.heard),
    )


def _best(folder: Path, pattern: str) -> Path:
    """The candidate with the most detail, which is the largest at a constant quality: not black,
    not blurred, not in the middle of a fade."""
    candidates = sorted(folder.glob(pattern))
    if not candidates:
        raise MediaDamaged("No picture of the clip's span could be decoded.")
    return max(candidates, key=lambda path: path.stat().st_size)


def _described(kind: Literal["video", "thumbnail"], output: OutputPlan, path: Path) -> RenderedFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    aspect = output.framing.aspect
    return RenderedFile(kind, aspect, path, size, digest, output.width, output.height)


def _clear(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


ROUNDS = 2
CLOSE = 0.3  # LU


def find_gain(plan: ClipPlan, info: MediaInfo, span: Span, work: Workspace) -> Gain:
    """The gain that brings the clip to the plan's loudness after the limiter."""
    track = sound_of(info)
    if span.heard is None or track is None:
        return Gain()
    gain = gain_to(plan.loudness, span.heard)
    if plan.loudness is None or gain.db == 0 or not is_limiting(gain, span.heard):
        return gain
    for _ in range(ROUNDS):
        again = makeup_gain(gain, plan.loudness, _heard(track, span, gain, work))
        done, gain = abs(again.db - gain.db) < CLOSE, again
        if done:
            break
    return gain


def _heard(track: AudioTrack, span: Span, gain: Gain, work: Workspace) -> LoudnessMeasurement:
    argv = work.ffmpeg("-v", "info", "-nostats", *sought(span.seek))
    argv += ["-t", f"{span.lead + span.duration:.6f}", *ffmpeg_input(work.source)]
    even = trim_and_resample(span.lead, span.duration, True, span.repair)
    chain = to_filter_string((*even, *gain_filters(gain), METER))
    argv += ["-filter_complex", f"[0:{track.index}]{chain}[a]", "-map", "[a]"]
    return parse_loudness(work.run([*argv, "-f", "null", "-"]).err)
