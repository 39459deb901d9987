"""Clips are chosen where there is a picture, and more of them than were asked for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.clips import ClipOptions
from deployments.contracts.media import NO_TRANSCRIPT, MediaFeatures
from deployments.video.ranking import rank, ranking
from tests.unit.video.ranking.planted_features import audio_features, features, talk, video_features

LENGTH = 120.0
LOUD = ((20.0, 32.0), (70.0, 84.0), (100.0, 112.0))
OPTIONS = ClipOptions(count=4, min_s=5.0, max_s=15.0)


def recorded(first: float, last: float, length: float = LENGTH) -> MediaFeatures:
    """Sound throughout, loudest where the camera may be dead."""
    seen = replace(video_features(last), shown=(first, last))
    return features(length, heard=audio_features(length, LOUD), seen=seen)


def test_no_clip_goes_on_after_the_picture() -> None:
    found = rank(recorded(0.0, 44.0), talk(LENGTH), OPTIONS)

    assert found
    assert all(clip.end <= 44.5 for clip in found)
    assert all(clip.end - clip.start >= 5.0 for clip in found)


def test_no_clip_begins_long_before_the_picture() -> None:
    found = rank(recorded(30.0, LENGTH), talk(LENGTH), OPTIONS)

    assert found
    assert all(clip.start >= 27.0 for clip in found)


def test_words_right_before_the_first_picture_are_not_lost() -> None:
    wanted = replace(OPTIONS, start=0.0, end=5.0)
    [clip] = rank(recorded(2.0, LENGTH), NO_TRANSCRIPT, wanted)
    assert clip.start == 0.0


@given(st.floats(0, 100), st.floats(1, 110), st.booleans(), st.sampled_from([1.0, 5.0, 20.0]))
def test_every_clip_keeps_to_the_picture(
    first: float, lasts: float, talks: bool, shortest: float
) -> None:
    last = min(LENGTH, first + lasts)
    options = replace(OPTIONS, min_s=shortest, max_s=25.0)
    found = ranking(recorded(first, last), talk(LENGTH) if talks else NO_TRANSCRIPT, options)
    for clip in (*found.best, *found.others):
        assert first - 3.0 - 1e-3 <= clip.start < clip.end <= last + 0.4 + 1e-3
        assert clip.note or clip.end - clip.start >= shortest - 1e-3


def test_a_range_without_a_picture_gives_no_clip() -> None:
    assert rank(recorded(0.0, 44.0), talk(LENGTH), replace(OPTIONS, start=60.0)) == ()


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        (
            recorded(0.0, 3.0, 3.0),
            {"min_s": 100.0, "max_s": 120.0},
            "3.0 s long, shorter than min_s (100 s), because the recording is",
        ),
        (
            recorded(0.0, LENGTH),
            {"start": 10.0, "end": 14.0},
            "4.0 s long, shorter than min_s (5 s), because the wanted range is",
        ),
        (
            recorded(0.0, 4.0),
            {},
            "4.4 s long, shorter than min_s (5 s), because there is a picture from 0.0 to 4.0 s "
            "only",
        ),
    ],
)  # fmt: skip
def test_a_clip_that_is_shorter_than_wanted_says_why(
    made: MediaFeatures, options: dict[str, float], said: str
) -> None:
    [clip] = rank(made, NO_TRANSCRIPT, replace(OPTIONS, **options))
    assert clip.note == said


def test_clips_of_the_wanted_length_have_no_note() -> None:
    assert {clip.note for clip in rank(recorded(0.0, LENGTH), talk(LENGTH), OPTIONS)} == {""}


def test_the_next_best_are_there_and_apart_from_the_best() -> None:
    found = ranking(recorded(0.0, LENGTH), talk(LENGTH), replace(OPTIONS, count=2))

    assert len(found.best) == 2
    assert found.others
    assert found.others[0].score <= found.best[-1].score
    for other in found.others:
        for best in found.best:
            assert other.start >= best.end - 1.5 or other.end <= best.start + 1.5
