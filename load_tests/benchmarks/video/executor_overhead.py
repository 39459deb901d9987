"""S7: what Ray and the sandbox cost: clips through the crew beside `xargs -P` of the same commands.

In: a cluster of its own. Out: wall and CPU of making the same clips both ways, so many at a time,
each with one thread. The commands are those that rendering a clip ends in.
"""

import asyncio
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from deployments.video.captions import FONTS as FONT_FILES
from deployments.video.render.clip import find_gain
from deployments.video.render.command import command
from deployments.video.render.span import find_span
from deployments.video.render.video_filters import FONTS
from deployments.video.render.workspace import link_or_copy, open_workspace
from deployments.video.sandbox import Cancel, ChildLimits, SandboxedCommand, run
from load_tests.benchmarks.video.clip import Clip, prepared
from load_tests.benchmarks.video.context import Setting
from load_tests.benchmarks.video.cost import cpu_of, in_turn, least, rows_of
from load_tests.benchmarks.video.goals import Pair, Row

PAIR = Pair("S7", "clips through Ray", "ray", "xargs", "xargs -P, same commands", "wall", 1.05)
LIMITS = ChildLimits(memory_bytes=8 << 30, cpu_s=3600, wall_s=3600.0)


def crew(setting: Setting) -> list[Row]:
    clips, most = setting.options.clips, setting.options.workers
    setting.say(f"crew: {clips} clips, {most} at a time ...")
    folder = setting.folder("crew")
    commands = [command_of(one, folder) for one in _planned(setting, clips, folder)]
    scripts = [_script(folder, number, argv) for number, argv in enumerate(commands)]
    local = setting.cluster
    through = _Through(folder, most)
    through.warm_up()
    costs = in_turn(
        {
            "ray": lambda: through.run(commands),
            "xargs": lambda: _xargs(folder, scripts, most),
        },
        setting.options.rounds,
        lambda text: setting.say(f"crew: {text}"),
        lambda: cpu_of(local.processes()),
    )
    setting.raw["crew"] = rows_of(costs)
    return PAIR.rows(least(costs))


def _planned(setting: Setting, clips: int, folder: Path) -> list[Clip]:
    """Clips of a few seconds, at different places, one thread each."""
    length = setting.clip_s / 2
    room = max(0.0, setting.recording.info.duration - length - 1)
    found = []
    for number in range(clips):
        start = 0.4 + room * number / clips
        one = prepared(setting.recording, folder, start, length)
        found.append(replace(one, plan=replace(one.plan, index=number + 1, threads=1)))
    return found


def command_of(clip: Clip, folder: Path) -> tuple[str, ...]:
    """The one command that encodes it, with the files it reads laid out in `folder`."""
    info = clip.source.info
    work = open_workspace(clip.plan, clip.source, folder, lambda: False)
    span = find_span(clip.plan, info, work)
    made = command(clip.plan, info, span, find_gain(clip.plan, info, span, work), work)
    for name, text in made.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / FONTS).mkdir(exist_ok=True)
    for font in FONT_FILES.glob("*.otf"):
        link_or_copy(font, folder / FONTS)
    return made.argv


def encoded(argv: tuple[str, ...], folder: Path, cancel: Cancel) -> int:
    """A piece: the command in the sandbox."""
    return run(SandboxedCommand(argv, folder, LIMITS, cancel=cancel)).status


class _Through:
    """The product's crew; one loop for all rounds, so that nothing is measured twice."""

    def __init__(self, folder: Path, most: int) -> None:
        from deployments.clients.serve.task_executor import (
            RayTaskExecutor,  # imports Ray, after the cluster is there
        )

        self._folder, self._most, self._crew = folder, most, RayTaskExecutor()

    def run(self, commands: list[tuple[str, ...]]) -> None:
        asyncio.run(self._all(commands))

    def warm_up(self) -> None:
        """Ray starts its workers once, not for each job."""
        asyncio.run(self._all([("/bin/true",)] * self._most))

    async def _all(self, commands: list[tuple[str, ...]]) -> None:
        seats = asyncio.Semaphore(self._most)

        async def seated(argv: tuple[str, ...]) -> Any:
            async with seats:
                return await self._crew.run(self._folder, encoded, argv, self._folder)

        await asyncio.gather(*(seated(argv) for argv in commands))


def _script(folder: Path, number: int, argv: tuple[str, ...]) -> str:
    name = f"clip{number}.sh"
    (folder / name).write_text(f"exec {shlex.join(argv)}\n", encoding="utf-8")
    return name


def _xargs(folder: Path, scripts: list[str], most: int) -> None:
    subprocess.run(
        ["xargs", f"-P{most}", "-n1", "sh"],
        input="\n".join(scripts).encode(),
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
