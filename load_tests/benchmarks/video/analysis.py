"""S1 to S4: what analysis costs beside a bare decode and PySceneDetect, and how it scales.

In: a 1080p recording; for cuts and for moments to be found, planted ones (highlights/).
Out: rows. Ours finds cuts, movement, brightness, subjects, and all that is heard.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from deployments.contracts.media import MediaSource
from deployments.video.analysis import (
    AnalysisChunk,
    ChunkFeatures,
    analyse_chunk,
    analyze_audio_task,
    chunks,
    merge,
    save,
    single_chunk,
)
from deployments.video.probe.probe import probe
from load_tests.benchmarks.video.context import VideoBenchmark, ffmpeg
from load_tests.benchmarks.video.cost import Work, build_rows, measure_in_turn, select_least
from load_tests.benchmarks.video.goals import ContenderPair, GoalRow, select_contenders
from load_tests.benchmarks.video.planted_recordings import measure_planted_recordings

DECODE = "ffmpeg -i in -map 0:v -f null -"
DETECT = "scenedetect detect-adaptive list-scenes"
PAIRS = (
    ContenderPair("S1", "exact analysis", "exact", "decode", DECODE, "cpu", 1.15, 1.05),
    ContenderPair("S2", "exact analysis", "exact", "scenedetect", DETECT, "wall", 0.75),
    ContenderPair("S3", "fast analysis", "fast", "decode", DECODE),
    ContenderPair("S4", "two workers", "two workers", "one worker", "one worker", "wall", 0.60),
)
LONG = 6  # times the recording: two processes start, which is not what fast analysis is chosen for
LONG_PAIR = ContenderPair(
    "S3", f"fast, {LONG} times as long", "fast", "decode", DECODE, "cpu", 0.10
)


@dataclass(frozen=True)
class AnalysisContenders:
    """The product's own tasks, as many at a time as there are `workers`."""

    source: MediaSource
    folder: Path
    workers: int

    def exact(self) -> None:
        self._merged(lambda: chunks(self.source, self.folder, self.workers))

    def fast(self) -> None:
        self._merged(lambda: (single_chunk("fast"),))

    def looked(self, parts: Sequence[AnalysisChunk], workers: int) -> list[ChunkFeatures]:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda part: analyse_chunk(self.source, part, self.folder), parts))

    def features(self, wanted: int) -> bytes:
        """The file of features from about `wanted` chunks, without sound."""
        path = self.folder / "features.npz"
        parts = self.looked(chunks(self.source, self.folder, wanted), self.workers)
        save(merge(self.source.info, parts, None), path)
        return path.read_bytes()

    def halves(self) -> tuple[AnalysisChunk, ...]:
        return tuple(replace(part, threads=1) for part in chunks(self.source, self.folder, 2))

    def _merged(self, split: Callable[[], Sequence[AnalysisChunk]]) -> None:
        """As deployments/video/analysis_cache.py does it."""
        with ThreadPoolExecutor(1) as pool:
            sound = pool.submit(analyze_audio_task, self.source, self.folder)
            chunks = self.looked(split(), self.workers)
            merge(self.source.info, chunks, sound.result())


def measure_analysis(benchmark: VideoBenchmark) -> list[GoalRow]:
    pairs = [pair for pair in PAIRS if pair.goal in benchmark.goals]
    analysis = AnalysisContenders(
        benchmark.recording, benchmark.folder("analysis"), benchmark.options.workers
    )
    wanted = select_contenders(pairs)
    every = _contenders(benchmark, analysis)
    if "scenedetect" in wanted:
        benchmark.peers  # noqa: B018 - installed before anything is measured
    analysis.fast()  # warms up
    costs = measure_in_turn(
        {name: work for name, work in every.items() if name in wanted},
        benchmark.options.rounds,
        lambda text: benchmark.print(f"analysis: {text}"),
    )
    benchmark.raw["analysis"] = build_rows(costs)
    least_costs = select_least(costs)
    rows = [row for pair in pairs for row in pair.rows(least_costs)]
    if "S3" in benchmark.goals:
        rows += _long(benchmark, analysis)
    if "S4" in benchmark.goals:
        rows.append(_same(analysis))
    return sorted([*rows, *measure_planted_recordings(benchmark)], key=lambda row: row.goal)


def _contenders(benchmark: VideoBenchmark, analysis: AnalysisContenders) -> Mapping[str, Work]:
    path, halves = benchmark.recording.path, analysis.halves()
    one = replace(single_chunk(), threads=1)
    decode = ("-i", str(path), "-map", "0:v", "-f", "null", "-")
    return {
        "decode": lambda: ffmpeg(analysis.folder, *decode),
        "exact": analysis.exact,
        "fast": analysis.fast,
        "two workers": lambda: analysis.looked(halves, 2),
        "one worker": lambda: analysis.looked([one], 1),
        "scenedetect": lambda: benchmark.peers.detect(path),
    }


def _long(benchmark: VideoBenchmark, analysis: AnalysisContenders) -> list[GoalRow]:
    """Once each: CPU-seconds of so long a run differ little."""
    path = analysis.folder / "long.mp4"
    again = ("-stream_loop", str(LONG - 1), "-i", str(analysis.source.path), "-c", "copy")
    ffmpeg(analysis.folder, *again, path.name)
    long = replace(analysis, source=MediaSource(path, probe(path, analysis.folder), "bench"))
    decode = ("-i", path.name, "-map", "0:v", "-f", "null", "-")
    works = {"decode": lambda: ffmpeg(analysis.folder, *decode), "fast": long.fast}
    costs = measure_in_turn(works, 1, lambda text: benchmark.print(f"analysis, long: {text}"))
    benchmark.raw["analysis, long"] = build_rows(costs)
    path.unlink()
    return LONG_PAIR.rows(select_least(costs))


def _same(analysis: AnalysisContenders) -> GoalRow:
    different = len({analysis.features(wanted) for wanted in (1, 2, 5)})
    what = "different features of 1, 2, 5 chunks"
    return GoalRow("S4", what, "", different, unit="", at_most=1)
