"""Inspects one finished file: the file and the plan it was made by in, a ClipReport out.

A piece, like render: picklable, blocks, and everything is opened in the sandbox.
"""

import re
from pathlib import Path

from deployments.clipper.quality.judging import judge
from deployments.clipper.quality.likeness import likeness
from deployments.clipper.quality.measuring import measure
from deployments.clipper.render.running import bring, open_workspace
from deployments.clipper.sandbox import Cancel
from deployments.contracts.clips import ClipPlan, ClipReport
from deployments.contracts.media import Source

_NUMBER = re.compile(r"c\d+o(\d+)\.mp4")


def inspect(
    file: Path,
    plan: ClipPlan,
    source: Source,
    folder: Path,
    cancel: Cancel,
    *,
    ssim: bool = False,
) -> ClipReport:
    """What `file`, one of those that `render(plan, source, folder, ...)` made, is like. With `ssim`
    its picture is compared with the source's, which costs about half of a render.

    Raises MediaDamaged (it cannot be opened), Interrupted, MediaTimeout, SandboxFailed.
    """
    work = open_workspace(plan, source, folder, cancel)
    name = bring(file, folder)
    wants_sound = bool(source.info.audio)
    found = measure(name, work, wants_sound)
    numbered = _NUMBER.fullmatch(file.name)
    output = plan.outputs[int(numbered[1]) if numbered else 0]
    like = likeness(name, plan, output, source.info, work) if ssim else None
    return judge(plan, found, like, wants_sound)
