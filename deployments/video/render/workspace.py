"""Runs ffmpeg for one clip: arguments in, a completed child out, always through the sandbox."""

import logging
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

from deployments.contracts.clips import ClipPlan
from deployments.contracts.media import MediaSource
from deployments.sandbox import (
    Cancel,
    ChildLimits,
    CompletedChild,
    OnLine,
    SandboxedCommand,
    run,
)
from deployments.sandbox.binary import ffmpeg_binary
from deployments.sandbox.errors import MediaDamaged, RenderFailed

MAX_CORES = 16
_GIB = 1 << 30
log = logging.getLogger("mobula.clipper")
_UNREADABLE = re.compile(
    r"Error opening input|\[(?:in#|[vas]ist#)[^\n]*(?:Task finished with error|Terminating thread)"
)
_FEW_ARENAS = {"MALLOC_ARENA_MAX": "4"}  # or glibc maps 128 MiB for each thread


@dataclass(frozen=True, slots=True)
class Workspace:
    """`source` is the name of the recording in the private `folder`; `threads` are for decoding and
    filters, `encoder_threads` for each encoder."""

    folder: Path
    source: str
    threads: int
    encoder_threads: int
    limits: ChildLimits
    cancel: Cancel

    def ffmpeg(self, *words: str) -> list[str]:
        """The beginning of a command."""
        return [ffmpeg_binary(), "-hide_banner", "-nostdin", "-y", *words]

    def run(self, argv: Sequence[str], on_line: OnLine | None = None) -> CompletedChild:
        """Raises as sandbox.run does; RenderFailed instead of MediaDamaged if ffmpeg could read the
        recording and failed at our command."""
        command = SandboxedCommand(
            tuple(argv),
            self.folder,
            self.limits,
            cancel=self.cancel,
            on_line=on_line,
            environment=_FEW_ARENAS,
        )
        try:
            return run(command)
        except MediaDamaged as problem:
            last_words = "\n".join(getattr(problem, "__notes__", ()))
            if "exit_status" not in problem.extensions or is_unreadable(last_words):
                raise
            log.error("ffmpeg refused a command of ours: %s\n%s", " ".join(argv), last_words)
            raise _with_note(RenderFailed(), last_words) from problem


def is_unreadable(log_text: str) -> bool:
    """Whether ffmpeg, which failed with these last words, could not read its input: its demuxer or
    a decoder ended. A filter, an encoder or a muxer that ends is our own fault."""
    return _UNREADABLE.search(log_text) is not None


def _with_note(problem: RenderFailed, words: str) -> RenderFailed:
    problem.add_note(words)
    return problem


def open_workspace(plan: ClipPlan, source: MediaSource, folder: Path, cancel: Cancel) -> Workspace:
    """For `plan`; the recording is linked into `folder` unless it is there."""
    cores = min(MAX_CORES, len(os.sched_getaffinity(0)))
    threads = plan.threads or cores
    encoders = plan.threads or cores * 3 // 2 or 1  # as many as x264 itself would take
    name = link_or_copy(source.path, folder)
    return Workspace(folder, name, threads, encoders, _limits(plan), cancel)


def link_or_copy(file: Path, folder: Path) -> str:
    """The name of `file` in `folder`, after it was linked or copied there."""
    target = folder / file.name
    if target.exists():
        return target.name
    with suppress(FileExistsError):  # another clip of this job brought it
        try:
            os.link(file, target)
        except OSError:
            temporary = folder / f".{os.getpid()}-{file.name}"
            copyfile(file, temporary)
            temporary.replace(target)
    return target.name


def _limits(plan: ClipPlan) -> ChildLimits:
    """By the clip's length: ten times the duration of the slowest preset for 4K on one core."""
    duration, pictures = plan.end - plan.start, len(plan.outputs)
    return ChildLimits(
        memory_bytes=None if plan.encoder == "nvenc" else (4 + pictures) * _GIB,
        cpu_s=int(300 + 120 * duration * pictures),
        wall_s=300 + 60 * duration * pictures,
        output_bytes=2 * _GIB,
    )
