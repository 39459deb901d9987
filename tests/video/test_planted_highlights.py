"""Planted moments are found in real files, through the real analysis. Two short recordings.

The targets here are looser than the benchmark's, which looks at ten long ones.
"""

import pytest

from load_tests.benchmarks.video.highlights import scorer
from load_tests.benchmarks.video.highlights.feature_cache import extract_features
from load_tests.benchmarks.video.highlights.metrics import Span, recall
from load_tests.benchmarks.video.highlights.recording import Recording, write_recording
from load_tests.benchmarks.video.highlights.samples import PlantedSample
from load_tests.benchmarks.video.highlights.suite import to_clips

SEEDS = (2, pytest.param(5, marks=pytest.mark.exhaustive))


@pytest.fixture(scope="module", params=SEEDS)
def recording(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Recording:
    return write_recording(request.param, tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def planted(recording: Recording) -> PlantedSample:
    return PlantedSample(recording.truth, extract_features(recording.video), 0.0, 0.0)


def test_planted_moments_are_found_and_no_decoy(planted: PlantedSample) -> None:
    clips = to_clips(planted.rank_clips())
    true: list[Span] = [(one.start, one.end) for one in planted.truth.planted]
    assert recall([clip.span for clip in clips], true) >= 0.75
    assert scorer.score_finding(planted.truth, clips)["map"] >= 0.5
    assert not any(scorer.find_decoy_clips(planted.truth, clips))


def test_no_clip_cuts_a_word_or_leaves_the_band(planted: PlantedSample) -> None:
    clips = to_clips(planted.rank_clips())
    edges, inside, near = scorer.count_cut_words(planted.truth.words, clips)
    assert inside == 0
    assert near <= 0.25 * edges
    assert scorer.share_within_lengths(clips, planted.options.min_s, planted.options.max_s) == 1
    assert scorer.max_overlap(clips) <= 0.3


def test_silences_and_cuts_are_where_they_were_planted(planted: PlantedSample) -> None:
    assert scorer.silence_f1(planted.truth, planted.features) >= 0.98
    assert scorer.cut_f1(planted.truth, planted.features, 0) >= 0.98


@pytest.mark.parametrize("lost", ["energy", "motion", "cuts", "hook"])
def test_a_lost_signal_makes_no_crash(planted: PlantedSample, lost: str) -> None:
    assert len(planted.rank_clips(lost)) == len(planted.truth.planted)


@pytest.mark.exhaustive  # that features are equal bit for bit is tested with small recordings
def test_the_number_of_parts_of_the_analysis_changes_nothing(
    recording: Recording, planted: PlantedSample
) -> None:
    features = extract_features(recording.video, parts=3)
    assert PlantedSample(recording.truth, features, 0.0, 0.0).rank_clips() == planted.rank_clips()
