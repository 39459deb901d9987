"""Where clips may begin and end: not inside a word."""

import numpy as np

from deployments.contracts.media import Transcript, Word
from deployments.video.ranking.cut_points import find_cut_points
from deployments.video.ranking.sentences import sentences_of
from tests.unit.video.ranking.planted_features import audio_features, features


def test_words_that_overlap_are_one_span_without_a_point_inside() -> None:
    words = (Word(1.0, 2.0, "both"), Word(1.5, 3.0, "talk."), Word(4.0, 4.5, "Later."))
    sentences = sentences_of(Transcript(words, "sidecar", "en"), ())

    points = find_cut_points(features(6.0, heard=audio_features(6.0)), sentences, 0.0, 6.0)

    assert points.words.tolist() == [[1.0, 3.0], [4.0, 4.5]]
    for side in (points.starts.times, points.ends.times):
        assert not np.any((side > 1.0) & (side < 3.0))
