"""Inspects one finished file: the file and the plan it was made by in, a ClipReport out.

A piece, like render: picklable, blocks, and everything is opened in the sandbox.
"""

import logging
import re
from pathlib import Path

from deployments.contracts.clips import ClipPlan, ClipReport, OutputPlan, RenderFacts
from deployments.contracts.media import MediaInfo, MediaSource
from deployments.video.errors import MediaDamaged, MediaTooLarge, RenderFailed
from deployments.video.probe.tracks import number_of, sound_of
from deployments.video.quality.checks import Expected, run_checks
from deployments.video.quality.measuring import measure
from deployments.video.quality.ssim import compute_ssim
from deployments.video.render.workspace import Workspace, link_or_copy, open_workspace
from deployments.video.sandbox import Cancel

log = logging.getLogger("mobula.clipper")
_NUMBER = re.compile(r"c\d+o(\d+)\.mp4")


def inspect(
    file: Path,
    plan: ClipPlan,
    source: MediaSource,
    folder: Path,
    cancel: Cancel,
    *,
    ssim: bool = False,
    facts: RenderFacts | None = None,
    spoken: bool = False,
) -> ClipReport:
    """What `file`, one of those that `render(plan, source, folder, ...)` made, is like. `facts` are
    what rendering knew of it, `spoken` is whether words are said in it. With `ssim` its picture is
    compared with the source's, which costs about half of a render.

    Raises RenderFailed (it cannot be opened), Interrupted, MediaTimeout, SandboxFailed.
    """
    work = open_workspace(plan, source, folder, cancel)
    name = link_or_copy(file, folder)
    wants_sound = sound_of(source.info) is not None
    try:
        found = measure(name, work, wants_sound)
    except MediaDamaged as problem:  # the file is ours, not the customer's
        raise RenderFailed("A finished clip could not be read again.") from problem
    numbered = _NUMBER.fullmatch(file.name)
    output = plan.outputs[int(numbered[1]) if numbered else 0]
    like = _likeness(name, plan, output, source.info, work) if ssim else None
    expected = Expected(wants_sound, _silence(source.info, spoken), facts or RenderFacts())
    return run_checks(plan, found, like, expected)


def _likeness(
    name: str, plan: ClipPlan, output: OutputPlan, info: MediaInfo, work: Workspace
) -> float | None:
    """None also where the comparison fails: the clip is there all the same."""
    try:
        return compute_ssim(name, plan, output, info, work)
    except (MediaDamaged, MediaTooLarge, RenderFailed) as problem:
        log.warning("a clip could not be compared with its source: %s", problem.detail)
        return None


def _silence(info: MediaInfo, spoken: bool) -> str | None:
    """Why a clip of this recording should not be silent, in words; None: it may be."""
    track = sound_of(info)
    if track is None:
        return None
    if spoken:
        return "though words are said in it"
    others = [number_of(info, other) for other in info.audio if other.silent is False]
    if track.silent is False:
        return "though the recording's sound is not"
    if others:
        return f"though audio track {others[0]} is not; audio_track chooses it"
    return None
