"""The scorer is checked by hand-made answers whose scores are known."""

import json
from pathlib import Path
from random import Random

import pytest

from deployments.contracts.clips import ClipOptions, Highlight
from load_tests.benchmarks.video.highlights import baselines, metrics, scorer
from load_tests.benchmarks.video.highlights.datasets import (
    qvhighlights,
    qvhighlights_line,
    rhapsody,
)
from load_tests.benchmarks.video.highlights.planting import plant
from load_tests.benchmarks.video.highlights.scorer import ScoredClip

TRUE = [(10.0, 20.0), (50.0, 70.0)]


def test_the_truth_itself_scores_full() -> None:
    assert metrics.mean_average_precision(TRUE, TRUE) == 1
    assert metrics.recall(TRUE, TRUE) == metrics.hit_at_1(TRUE, TRUE) == 1


def test_nothing_scores_nothing() -> None:
    assert metrics.mean_average_precision([], TRUE) == metrics.recall([], TRUE) == 0
    assert metrics.hit_at_1([], TRUE) == 0


def test_a_wrong_first_clip_costs_precision() -> None:
    assert metrics.average_precision([(0, 5), *TRUE], TRUE, 0.5) == pytest.approx(2 / 3)


def test_half_an_overlap_counts_at_some_thresholds() -> None:
    assert metrics.iou((10, 20), (10, 17.5)) == 0.75
    assert metrics.mean_average_precision([(10, 17.5)], [(10, 20)]) == pytest.approx(0.6)


def test_one_moment_is_found_once() -> None:
    assert metrics.match_spans([(10, 20), (10, 20)], TRUE, 0.5) == [0, None]


@pytest.mark.parametrize(
    ("scores", "tau"), [([1, 2, 3, 4], 1), ([4, 3, 2, 1], -1), ([1, 2, 4, 3], 2 / 3)]
)
def test_tau_tells_order(scores: list[float], tau: float) -> None:
    assert metrics.kendall_tau(scores, [1, 2, 3, 4]) == pytest.approx(tau)


def test_tau_of_equal_values_is_undefined() -> None:
    assert metrics.kendall_tau([1, 1], [1, 2]) is None


def test_borders_in_and_near_words_are_counted() -> None:
    word = plant(300, 300).words[:1]
    start, end = word[0].start, word[0].end
    clips = [ScoredClip((start + end) / 2, end + 0.05, 1), ScoredClip(start - 1, end + 1, 1)]
    assert scorer.count_cut_words(word, clips) == (4, 1, 2)


def test_a_clip_of_a_decoy_is_told_from_one_of_a_moment() -> None:
    truth = plant(301, 300)
    (music,), moment = truth.of("music"), truth.planted[0]
    clips = [ScoredClip(music.start, music.end, 1), ScoredClip(moment.start, moment.end, 1)]
    assert scorer.find_decoy_clips(truth, clips) == [True, False]


def test_baselines_keep_the_band_and_the_recording() -> None:
    options = ClipOptions(count=5, min_s=10, max_s=40)
    for clips in (
        baselines.rank_at_random(300, options, Random(1)),
        baselines.rank_uniform(300, options),
    ):
        assert len(clips) == 5
        assert scorer.share_within_lengths(clips, 10, 40) == 1
        assert all(0 <= clip.start < clip.end <= 300 for clip in clips)


def test_qvhighlights_are_read_and_answered(tmp_path: Path) -> None:
    line = {
        "qid": 7,
        "query": "a dog",
        "duration": 9,
        "vid": "v_0",
        "relevant_clip_ids": [1, 2],
        "saliency_scores": [[4, 3, 2], [0, 0, 3]],
        "relevant_windows": [[2, 6]],
    }
    path = tmp_path / "highlight_val_release.jsonl"
    path.write_text(json.dumps(line) + "\n")
    (read,) = qvhighlights(path)
    assert read.spans == ((2.0, 6.0),)
    assert read.saliency == (0, 3, 1, 0, 0)
    answer = qvhighlights_line(read, [Highlight(2.0, 6.0, 0.5, {}, ())])
    assert answer["pred_relevant_windows"] == [[2.0, 6.0, 0.5]]
    assert answer["pred_saliency_scores"] == [0, 0.5, 0.5, 0, 0]
    assert (answer["qid"], answer["vid"]) == (7, "v_0")


def test_rhapsody_segments_become_spans(tmp_path: Path) -> None:
    heat = [0.0] * 100
    heat[10:13] = [0.6, 0.9, 0.7]
    heat[50] = 0.5
    path = tmp_path / "rhapsody.json"
    path.write_text(json.dumps([{"id": "e", "duration": 200, "scores": heat}]))
    (read,) = rhapsody(path)
    assert read.spans == ((20.0, 26.0),)
    assert read.part_s == 2


def test_other_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rhapsody.jsonl"
    path.write_text(json.dumps({"id": "e", "duration": 200, "scores": [1, 2]}))
    with pytest.raises(ValueError, match="2 values"):
        list(rhapsody(path))
