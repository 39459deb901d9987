"""`python -m load_tests.video_analysis`: what analysis costs beside a bare decode (S1 to S4).

Makes one noisy recording with the bundled ffmpeg, then runs both in turn and compares the least of
each: CPU-seconds of all their processes, and wall time. `--scenedetect` names that program, to be
compared with as well. Prints a table; `--json` writes the figures.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from deployments.clipper.analysis import (
    Chunk,
    ChunkFeatures,
    Heard,
    analyse_chunk,
    chunks,
    hear,
    merge,
    save,
    whole,
)
from deployments.clipper.probe import probe
from deployments.clipper.sandbox.binary import ffmpeg_binary
from deployments.contracts.media import Source
from load_tests.figures import Figure, all_met, table_of
from load_tests.machine import describe_machine

PICTURE = "testsrc2=s=1920x1080:r=30,noise=alls=12:allf=t"
SOUND = "sine=f=440:r=48000,volume='0.2+0.2*sin(2*PI*t/3)':eval=frame"
CODE = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "27", "-g", "90", "-pix_fmt", "yuv420p")


@dataclass(frozen=True, slots=True)
class Cost:
    cpu_s: float
    wall_s: float


def cost_of(work: Callable[[], object]) -> Cost:
    """Of `work` and the processes that it starts and waits for."""
    cpu, wall = _cpu_s(), time.monotonic()
    work()
    return Cost(_cpu_s() - cpu, time.monotonic() - wall)


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def made(folder: Path, seconds: int) -> Path:
    """The recording: noise is dear to decode, as a camera's pictures are."""
    path = folder / "noisy.mp4"
    graphs = ("-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", SOUND)
    sound = ("-c:a", "aac", "-ac", "2", "-t", str(seconds))
    _run([ffmpeg_binary(), "-v", "error", "-nostdin", *graphs, *CODE, *sound, str(path)])
    return path


def _run(argv: Sequence[str]) -> None:
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Analysis:
    """The product's own pieces, `workers` at a time."""

    def __init__(self, source: Source, folder: Path, workers: int) -> None:
        self._source, self._folder, self._workers = source, folder, workers

    def exact(self, wanted: int) -> None:
        self._merged(chunks(self._source, self._folder, wanted))

    def fast(self) -> None:
        self._merged((whole("fast"),))

    def looked(self, parts: Sequence[Chunk], workers: int) -> list[ChunkFeatures]:
        with ThreadPoolExecutor(workers) as pool:
            return list(
                pool.map(lambda part: analyse_chunk(self._source, part, self._folder), parts)
            )

    def features(self, wanted: int) -> bytes:
        """The file of features from about `wanted` chunks, without sound."""
        path = self._folder / "features.npz"
        parts = self.looked(chunks(self._source, self._folder, wanted), self._workers)
        save(merge(self._source.info, parts, None), path)
        return path.read_bytes()

    def halves(self) -> tuple[Chunk, ...]:
        return tuple(replace(part, threads=1) for part in chunks(self._source, self._folder, 2))

    def _merged(self, parts: Sequence[Chunk]) -> None:
        with ThreadPoolExecutor(1) as pool:
            heard = pool.submit(hear, self._source, self._folder)
            seen = self.looked(parts, self._workers)
            sound: Heard | None = heard.result()
        merge(self._source.info, seen, sound)


def measured(path: Path, folder: Path, rounds: int, scenedetect: str | None) -> list[Figure]:
    analysis = Analysis(Source(path, probe(path, folder), ""), folder, workers=2)
    decode = [ffmpeg_binary(), "-v", "error", "-nostdin", "-i", str(path), "-map", "0:v"]
    halves, one = analysis.halves(), replace(whole(), threads=1)
    work: dict[str, Callable[[], object]] = {
        "decode": lambda: _run([*decode, "-f", "null", "-"]),
        "exact": lambda: analysis.exact(2),
        "exact, one chunk": lambda: analysis.exact(1),
        "fast": analysis.fast,
        "two halves": lambda: analysis.looked(halves, 2),
        "one after the other": lambda: analysis.looked([one], 1),
    }
    if scenedetect:
        seek = [scenedetect, "-q", "-i", str(path), "detect-adaptive", "list-scenes", "-n"]
        work["scenedetect"] = lambda: _run(seek)
    costs: dict[str, list[Cost]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, do in work.items():
            costs[name].append(cost_of(do))
    least = {
        name: Cost(min(cost.cpu_s for cost in found), min(cost.wall_s for cost in found))
        for name, found in costs.items()
    }
    same = len({analysis.features(wanted) for wanted in (1, 2, 5)}) == 1
    return [*_told(least), *_judged(least), Figure("S4", "same bits", float(same), at_least=1)]


def _told(least: dict[str, Cost]) -> list[Figure]:
    return [
        figure
        for name, cost in least.items()
        for figure in (
            Figure("cost", f"{name}: CPU", cost.cpu_s, "s"),
            Figure("cost", f"{name}: wall", cost.wall_s, "s"),
        )
    ]


def _judged(least: dict[str, Cost]) -> list[Figure]:
    bare, exact = least["decode"], least["exact"]
    halves, one = least["two halves"], least["one after the other"]
    found = [
        Figure("S1", "exact / decode, CPU", exact.cpu_s / bare.cpu_s, at_most=1.15),
        Figure("S1", "exact / decode, wall", exact.wall_s / bare.wall_s, at_most=1.05),
        Figure("S3", "fast / decode, CPU", least["fast"].cpu_s / bare.cpu_s, at_most=0.10),
        Figure("S4", "two halves / one, wall", halves.wall_s / one.wall_s, at_most=0.60),
    ]
    if "scenedetect" in least:
        peer = least["scenedetect"].wall_s
        found.append(Figure("S2", "exact / scenedetect, wall", exact.wall_s / peer, at_most=0.75))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=40, help="length of the recording")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scenedetect", help="the program to compare with")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = made(folder, options.seconds)
        figures = measured(path, folder, options.rounds, options.scenedetect)
    Console().print(table_of(figures))
    if options.json:
        report = {"machine": describe_machine(), "figures": [figure.row() for figure in figures]}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all_met(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
