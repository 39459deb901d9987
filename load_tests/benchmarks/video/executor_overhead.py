"""S7: what Ray and the sandbox cost: clips through the task executor beside `xargs -P`.

In: a cluster of its own. Out: wall and CPU of making the same clips both ways, so many at a time,
each with one thread. The commands are those that rendering a clip ends in.
"""

import asyncio
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from deployments.sandbox import Cancel, ChildLimits, SandboxedCommand, run
from deployments.sandbox.errors import SandboxFailed
from deployments.video.captions import FONTS as FONT_FILES
from deployments.video.render.clip import find_gain
from deployments.video.render.command import command
from deployments.video.render.span import find_span
from deployments.video.render.video_filters import FONTS
from deployments.video.render.workspace import link_or_copy, open_workspace
from load_tests.benchmarks.video.clip import BenchmarkClip, prepare_clip
from load_tests.benchmarks.video.context import VideoBenchmark
from load_tests.benchmarks.video.cost import build_rows, measure_in_turn, read_cpu_s, select_least
from load_tests.benchmarks.video.goals import ContenderPair, GoalRow

PAIR = ContenderPair(
    "S7", "clips through Ray", "ray", "xargs", "xargs -P, same commands", "wall", 1.05
)
LIMITS = ChildLimits(memory_bytes=8 << 30, cpu_s=3600, wall_s=3600.0)


def measure_executor_overhead(benchmark: VideoBenchmark) -> list[GoalRow]:
    clips, most = benchmark.options.clips, benchmark.options.workers
    benchmark.print(f"executor: {clips} clips, {most} at a time ...")
    folder = benchmark.folder("executor")
    commands = [build_command(one, folder) for one in _prepare_clips(benchmark, clips, folder)]
    scripts = [_script(folder, number, argv) for number, argv in enumerate(commands)]
    local = benchmark.cluster
    through = _ExecutorRunner(folder, most)
    through.warm_up()
    costs = measure_in_turn(
        {
            "ray": lambda: through.run(commands),
            "xargs": lambda: _xargs(folder, scripts, most),
        },
        benchmark.options.rounds,
        lambda text: benchmark.print(f"executor: {text}"),
        lambda: read_cpu_s(local.processes()),
    )
    benchmark.raw["executor"] = build_rows(costs)
    return PAIR.rows(select_least(costs))


def _prepare_clips(benchmark: VideoBenchmark, clips: int, folder: Path) -> list[BenchmarkClip]:
    """Clips of a few seconds, at different times, one thread each."""
    length = benchmark.clip_s / 2
    latest_start = max(0.0, benchmark.recording.info.duration - length - 1)
    clip_list = []
    for number in range(clips):
        start = 0.4 + latest_start * number / clips
        one = prepare_clip(benchmark.recording, folder, start, length)
        clip_list.append(replace(one, plan=replace(one.plan, index=number + 1, threads=1)))
    return clip_list


def build_command(clip: BenchmarkClip, folder: Path) -> tuple[str, ...]:
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


def encode(argv: tuple[str, ...], folder: Path, cancel: Cancel) -> int:
    """A task: the command in the sandbox."""
    return run(SandboxedCommand(argv, folder, LIMITS, cancel=cancel)).status


class _ExecutorRunner:
    """The product's task executor; one loop for all rounds, so that nothing is measured twice."""

    def __init__(self, folder: Path, most: int) -> None:
        from deployments.clients.serve.task_executor import (
            RayTaskExecutor,  # imports Ray, after the cluster is there
        )

        executor = RayTaskExecutor(SandboxFailed)
        self._folder, self._most, self._executor = folder, most, executor

    def run(self, commands: list[tuple[str, ...]]) -> None:
        asyncio.run(self._all(commands))

    def warm_up(self) -> None:
        """Ray starts its workers once, not for each job."""
        asyncio.run(self._all([("/bin/true",)] * self._most))

    async def _all(self, commands: list[tuple[str, ...]]) -> None:
        slots = asyncio.Semaphore(self._most)

        async def run_one(argv: tuple[str, ...]) -> Any:
            async with slots:
                return await self._executor.run(self._folder, encode, argv, self._folder)

        await asyncio.gather(*(run_one(argv) for argv in commands))


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
