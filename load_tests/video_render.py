"""What a finished clip costs, beside plain ffmpeg, a chain of encodes, and MoviePy (goals S5-S9).

    python -m load_tests.video_render [--seconds N] [--rounds N] [--source FILE] [--json FILE]

In: a 1080p30 recording with noise, made here unless one is given. Out: CPU seconds (of all child
processes) and wall seconds of each contender, the least of `rounds` interleaved runs, and their
ratios. All encode H.264 veryfast at the same size; a finished clip has a moving crop, karaoke
captions, levelled sound, an index in front and a thumbnail.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.table import Table

from deployments.clipper.captions import captions
from deployments.clipper.probe import probe
from deployments.clipper.render import render
from deployments.clipper.sandbox.binary import ffmpeg_binary
from deployments.contracts.clips import ClipPlan, CropKey, Framing, OutputPlan
from deployments.contracts.media import Source, Transcript, Word
from load_tests.machine import describe_machine

START = 1.4
WIDTH, HEIGHT = 720, 1280
SQUARE = OutputPlan(Framing("1:1", False, 0.5625, 1.0, (CropKey(0, 0.2, 0),)), 720, 720)
ENCODE = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-pix_fmt", "yuv420p", "-g", "60")
SOUND = ("-c:a", "aac", "-b:a", "160k")
GOALS: Mapping[str, tuple[str, str, float, str]] = {
    "S5 finished clip / plain ffmpeg": ("finished", "plain", 1.12, "wall"),
    "S6 finished clip / cut, reframe, caption": ("finished", "chain", 0.45, "cpu"),
    "S6 finished clip / MoviePy": ("finished", "moviepy", 0.60, "cpu"),
    "S8 two aspects, one graph / two runs": ("both", "two runs", 0.80, "cpu"),
    "S9 with karaoke / without": ("finished", "uncaptioned", 1.03, "cpu"),
}


@dataclass(frozen=True)
class Cost:
    cpu: float
    wall: float


@dataclass(frozen=True)
class Bench:
    """A source, a plan of a finished clip, and a folder to work in."""

    source: Source
    plan: ClipPlan
    folder: Path

    @property
    def at(self) -> tuple[str, ...]:
        length = f"{self.plan.end - self.plan.start:g}"
        return ("-ss", f"{START:g}", "-t", length, "-i", str(self.source.path))

    def finished(self) -> None:
        self._render(self.plan)

    def uncaptioned(self) -> None:
        bare = tuple(replace(output, ass=None) for output in self.plan.outputs)
        self._render(replace(self.plan, outputs=bare))

    def both(self) -> None:
        self._render(replace(self.plan, outputs=(*self.plan.outputs, SQUARE)))

    def two_runs(self) -> None:
        self.finished()
        self._render(replace(self.plan, outputs=(SQUARE,)))

    def plain(self) -> None:
        self._ffmpeg(*self.at, "-vf", self._crop(), *ENCODE, *SOUND, "plain.mp4")

    def chain(self) -> None:
        """Cut, reframe and caption one after the other, as clip tools do."""
        self._ffmpeg(*self.at, *ENCODE, *SOUND, "cut.mp4")
        self._ffmpeg("-i", "cut.mp4", "-vf", self._crop(), *ENCODE, "-c:a", "copy", "framed.mp4")
        burn = f"ass=bench.ass:fontsdir={self.folder / 'fonts'}"
        self._ffmpeg("-i", "framed.mp4", "-vf", burn, *ENCODE, "-c:a", "copy", "chain.mp4")

    def moviepy(self) -> None:
        """Cut, crop and scale only: no captions, no levelling."""
        script = (
            "from moviepy import VideoFileClip as V\n"
            f"c = V({str(self.source.path)!r}).subclipped({START}, {self.plan.end})\n"
            f"c = c.cropped(x1=656, width=608).resized(({WIDTH}, {HEIGHT}))\n"
            "c.write_videofile('moviepy.mp4', codec='libx264', preset='veryfast', logger=None,\n"
            "    audio_codec='aac', ffmpeg_params=['-crf', '21', '-pix_fmt', 'yuv420p'])\n"
        )
        subprocess.run([sys.executable, "-c", script], cwd=self.folder, check=True)

    def _crop(self) -> str:
        """The same moving crop, as an expression."""
        keys = self.plan.outputs[0].framing.keys
        speed = (keys[-1].x - keys[0].x) / (keys[-1].time - keys[0].time)
        return f"crop=608:1080:iw*({keys[0].x}+t*{speed:.6f}):0:exact=1,scale={WIDTH}:{HEIGHT}"

    def _render(self, plan: ClipPlan) -> None:
        render(plan, self.source, self.folder, None, lambda: False)

    def _ffmpeg(self, *words: str) -> None:
        command = [ffmpeg_binary(), "-v", "error", "-nostdin", "-y", *words]
        subprocess.run(command, cwd=self.folder, check=True)


def recording(folder: Path, seconds: float) -> Path:
    """1080p30 with noise, and sound that comes and goes like speech."""
    path = folder / "recording.mp4"
    sight = f"testsrc2=s=1920x1080:r=30:d={seconds + 4},noise=alls=8:allf=t"
    sound = f"anoisesrc=c=pink:a=0.3:d={seconds + 4},tremolo=f=4:d=0.9"
    inputs = ("-f", "lavfi", "-i", sight, "-f", "lavfi", "-i", sound)
    encode = ("-c:v", "libx264", "-preset", "superfast", "-crf", "26", "-g", "90", "-c:a", "aac")
    command = [ffmpeg_binary(), "-v", "error", "-nostdin", "-y", *inputs, *encode]
    subprocess.run([*command, "-pix_fmt", "yuv420p", str(path)], check=True)
    return path


def prepared(folder: Path, path: Path, seconds: float) -> Bench:
    end = START + seconds
    words = tuple(
        Word(START + number / 3, START + (number + 0.9) / 3, f"word{number}", number % 8 == 7)
        for number in range(int(seconds * 3))
    )
    said = captions(Transcript(words, "sidecar", "en"), START, end, "karaoke", WIDTH, HEIGHT)
    keys = (CropKey(START, 0.3, 0.0), CropKey(end, 0.4, 0.0))
    framing = Framing("9:16", False, 608 / 1920, 1.0, keys)
    (folder / "bench.ass").write_text(said.ass or "", encoding="utf-8")
    plan = ClipPlan(1, START, end, (OutputPlan(framing, WIDTH, HEIGHT, said.ass),))
    return Bench(Source(path, probe(path, folder), "bench"), plan, folder)


def cost(work: Callable[[], None]) -> Cost:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, perf_counter() - began)


def measured(bench: Bench, rounds: int) -> dict[str, Cost]:
    """The least cost of each contender; the contenders take turns."""
    contenders = {
        "finished": bench.finished,
        "plain": bench.plain,
        "uncaptioned": bench.uncaptioned,
        "both": bench.both,
        "two runs": bench.two_runs,
        "chain": bench.chain,
    }
    if has_moviepy():
        contenders["moviepy"] = bench.moviepy
    found: dict[str, list[Cost]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            found[name].append(cost(work))
    return {
        name: Cost(min(each.cpu for each in costs), min(each.wall for each in costs))
        for name, costs in found.items()
    }


def has_moviepy() -> bool:
    look = [sys.executable, "-c", "import moviepy"]
    return subprocess.run(look, check=False, capture_output=True).returncode == 0


def ratios(costs: Mapping[str, Cost]) -> dict[str, dict[str, float | str]]:
    """Each goal with its ratio by CPU and by wall; goals without their contender are left out."""
    return {
        goal: {
            "cpu": round(costs[ours].cpu / costs[theirs].cpu, 3),
            "wall": round(costs[ours].wall / costs[theirs].wall, 3),
            "target": target,
            "judged_by": by,
        }
        for goal, (ours, theirs, target, by) in GOALS.items()
        if theirs in costs
    }


def show(costs: Mapping[str, Cost], found: Mapping[str, Mapping[str, float | str]]) -> None:
    console = Console()
    table = Table("contender", "CPU s", "wall s")
    for name, each in costs.items():
        table.add_row(name, f"{each.cpu:.2f}", f"{each.wall:.2f}")
    console.print(table)
    table = Table("goal", "CPU", "wall", "target", "judged by")
    for goal, each in found.items():
        table.add_row(goal, *(str(each[key]) for key in ("cpu", "wall", "target", "judged_by")))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = options.source or recording(folder, options.seconds)
        costs = measured(prepared(folder, path, options.seconds), options.rounds)
    found = ratios(costs)
    show(costs, found)
    if options.json:
        report = {"machine": describe_machine(), "goals": found}
        report["costs"] = {name: {"cpu": c.cpu, "wall": c.wall} for name, c in costs.items()}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
