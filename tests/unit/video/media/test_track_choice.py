"""Which picture, sound and subtitles of a recording are used: never merely the first."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.media import AudioTrack, MediaInfo, SubtitleTrack
from deployments.video.probe.tracks import (
    NoSuchTrack,
    VideoStream,
    best_picture,
    best_sound,
    best_subtitles,
    same_language,
    sound_of,
    with_sound,
)
from tests.media_fixtures.infos import picture

PLAIN = AudioTrack(1, "aac", 2, 48_000)
WORDS = SubtitleTrack(3, "subrip", None, text=True)


def track(index: int, **flags: object) -> AudioTrack:
    return replace(PLAIN, index=index, **flags)


def words(index: int, **flags: object) -> SubtitleTrack:
    return replace(WORDS, index=index, **flags)


@pytest.mark.parametrize(
    ("tracks", "language", "index"),
    [
        pytest.param((track(1), track(2)), None, 1, id="equals: the first"),
        pytest.param((track(1), track(2, default=True)), None, 2, id="default"),
        pytest.param(
            (track(1, silent=True, default=True), track(2, silent=False)), None, 2, id="silent"
        ),
        pytest.param((track(1, silent=True), track(2, silent=True)), None, 1, id="all silent"),
        pytest.param((track(1, silent=True), track(2)), None, 2, id="silent before unknown"),
        pytest.param((track(1, comment=True, default=True), track(2)), None, 2, id="commentary"),
        pytest.param(
            (track(1, comment=True, silent=False), track(2, silent=True)), None, 1,
            id="commentary rather than silence",
        ),
        pytest.param((track(1, dub=True), track(2)), None, 2, id="dub"),
        pytest.param(
            (track(1, language="eng", default=True), track(2, language="ger")), "de", 2,
            id="wanted language",
        ),
        pytest.param(
            (track(1, language="deu", dub=True), track(2, language="eng", default=True)), "de", 1,
            id="a dub in the wanted language",
        ),
        pytest.param(
            (track(1, language="eng"), track(2, language="fra", default=True)), "es", 2,
            id="a language that is not there",
        ),
    ],
)  # fmt: skip
def test_the_sound_is_chosen_by_what_it_is(
    tracks: tuple[AudioTrack, ...], language: str | None, index: int
) -> None:
    found = best_sound(tracks, language)
    assert found is not None
    assert found.index == index


flags = st.fixed_dictionaries(
    {
        "default": st.booleans(),
        "comment": st.booleans(),
        "dub": st.booleans(),
        "silent": st.sampled_from([None, True, False]),
        "language": st.sampled_from([None, "eng", "ger", "und"]),
    }
)


@given(st.lists(flags, min_size=1, max_size=6), st.sampled_from([None, "en", "de"]))
def test_a_silent_track_is_never_chosen_before_one_that_sounds(
    found: list[dict[str, object]], language: str | None
) -> None:
    tracks = tuple(track(number, **each) for number, each in enumerate(found, 1))
    chosen = best_sound(tracks, language)
    assert chosen in tracks
    if any(each.silent is False for each in tracks):
        assert chosen.silent is False


def test_the_callers_number_is_what_counts() -> None:
    info = replace(picture(9.0), audio=(track(1, silent=True), track(2, silent=False)))

    assert sound_of(info) == info.audio[1]
    assert sound_of(with_sound(info, None, None)) == info.audio[1]
    assert sound_of(with_sound(info, 1, "en")) == info.audio[0]
    with pytest.raises(NoSuchTrack, match="is 3; the recording has 2 audio tracks"):
        with_sound(info, 3, None)


def test_a_recording_without_sound_has_none() -> None:
    info = replace(picture(9.0), audio=())
    assert sound_of(info) is None
    assert with_sound(info, None, None) == info


@pytest.mark.parametrize(
    ("tracks", "language", "index"),
    [
        pytest.param((words(3), words(4)), None, 3, id="equals: the first"),
        pytest.param((words(3, forced=True), words(4, default=True)), None, 4, id="forced"),
        pytest.param((words(3, forced=True, default=True), words(4)), None, 4, id="forced default"),
        pytest.param((words(3, forced=True),), None, None, id="nothing but forced"),
        pytest.param((words(3, comment=True), words(4)), None, 4, id="commentary"),
        pytest.param((words(3, text=False), words(4)), None, 4, id="pictures of text"),
        pytest.param((words(3, impaired=True), words(4)), None, 4, id="for the hard of hearing"),
        pytest.param(
            (words(3, language="deu", default=True), words(4, language="eng")), None, 4,
            id="the language of the sound",
        ),
        pytest.param(
            (words(3, language="eng", default=True), words(4, language="ger")), "de", 4,
            id="the wanted language",
        ),
        pytest.param((words(3, language="fra"),), "de", 3, id="another language than none"),
    ],
)  # fmt: skip
def test_the_transcript_is_taken_from_subtitles_that_hold_all_that_is_said(
    tracks: tuple[SubtitleTrack, ...], language: str | None, index: int | None
) -> None:
    sound = track(1, language="en")
    info = MediaInfo("matroska", 9.0, 1, None, (sound,), tracks)
    found = best_subtitles(info, language)
    assert (found.index if found else None) == index


def test_the_picture_is_the_largest_of_those_meant_to_be_seen() -> None:
    cover = VideoStream(0, 4_000_000, default=True, still=True)
    small = VideoStream(1, 100, default=False, still=False)
    large = VideoStream(2, 200, default=False, still=False)
    chosen = VideoStream(3, 50, default=True, still=False)

    assert best_picture([cover]) is None
    assert best_picture([cover, small, large]) == 2
    assert best_picture([cover, small, large, chosen]) == 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("en", "eng", True),
        ("en-GB", "eng", True),
        ("de", "ger", True),
        ("de", "deu", True),
        ("es", "spa", True),
        ("es", "est", False),
        ("sv", "swe", True),
        ("sw", "swe", False),
        ("zh", "chi", True),
        (None, "eng", False),
        (None, None, False),
        ("x!", "x!", True),
    ],
)
def test_one_language_has_several_codes(one: str | None, other: str | None, same: bool) -> None:
    assert same_language(one, other) is same
    assert same_language(other, one) is same
