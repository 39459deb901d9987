"""Renders one clip: a plan and its source in, files in the private folder out.

1 the span (frames, rate, loudness), 2 the gain, 3 one ffmpeg run for all aspects and thumbnails, 4
the best thumbnail of each, 5 sizes and hashes. A task: picklable and blocking.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from deployments.contracts.clips import ClipPlan, OutputPlan, RenderedFile, RenderFacts
from deployments.contracts.media import AudioTrack, MediaInfo, MediaSource
from deployments.sandbox import Cancel
from deployments.sandbox.errors import MediaDamaged
from deployments.sandbox.inputs import ffmpeg_input
from deployments.video.captions.font import files_for
from deployments.video.probe.tracks import sound_of
from deployments.video.render.audio_filters import (
    METER,
    gain_filters,
    to_filter_string,
    trim_and_resample,
)
from deployments.video.render.channels import REPAIR_NOTES
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
from deployments.video.render.span import Span, find_span, seek_arguments
from deployments.video.render.video_filters import FONTS
from deployments.video.render.workspace import Workspace, link_or_copy, open_workspace

OnProgress = Callable[[float], None]


MAX_ROUNDS = 2
CLOSE_LU = 0.3


def render(
    plan: ClipPlan,
    source: MediaSource,
    folder: Path,
    on_progress: OnProgress | None,
    cancel: Cancel,
) -> tuple[RenderedFile, ...]:
    """The files of one clip: for each output of the plan, in its order, a video and a thumbnail.

    `folder` is the job's private folder; `source` is linked into it unless it is there. Names begin
    with `c<index>`, so clips of one job can be rendered concurrently. `on_progress` gets shares
    from 0 to 1. A recording without sound gives videos without sound; one without a picture gives a
    moving waveform. If the source ends early, the clip is shorter (see quality/).

    Raises MediaDamaged (nothing to render), Cancelled, MediaTimeout, MediaTooLarge, RenderFailed
    and SandboxFailed. After an exception no file of this clip is left.
    """
    workspace = open_workspace(plan, source, folder, cancel)
    try:
        span = find_span(plan, source.info, workspace)
        render_command = command(
            plan, source.info, span, find_gain(plan, source.info, span, workspace), workspace
        )
        _write_files(render_command, folder)
        workspace.run(render_command.argv, _progress(span, on_progress))
        return tuple(_collect(plan, render_command, span, folder))
    except BaseException:
        _delete(folder.glob(f"c{plan.index}o*.mp4"))
        _delete(folder.glob(f"c{plan.index}o*.jpg"))
        raise
    finally:
        _delete(folder.glob(f"c{plan.index}o*p*.cmd"))
        _delete(folder.glob(f"c{plan.index}o*.ass"))
        _delete(folder.glob(f"c{plan.index}o*-*.jpg"))
        _delete(folder.glob(f"c{plan.index}o*.black"))


def _write_files(render_command: RenderCommand, folder: Path) -> None:
    """The files that the graph reads: commands, captions, fonts."""
    for name, text in render_command.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    fonts = folder / FONTS
    fonts.mkdir(exist_ok=True)
    for name, text in render_command.files.items():
        for font in files_for(text) if name.endswith(".ass") else ():
            link_or_copy(font, fonts)


def _progress(span: Span, on_progress: OnProgress | None) -> Callable[[str], None] | None:
    """ffmpeg's progress lines (`out_time_us=1234`) as shares of the clip."""
    if on_progress is None:
        return None
    report = on_progress

    def on_line(line: str) -> None:
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.isdecimal():
            report(min(1.0, int(value) / 1e6 / span.duration))

    return on_line


def _collect(
    plan: ClipPlan, render_command: RenderCommand, span: Span, folder: Path
) -> list[RenderedFile]:
    files: list[RenderedFile] = []
    for output, picture, candidates, black in zip(
        plan.outputs,
        render_command.pictures,
        render_command.candidates,
        render_command.blacks,
        strict=True,
    ):
        video = _rendered_file("video", output, folder / picture)
        files.append(replace(video, facts=_facts(span, folder / black)))
        thumbnail = _best_thumbnail(folder, candidates.replace("%d", "*"))
        thumbnail = thumbnail.replace(folder / Path(picture).with_suffix(".jpg"))
        files.append(_rendered_file("thumbnail", output, thumbnail))
    return files


def _facts(span: Span, black: Path) -> RenderFacts:
    black_log = black.read_text(errors="replace") if black.is_file() else ""
    return RenderFacts(
        black=black_log.count("lavfi.blackframe.pblack="),
        gaps=span.gaps,
        repairs=(REPAIR_NOTES[span.repair],) if span.repair else (),
        silent=span.loudness is not None and is_silent(span.loudness),
    )


def _best_thumbnail(folder: Path, pattern: str) -> Path:
    """The candidate with the most detail, which is the largest at a constant quality: not black,
    not blurred, not in the middle of a fade."""
    candidates = sorted(folder.glob(pattern))
    if not candidates:
        raise MediaDamaged("No picture of the clip's span could be decoded.")
    return max(candidates, key=lambda path: path.stat().st_size)


def _rendered_file(
    kind: Literal["video", "thumbnail"], output: OutputPlan, path: Path
) -> RenderedFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    aspect = output.framing.aspect
    return RenderedFile(kind, aspect, path, size, digest, output.width, output.height)


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def find_gain(plan: ClipPlan, info: MediaInfo, span: Span, workspace: Workspace) -> Gain:
    """The gain that brings the clip to the plan's loudness after the limiter. If limiting costs
    loudness, the sound is measured again with the gain, at most MAX_ROUNDS times."""
    track = sound_of(info)
    if span.loudness is None or track is None:
        return Gain()
    gain = gain_to(plan.loudness, span.loudness)
    if plan.loudness is None or gain.db == 0 or not is_limiting(gain, span.loudness):
        return gain
    for _ in range(MAX_ROUNDS):
        corrected = makeup_gain(
            gain, plan.loudness, _measure_with_gain(track, span, gain, workspace)
        )
        is_close, gain = abs(corrected.db - gain.db) < CLOSE_LU, corrected
        if is_close:
            break
    return gain


def _measure_with_gain(
    track: AudioTrack, span: Span, gain: Gain, workspace: Workspace
) -> LoudnessMeasurement:
    argv = workspace.ffmpeg("-v", "info", "-nostats", *seek_arguments(span.seek))
    argv += ["-t", f"{span.lead + span.duration:.6f}", *ffmpeg_input(workspace.source)]
    prepared = trim_and_resample(span.lead, span.duration, True, span.repair)
    chain = to_filter_string((*prepared, *gain_filters(gain), METER))
    argv += ["-filter_complex", f"[0:{track.index}]{chain}[a]", "-map", "[a]"]
    return parse_loudness(workspace.run([*argv, "-f", "null", "-"]).err)
