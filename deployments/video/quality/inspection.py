"""Inspects one finished file: the file and its plan in, a ClipReport out.

A task, like `render`: picklable and blocking. All files are opened in the sandbox.
"""

import logging
import re
from pathlib import Path

from deployments.contracts.clips import ClipPlan, ClipReport, OutputPlan, RenderFacts
from deployments.contracts.media import MediaInfo, MediaSource
from deployments.sandbox import Cancel
from deployments.sandbox.errors import MediaDamaged, MediaTooLarge, RenderFailed
from deployments.sandbox.inputs import INPUT_OPTIONS, input_name
from deployments.video.probe.tracks import number_of, sound_of
from deployments.video.quality.checks import Expected, run_checks
from deployments.video.quality.measuring import measure
from deployments.video.render.command import input_node
from deployments.video.render.span import find_span
from deployments.video.render.video_filters import compose, frames
from deployments.video.render.workspace import Workspace, link_or_copy, open_workspace

log = logging.getLogger("mobula.clipper")
_OUTPUT_NUMBER = re.compile(r"c\d+o(\d+)\.mp4")
_SSIM_ALL = re.compile(r"SSIM .*All:([0-9.]+)")


def inspect(
    file: Path,
    plan: ClipPlan,
    source: MediaSource,
    folder: Path,
    cancel: Cancel,
    *,
    ssim: bool = False,
    facts: RenderFacts | None = None,
    has_speech: bool = False,
) -> ClipReport:
    """The report of `file`, a file of `render(plan, source, folder, ...)`. `facts` are the
    renderer's; `has_speech` is whether words are said in the clip. `ssim` compares the picture with
    the source's, which costs about half a render.

    Raises RenderFailed (it cannot be opened), Cancelled, MediaTimeout, SandboxFailed.
    """
    workspace = open_workspace(plan, source, folder, cancel)
    name = link_or_copy(file, folder)
    wants_sound = sound_of(source.info) is not None
    try:
        measured = measure(name, workspace, wants_sound)
    except MediaDamaged as problem:  # the file is ours, not the customer's
        raise RenderFailed("A finished clip could not be read again.") from problem
    numbered = _OUTPUT_NUMBER.fullmatch(file.name)
    output = plan.outputs[int(numbered[1]) if numbered else 0]
    similarity = _ssim_or_none(name, plan, output, source.info, workspace) if ssim else None
    expected = Expected(
        wants_sound, _why_not_silent(source.info, has_speech), facts or RenderFacts()
    )
    return run_checks(plan, measured, similarity, expected)


def _ssim_or_none(
    name: str, plan: ClipPlan, output: OutputPlan, info: MediaInfo, workspace: Workspace
) -> float | None:
    """None also if the comparison fails: the clip itself is not affected."""
    try:
        return compute_ssim(name, plan, output, info, workspace)
    except (MediaDamaged, MediaTooLarge, RenderFailed) as problem:
        log.warning("a clip could not be compared with its source: %s", problem.detail)
        return None


def compute_ssim(
    file: str, plan: ClipPlan, output: OutputPlan, info: MediaInfo, workspace: Workspace
) -> float | None:
    """Mean SSIM (Wang et al. 2004) over all planes, 0 to 1: the finished file against the same
    pictures before encoding. None for burnt-in captions and for a recording without a picture,
    which have nothing to compare with."""
    if output.ass is not None or info.video is None:
        return None
    import ffmpeg

    span = find_span(plan, info, workspace)
    stem = f"c{plan.index}ssim"
    source = input_node(span, workspace)
    pictures = frames(source[str(info.video.index)], info.video, span)
    reference, files = compose(pictures, info.video, span, output, stem)
    finished = ffmpeg.input(input_name(file), **INPUT_OPTIONS)["v:0"]
    outputs = [ffmpeg.filter([finished, reference], "ssim").output("-", f="null")]
    track = sound_of(info)
    if track is not None:  # MPEG-TS is timed from the earliest stream in use: use the same ones
        outputs.append(source[str(track.index)].output("-", f="null", c="copy"))
    argv = ffmpeg.merge_outputs(*outputs).compile(cmd=workspace.ffmpeg("-v", "info", "-nostats"))
    try:
        for name, text in files.items():
            (workspace.folder / name).write_text(text, encoding="utf-8")
        log_text = workspace.run(argv).err
    finally:
        for name in files:
            (workspace.folder / name).unlink(missing_ok=True)
    values = _SSIM_ALL.findall(log_text)
    return float(values[-1]) if values else None


def _why_not_silent(info: MediaInfo, has_speech: bool) -> str | None:
    """Why a clip of this recording should not be silent, in words; None: it may be."""
    track = sound_of(info)
    if track is None:
        return None
    if has_speech:
        return "though words are said in it"
    if track.silent is False:
        return "though the recording's sound is not"
    audible = [number_of(info, other) for other in info.audio if other.silent is False]
    if audible:
        return f"though audio track {audible[0]} is not; audio_track chooses it"
    return None
