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
from load_tests.benchmarks.video.context import Setting
from load_tests.benchmarks.video.goals import Row
from load_tests.benchmarks.video.highlights import scorer
from load_tests.benchmarks.video.highlights.ground_truth import Truth
from load_tests.benchmarks.video.highlights.recording import write
from load_tests.benchmarks.video.highlights.samples import Sample
from load_tests.benchmarks.video.highlights.suite import clips_of

RECALL = 0.9
FRAMES = 1


@dataclass(frozen=True, slots=True)
class _Seen:
    """One planted recording, and what each contender saw in it."""

    truth: Truth
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
        found = clips_of(Sample(self.truth, self.fast, 0.0, 0.0).ranked())
        return scorer.found(self.truth, found)["recall@k"]


def planted(setting: Setting) -> list[Row]:
    wanted = {"S2", "S3"} & set(setting.goals)
    if not wanted:
        return []
    seeds, seconds = setting.options.seeds, setting.options.planted_seconds
    setting.say(f"analysis: {seeds} planted recordings of {seconds} s ...")
    folder = setting.folder("planted")
    seen = [_seen(setting, seed, folder) for seed in range(seeds)]
    rows = _f1_rows(seen) if "S2" in wanted else []
    if "S3" in wanted:
        recall = fmean(one.recall() for one in seen)
        rows.append(Row("S3", "moments found", "planted", recall, unit="", at_least=RECALL))
    return rows


def _f1_rows(seen: list[_Seen]) -> list[Row]:
    ours = fmean(one.f1() for one in seen)
    theirs = fmean(one.their_f1() for one in seen)
    cuts = sum(len(one.truth.cuts) for one in seen)
    what = f"F1 of {cuts} hard cuts"
    return [Row("S2", what, "scenedetect detect-adaptive", ours, theirs, "", at_least=1.0)]


def _seen(setting: Setting, seed: int, folder: Path) -> _Seen:
    recording = write(seed, folder, setting.options.planted_seconds)
    source = MediaSource(recording.video, probe(recording.video, folder), "bench")
    fast = exact = None
    theirs: list[int] = []
    if "S2" in setting.goals:
        exact = _features(source, folder, "exact")
        theirs = setting.peers.cuts(recording.video, folder / f"cuts-{seed}.csv")
    if "S3" in setting.goals:
        fast = _features(source, folder, "fast")
    recording.video.unlink()
    return _Seen(recording.truth, exact, fast, theirs)


def _features(source: MediaSource, folder: Path, mode: analysis.Mode) -> MediaFeatures:
    parts = [analysis.analyse_chunk(source, analysis.single_chunk(mode), folder)]
    return analysis.merge(source.info, parts, analysis.analyze_audio_task(source, folder))
