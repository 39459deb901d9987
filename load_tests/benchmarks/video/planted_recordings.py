"""S2 and S3 on recordings whose cuts and moments are known: F1 beside PySceneDetect, recall.

In: seeds of planted recordings. Out: rows; means over the seeds. Exact and fast analysis see the
same files, with flashes and shaking cameras among the cuts.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from deployments.contracts.media import MediaFeatures, MediaSource
from deployments.video import analysis
from deployments.video.probe.probe import probe
from load_tests.benchmarks.video.context import VideoBenchmark
from load_tests.benchmarks.video.goals import GoalRow
from load_tests.benchmarks.video.highlights import scorer
from load_tests.benchmarks.video.highlights.ground_truth import GroundTruth
from load_tests.benchmarks.video.highlights.recording import write_recording
from load_tests.benchmarks.video.highlights.samples import PlantedSample
from load_tests.benchmarks.video.highlights.suite import to_clips

RECALL = 0.9
FRAMES = 1


@dataclass(frozen=True, slots=True)
class _DetectionResult:
    """One planted recording, and what each contender saw in it."""

    truth: GroundTruth
    exact: MediaFeatures | None
    fast: MediaFeatures | None
    theirs: list[int]

    def f1(self) -> float:
        assert self.exact is not None
        return scorer.cut_f1(self.truth, self.exact, FRAMES)

    def their_f1(self) -> float:
        return scorer.cuts_f1(self.truth, [at / self.truth.fps for at in self.theirs], FRAMES)

    def recall(self) -> float:
        assert self.fast is not None
        clips = to_clips(PlantedSample(self.truth, self.fast, 0.0, 0.0).rank_clips())
        return scorer.score_finding(self.truth, clips)["recall@k"]


def measure_planted_recordings(benchmark: VideoBenchmark) -> list[GoalRow]:
    wanted = {"S2", "S3"} & set(benchmark.goals)
    if not wanted:
        return []
    seeds, seconds = benchmark.options.seeds, benchmark.options.planted_seconds
    benchmark.print(f"analysis: {seeds} planted recordings of {seconds} s ...")
    folder = benchmark.folder("planted")
    results = [_detect(benchmark, seed, folder) for seed in range(seeds)]
    rows = _f1_rows(results) if "S2" in wanted else []
    if "S3" in wanted:
        recall = fmean(one.recall() for one in results)
        rows.append(GoalRow("S3", "moments found", "planted", recall, unit="", at_least=RECALL))
    return rows


def _f1_rows(results: list[_DetectionResult]) -> list[GoalRow]:
    ours = fmean(one.f1() for one in results)
    theirs = fmean(one.their_f1() for one in results)
    cuts = sum(len(one.truth.cuts) for one in results)
    what = f"F1 of {cuts} hard cuts"
    return [GoalRow("S2", what, "scenedetect detect-adaptive", ours, theirs, "", at_least=1.0)]


def _detect(benchmark: VideoBenchmark, seed: int, folder: Path) -> _DetectionResult:
    recording = write_recording(seed, folder, benchmark.options.planted_seconds)
    source = MediaSource(recording.video, probe(recording.video, folder), "bench")
    fast = exact = None
    theirs: list[int] = []
    if "S2" in benchmark.goals:
        exact = _features(source, folder, "exact")
        theirs = benchmark.peers.cuts(recording.video, folder / f"cuts-{seed}.csv")
    if "S3" in benchmark.goals:
        fast = _features(source, folder, "fast")
    recording.video.unlink()
    return _DetectionResult(recording.truth, exact, fast, theirs)


def _features(source: MediaSource, folder: Path, mode: analysis.Mode) -> MediaFeatures:
    parts = [analysis.analyse_chunk(source, analysis.single_chunk(mode), folder)]
    return analysis.merge(source.info, parts, analysis.analyze_audio_task(source, folder))
