"""What ranking promises: what stands out comes first, and every clip is one that can be shown."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deployments.contracts.clips import ClipOptions, Highlight
from deployments.contracts.media import NO_TRANSCRIPT, MediaFeatures, Transcript, Word
from deployments.video.ranking import rank
from tests.unit.video.ranking.planted_features import audio_features, features, talk, video_features

SHORT = ClipOptions(count=3, min_s=8, max_s=30)


def overlap(one: Highlight, other: Highlight) -> float:
    common = max(0.0, min(one.end, other.end) - max(one.start, other.start))
    return common / (one.end - one.start + other.end - other.start - common)


def covers(one: Highlight, start: float, end: float) -> bool:
    common = min(one.end, end) - max(one.start, start)
    return common / (max(one.end, end) - min(one.start, start)) >= 0.6


def test_the_loud_lively_stretch_comes_first() -> None:
    found = rank(features(300, heard=audio_features(300, [(120, 140)])), talk(300), SHORT)
    assert covers(found[0], 120, 140)
    assert found[0].scores["energy"] > 0.3
    assert any("louder" in one.note for one in found[0].evidence)


def test_the_moving_subject_comes_first() -> None:
    found = rank(features(300, seen=video_features(300, [(200, 220)])), NO_TRANSCRIPT, SHORT)
    assert covers(found[0], 200, 220)
    assert [one.signal for one in found[0].evidence] == ["motion"]


def test_fast_cuts_come_first() -> None:
    usual = list(np.arange(15.0, 300, 15))
    fast = list(np.arange(150.5, 170, 1.3))
    found = rank(
        features(300, seen=video_features(300, cuts=sorted(usual + fast))), NO_TRANSCRIPT, SHORT
    )
    assert covers(found[0], 150, 170)


def test_asked_for_words_come_first_and_are_named() -> None:
    said = {20: "we saw the Volcano erupt over there.", 21: "this volcano is a very tall one."}
    found = rank(
        features(300),
        talk(300, said),
        ClipOptions(count=2, min_s=8, max_s=15, keywords=("volcano",)),
    )
    assert found[0].start < 101 < 109 < found[0].end
    assert "says 'volcano'" in {one.note for one in found[0].evidence}


def test_a_gripping_sentence_comes_first_and_is_quoted() -> None:
    said = {30: "why does nobody ever tell you this secret?", 31: "but 3 people knew, imagine!"}
    found = rank(features(300), talk(300, said), ClipOptions(count=1, min_s=8, max_s=15))
    assert found[0].start < 151 < 159 < found[0].end
    assert any("a question" in one.note for one in found[0].evidence)


def test_a_click_a_steady_noise_and_a_loud_beginning_do_not_win() -> None:
    heard = audio_features(400, [(300, 320)], above=8.0)
    times = np.arange(heard.level.size) * heard.hop_s
    heard.level[(times > 100) & (times < 100.04)] = 0.0
    heard.level[(times > 150) & (times < 210)] = -12.0
    heard.level[times < 15] += 16.0
    found = rank(features(400, heard=heard), talk(400), SHORT)
    assert covers(found[0], 300, 320)


def test_a_shaking_camera_and_a_flash_do_not_win() -> None:
    seen = video_features(300, [(200, 215)])
    seen.motion[(seen.times > 80) & (seen.times < 95)] = 0.05
    seen.subjects[(seen.subject_times > 80) & (seen.subject_times < 95)] = np.nan
    seen.motion[1200:1202] = 0.6
    found = rank(features(300, seen=seen), NO_TRANSCRIPT, SHORT)
    assert covers(found[0], 200, 215)


def test_stronger_moments_score_higher() -> None:
    heard = audio_features(600, [(150, 170)], above=6.0)
    strong = audio_features(600, [(400, 420)], above=16.0)
    heard.level[:] = np.maximum(heard.level, strong.level)
    found = rank(features(600, heard=heard), talk(600), SHORT)
    assert covers(found[0], 400, 420)
    assert covers(found[1], 150, 170)
    assert found[0].score > found[1].score > found[2].score


def test_scores_are_shares_and_highlights_are_in_their_order() -> None:
    given_ = features(
        300, heard=audio_features(300, [(120, 140)]), seen=video_features(300, [(30, 50)])
    )
    found = rank(given_, talk(300), SHORT)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(0 <= value <= 1 for one in found for value in (one.score, *one.scores.values()))


def test_a_signal_left_out_is_absent() -> None:
    given_ = features(
        300, heard=audio_features(300, [(120, 140)]), seen=video_features(300, [(30, 50)])
    )
    found = rank(given_, talk(300), SHORT, without={"energy", "bursts", "laughter"})
    assert covers(found[0], 30, 50)
    assert "energy" not in found[0].scores


def test_the_same_input_gives_the_same_highlights() -> None:
    given_ = features(
        300, heard=audio_features(300, [(120, 140)]), seen=video_features(300, [(30, 50)])
    )
    assert rank(given_, talk(300), SHORT) == rank(given_, talk(300), SHORT)


def test_only_the_range_asked_for_is_searched() -> None:
    options = ClipOptions(count=3, min_s=8, max_s=30, start=180.0, end=280.0)
    found = rank(features(300, heard=audio_features(300, [(120, 140)])), talk(300), options)
    assert found
    assert all(180 <= one.start < one.end <= 280 for one in found)


@pytest.mark.parametrize("lost", ["audio_features", "video_features", "words", "everything"])
def test_whatever_is_missing_the_rest_is_ranked(lost: str) -> None:
    heard = None if lost in ("audio_features", "everything") else audio_features(200)
    seen = None if lost in ("video_features", "everything") else video_features(200)
    said = NO_TRANSCRIPT if lost in ("words", "everything") else talk(200)
    found = rank(features(200, heard=heard, seen=seen), said, SHORT)
    assert len(found) == 3
    assert all(8 <= round(one.end - one.start, 3) <= 30 for one in found)


def test_without_anything_that_stands_out_clips_are_spread_evenly_and_say_so() -> None:
    silent = audio_features(300)
    silent.level[:] = -120.0
    found = rank(features(300, heard=silent), NO_TRANSCRIPT, SHORT)
    assert [round((one.start + one.end) / 100) for one in found] == [1, 3, 5]
    assert {one.evidence[0].signal for one in found} == {"spread"}
    assert all("evenly" in one.evidence[0].note and one.score == 0 for one in found)


def test_a_recording_shorter_than_the_shortest_clip_is_taken_whole() -> None:
    found = rank(features(6.0, heard=audio_features(6.0)), talk(6.0), SHORT)
    assert [(one.start, one.end) for one in found] == [(0.0, 6.0)]
    assert found[0].evidence[0].signal == "range"


@pytest.mark.parametrize("duration", [0.0, 0.05])
def test_a_recording_that_holds_nothing_gives_nothing(duration: float) -> None:
    assert rank(features(duration), NO_TRANSCRIPT, SHORT) == ()


def test_empty_measures_are_no_reason_to_fail() -> None:
    none = np.zeros(0, np.float32)
    heard = audio_features(0.0)
    seen = video_features(0.0)
    assert heard.level.size == seen.times.size == none.size
    assert len(rank(features(100, heard=heard, seen=seen), NO_TRANSCRIPT, SHORT)) == 3


def test_undefined_measures_are_no_reason_to_fail() -> None:
    seen = video_features(100, [(40, 60)])
    seen.subjects[:] = np.nan
    seen.motion[::7] = np.nan
    assert len(rank(features(100, seen=seen), NO_TRANSCRIPT, SHORT)) == 3


def test_speech_without_pauses_is_cut_between_words() -> None:
    words = tuple(Word(at * 0.3, (at + 1) * 0.3, "word") for at in range(400))
    said = Transcript(words, "sidecar")
    found = rank(features(120, heard=audio_features(120, [(50, 65)])), said, SHORT)
    borders = [edge for one in found for edge in (one.start, one.end)]
    assert len(found) == SHORT.count
    assert all(abs(edge / 0.3 - round(edge / 0.3)) < 0.01 for edge in borders)


TEXTS = ["so", "why?", "now.", "7", "你好。"]

spoken = st.lists(
    st.tuples(
        st.floats(0, 2),
        st.floats(0.01, 1.5),
        st.sampled_from(TEXTS),
    ),
    max_size=150,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    spoken=spoken,
    duration=st.floats(0.2, 150),
    shortest=st.floats(1, 40),
    more=st.floats(0, 40),
    count=st.integers(1, 8),
    start=st.floats(0, 60),
)
@example(spoken=[(0.0, 1.0, "so")], duration=2.0, shortest=1.0, more=0.0, count=1, start=0.0)
def test_whatever_is_said_clips_keep_their_promises(
    spoken: list[tuple[float, float, str]],
    duration: float,
    shortest: float,
    more: float,
    count: int,
    start: float,
) -> None:
    words, at = [], 0.0
    for pause, length, text in spoken:
        words.append(Word(at + pause, at + pause + length, text, text.endswith(".")))
        at += pause + length
    options = ClipOptions(count=count, min_s=shortest, max_s=shortest + more, start=start)
    found = rank(recording(duration), Transcript(tuple(words), "sidecar"), options)
    room = duration - start
    if room > shortest:
        assert 1 <= len(found) <= count
        assert all(shortest - 2e-3 <= f.end - f.start <= shortest + more + 2e-3 for f in found)
    assert all(start - 1e-3 <= one.start < one.end <= duration + 1e-3 for one in found)
    assert all(overlap(a, b) <= 0.3 for a in found for b in found if a is not b)


def recording(duration: float) -> MediaFeatures:
    return features(
        duration,
        heard=audio_features(duration, [(20, 30)]),
        seen=video_features(duration, [(5, 9)]),
    )


def test_gaps_keep_clips_80_ms_from_every_word() -> None:
    said = talk(300)
    found = rank(features(300, heard=audio_features(300, [(99, 121)])), said, SHORT)
    edges = np.array([edge for one in found for edge in (one.start, one.end)])
    starts = np.array([word.start for word in said.words])
    ends = np.array([word.end for word in said.words])
    near = (edges[:, None] > starts - 0.08) & (edges[:, None] < ends + 0.08)
    assert not near.any()
