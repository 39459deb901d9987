"""Planted recordings, written and analysed once. In: a seed, a folder. Out: a `Sample`."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from deployments.contracts.clips import ClipOptions, Highlight
from deployments.contracts.media import MediaFeatures
from deployments.video.ranking import rank
from load_tests.benchmarks.video.highlights.detectors import Cuts, cuts_of, kept_cuts
from load_tests.benchmarks.video.highlights.feature_cache import features_of
from load_tests.benchmarks.video.highlights.ground_truth import Truth, load
from load_tests.benchmarks.video.highlights.recording import write

SHORTEST_S, LONGEST_S = 10.0, 40.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One planted recording, analysed. `others` are the hard cuts that other detectors see in the
    same file, where any is installed."""

    truth: Truth
    features: MediaFeatures
    written_s: float
    analysed_s: float
    others: Cuts = field(default_factory=dict)

    @property
    def options(self) -> ClipOptions:
        return ClipOptions(
            count=len(self.truth.planted),
            min_s=SHORTEST_S,
            max_s=LONGEST_S,
            keywords=self.truth.keywords,
        )

    def ranked(self, *without: str) -> tuple[Highlight, ...]:
        return rank(self.features, self.truth.transcript, self.options, without=without)


def sample(seed: int, folder: Path, compared: bool = False) -> Sample:
    """Written and analysed in `folder`, or read from there if it is the same plan as before.

    `compared`: with what other detectors see in it, which takes its time.
    """
    kept, told = folder / f"planted-{seed}.npz", folder / f"planted-{seed}.json"
    cuts = folder / f"planted-{seed}-cuts.json"
    began = time.monotonic()
    if kept.exists() and told.exists():
        return Sample(load(told), features_of(kept, kept), 0.0, 0.0, kept_cuts(cuts))
    recording = write(seed, folder)
    written = time.monotonic()
    features = features_of(recording.video, kept)
    analysed = time.monotonic()
    others = cuts_of(recording.video, recording.truth.fps, cuts) if compared else {}
    recording.video.unlink()
    return Sample(recording.truth, features, written - began, analysed - written, others)
