"""Planted recordings, written and analysed once. In: a seed, a folder. Out: a `Sample`."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from deployments.contracts.clips import ClipOptions, Highlight
from deployments.contracts.media import MediaFeatures
from deployments.video.ranking import rank
from load_tests.benchmarks.video.highlights.detectors import Cuts, detect_cuts, read_cached_cuts
from load_tests.benchmarks.video.highlights.feature_cache import extract_features
from load_tests.benchmarks.video.highlights.ground_truth import GroundTruth, load
from load_tests.benchmarks.video.highlights.recording import write_recording

SHORTEST_S, LONGEST_S = 10.0, 40.0


@dataclass(frozen=True, slots=True)
class PlantedSample:
    """One planted recording, analysed. `others` are the hard cuts that other detectors see in the
    same file, where any is installed."""

    truth: GroundTruth
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

    def rank_clips(self, *without: str) -> tuple[Highlight, ...]:
        return rank(self.features, self.truth.transcript, self.options, without=without)


def load_sample(seed: int, folder: Path, compared: bool = False) -> PlantedSample:
    """Written and analysed in `folder`, or read from there if it is the same plan as before.

    `compared`: with what other detectors see in it, which takes its time.
    """
    features_file, truth_file = folder / f"planted-{seed}.npz", folder / f"planted-{seed}.json"
    cuts = folder / f"planted-{seed}-cuts.json"
    began = time.monotonic()
    if features_file.exists() and truth_file.exists():
        return PlantedSample(
            load(truth_file),
            extract_features(features_file, features_file),
            0.0,
            0.0,
            read_cached_cuts(cuts),
        )
    recording = write_recording(seed, folder)
    written = time.monotonic()
    features = extract_features(recording.video, features_file)
    analysed = time.monotonic()
    others = detect_cuts(recording.video, recording.truth.fps, cuts) if compared else {}
    recording.video.unlink()
    return PlantedSample(recording.truth, features, written - began, analysed - written, others)
