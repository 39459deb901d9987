"""S12: whether workers need more memory for a long recording than for a short one.

In: a recording and one several times as long. Out: the largest peak of any sandboxed child, and of
a process that analyses as a worker does (it merges what the children found). Run as a program it is
that process.
"""

import json
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from cluster.runtime.settings import ROOT
from load_tests.benchmarks.video.context import VideoBenchmark, ffmpeg
from load_tests.benchmarks.video.goals import GoalRow

FLAT = 1.10
SIZE = "320x180"
FPS = 25
POLL_S = 0.02
MIB = 1024.0


@dataclass(frozen=True)
class MemoryPeaks:
    """MiB: of each kind of child, and of the worker."""

    children: dict[str, float]
    worker: float


def measure_memory(benchmark: VideoBenchmark) -> list[GoalRow]:
    short = benchmark.options.short_minutes
    factor = benchmark.options.longer
    folder = benchmark.folder("memory")
    benchmark.print(f"memory: recordings of {short:g} and {short * factor:g} minutes at {SIZE} ...")
    brief, long = _recordings(folder, 60 * short, factor)
    few, many = _peaks(brief), _peaks(long)
    benchmark.raw["memory"] = {"short": asdict(few), "long": asdict(many)}
    name = f"{short:g} min"
    what = f"{short * factor:g} min"
    child = max(few.children.values()), max(many.children.values())
    return [
        GoalRow("S12", f"largest child, {what}", name, child[1], child[0], "MiB", at_most=FLAT),
        GoalRow("S12", f"worker that merges, {what}", name, many.worker, few.worker, "MiB"),
    ]


def _recordings(folder: Path, seconds: float, factor: int) -> tuple[Path, Path]:
    """The long one is the short one again and again."""
    picture = f"testsrc2=s={SIZE}:r={FPS},noise=alls=8:allf=t"
    sound = "anoisesrc=c=pink:a=0.3:r=16000,tremolo=f=4:d=0.9"
    graphs = ("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t", f"{seconds:g}")
    code = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "75", "-pix_fmt", "yuv420p")
    ffmpeg(folder, *graphs, *code, "-c:a", "aac", "short.mp4")
    again = ("-stream_loop", str(factor - 1), "-i", "short.mp4", "-c", "copy")
    ffmpeg(folder, *again, "long.mp4")
    return folder / "short.mp4", folder / "long.mp4"


def _peaks(recording: Path) -> MemoryPeaks:
    command = [sys.executable, "-m", "load_tests.benchmarks.video.memory", str(recording)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return MemoryPeaks(**json.loads(done.stdout))


class _MemorySampler:
    """The peak of each child (VmHWM), by what it runs, looked at while they live."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = {}
        self._own = psutil.Process()
        self._line = self._own.cmdline()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_MemorySampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(POLL_S):
            for child in self._own.children(recursive=True):
                try:
                    line = child.cmdline()
                    if line and line != self._line:  # until it execs it shares our memory
                        name = _name(line)
                        self.peaks[name] = max(self.peaks.get(name, 0.0), peak_mib(child.pid))
                except (psutil.Error, OSError):
                    continue


def _name(line: list[str]) -> str:
    modules = [word for word in line if word.startswith("deployments.")]
    return modules[0].rsplit(".", 1)[-1] if modules else Path(line[0]).name


def peak_mib(pid: int | str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / MIB
    return 0.0


def _analyse(recording: Path) -> dict[str, object]:
    from deployments.contracts.media import MediaSource
    from deployments.video import analysis
    from deployments.video.probe.probe import probe

    with TemporaryDirectory() as name, _MemorySampler() as watching:
        folder = Path(name)
        source = MediaSource(recording, probe(recording, folder), "bench")
        parts = [
            analysis.analyse_chunk(source, part, folder)
            for part in analysis.chunks(source, folder, 2)
        ]
        features = analysis.merge(source.info, parts, analysis.analyze_audio_task(source, folder))
        analysis.save(features, folder / "features.npz")
    return {"children": watching.peaks, "worker": peak_mib("self")}


if __name__ == "__main__":
    print(json.dumps(_analyse(Path(sys.argv[1]))))
