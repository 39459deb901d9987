"""How like its source a clip's picture is (SSIM): the finished file against the same pictures as
they were before they were encoded."""

import re

from deployments.contracts.clips import ClipPlan, OutputPlan
from deployments.contracts.media import MediaInfo
from deployments.video.probe.tracks import sound_of
from deployments.video.render.command import input_node
from deployments.video.render.span import find_span
from deployments.video.render.video_filters import compose, frames
from deployments.video.render.workspace import Workspace
from deployments.video.sandbox.inputs import ffmpeg_options, input_name

_ALL = re.compile(r"SSIM .*All:([0-9.]+)")


def compute_ssim(
    file: str, plan: ClipPlan, output: OutputPlan, info: MediaInfo, work: Workspace
) -> float | None:
    """Mean SSIM (Wang et al. 2004) over all planes, 0 to 1. None where there is nothing to compare
    with: burnt-in captions, or a recording without a picture."""
    if output.ass is not None or info.video is None:
        return None
    import ffmpeg

    span = find_span(plan, info, work)
    stem = f"c{plan.index}ssim"
    source = input_node(span, work)
    pictures = frames(source[str(info.video.index)], info.video, span)
    wanted, files = compose(pictures, info.video, span, output, stem)
    made = ffmpeg.input(input_name(file), **ffmpeg_options())["v:0"]
    compared = [ffmpeg.filter([made, wanted], "ssim").output("-", f="null")]
    track = sound_of(info)
    if track is not None:  # MPEG-TS is timed from the earliest stream in use: the same ones here
        sound = source[str(track.index)]
        compared.append(sound.output("-", f="null", c="copy"))
    argv = ffmpeg.merge_outputs(*compared).compile(cmd=work.ffmpeg("-v", "info", "-nostats"))
    try:
        for name, text in files.items():
            (work.folder / name).write_text(text, encoding="utf-8")
        log = work.run(argv).err
    finally:
        for name in files:
            (work.folder / name).unlink(missing_ok=True)
    found = _ALL.findall(log)
    return float(found[-1]) if found else None
