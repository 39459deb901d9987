"""Hard cuts are compared with other detectors' where those were run, and only told elsewhere."""

from pathlib import Path

import numpy as np
import pytest

from deployments.contracts.media import MediaFeatures, VideoFeatures
from load_tests.benchmarks.common.reference_tools import STAMP, WANTED, find_installed
from load_tests.benchmarks.video.highlights import scorer, visual_quality
from load_tests.benchmarks.video.highlights.detectors import Cuts, read_cached_cuts
from load_tests.benchmarks.video.highlights.ground_truth import GroundTruth
from load_tests.benchmarks.video.highlights.planting import plant
from load_tests.benchmarks.video.highlights.samples import PlantedSample

NONE = np.zeros(0)
FEW = NONE.astype(np.float32)


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return plant(302, 300)


def seen(truth: GroundTruth, cuts: list[float], others: Cuts) -> PlantedSample:
    boxes = np.zeros((0, 5), np.float32)
    video_features = VideoFeatures(NONE, FEW, FEW, FEW, np.array(cuts), NONE, boxes)
    return PlantedSample(
        truth, MediaFeatures(1, truth.duration, False, video_features, None), 0.0, 0.0, others
    )


def test_a_cut_one_frame_late_counts_at_one_frame_only(truth: GroundTruth) -> None:
    late = [cut + 1 / truth.fps for cut in truth.cuts]
    assert scorer.cuts_f1(truth, late, 0) < 0.2
    assert scorer.cuts_f1(truth, late, 1) == 1
    assert scorer.cuts_f1(truth, truth.cuts, 0) == 1


def test_the_best_of_the_others_is_the_least_to_reach(truth: GroundTruth) -> None:
    true = list(truth.cuts)
    one = seen(truth, true[:-1], {"blind": [], "sharp": true})
    ours, blind, sharp = visual_quality.measure_cuts([one])[:3]

    assert (blind.value, sharp.value) == (0, 1)
    assert ours.at_least == 1
    assert not ours.met


def test_without_others_cuts_are_told_without_a_bound(truth: GroundTruth) -> None:
    compared = seen(truth, list(truth.cuts), {"sharp": list(truth.cuts)})
    alone = seen(truth, list(truth.cuts), {})
    figures = visual_quality.measure_cuts([compared, alone])

    assert [figure.value for figure in figures] == [1, 1]
    assert all(figure.at_least is None for figure in figures)


def test_what_was_not_compared_has_no_cuts_of_others(tmp_path: Path) -> None:
    assert read_cached_cuts(tmp_path / "none.json") == {}


def test_peers_of_other_versions_do_not_count_as_installed(tmp_path: Path) -> None:
    assert find_installed(tmp_path) is None
    (tmp_path / STAMP).write_text("scenedetect==0.1")
    assert find_installed(tmp_path) is None
    (tmp_path / STAMP).write_text(WANTED)
    assert find_installed(tmp_path) is not None
