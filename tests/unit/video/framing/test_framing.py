"""Framing: what is kept in the picture, what stands still, and when the whole picture is shown."""

import math

import pytest

from deployments.contracts.clips import CropKeyframe, Framing
from deployments.contracts.media import MediaInfo
from deployments.video.framing import frame
from tests.unit.video.framing.footage import inside, place, recording, video_features

NAN = math.nan


def sway(time: float) -> float:
    return 0.5 + 0.35 * math.sin(time / 2)


def test_a_still_subject_gets_one_place_with_it_in_the_middle() -> None:
    framing = frame(video_features(lambda _: 0.7), recording(), 5, 25, "9:16", "auto")

    assert framing.keys == (CropKeyframe(5, pytest.approx(0.7 - framing.width / 2, abs=1e-6), 0.0),)
    assert (framing.width, framing.height) == (pytest.approx(81 / 256), 1.0)
    assert not framing.fit
    assert framing.fits == ()


def test_a_subject_that_fidgets_within_the_crop_does_not_move_it() -> None:
    jitter = video_features(lambda time: 0.6 + 0.05 * math.sin(9 * time))
    assert len(frame(jitter, recording(), 0, 30, "9:16", "auto").keys) == 1


def test_a_subject_at_the_edge_does_not_push_the_crop_out_of_the_picture() -> None:
    framing = frame(video_features(lambda _: 0.99), recording(), 0, 10, "9:16", "auto")
    assert framing.keys[0].x == pytest.approx(1 - framing.width)


def test_a_moving_subject_is_wholly_inside_nearly_always() -> None:
    framing = frame(video_features(sway), recording(), 2, 42, "9:16", "auto")

    assert inside(framing, sway, 0.12, 2, 42) >= 0.97
    assert len(framing.keys) < 3 * 40


def test_a_pan_begins_before_the_subject_leaves() -> None:
    def late(time: float) -> float:
        return 0.3 if time < 5 else min(0.8, 0.3 + 0.35 * (time - 5))

    framing = frame(video_features(late), recording(), 0, 12, "9:16", "auto")

    assert inside(framing, late, 0.12, 0, 12) >= 0.97
    assert place(framing, 0) == pytest.approx(place(framing, 4), abs=1e-9)


def test_a_subject_that_jumps_is_followed_at_top_speed_and_no_faster() -> None:
    jumping = video_features(lambda time: 0.2 if time < 10 else 0.8)
    framing = frame(jumping, recording(), 0, 20, "9:16", "auto")
    speeds = [
        abs(after.x - before.x) / (after.time - before.time)
        for before, after in zip(framing.keys, framing.keys[1:], strict=False)
    ]

    assert 0.3 < max(speeds) <= 0.4 + 1e-9
    assert place(framing, 9.3) == pytest.approx(0.2 - framing.width / 2, abs=0.05)
    assert place(framing, 12.5) == pytest.approx(0.8 - framing.width / 2, abs=0.05)


def test_one_wrong_sighting_does_not_move_the_crop() -> None:
    glitch = video_features(lambda time: 0.9 if abs(time - 8) < 0.05 else 0.3)
    assert len(frame(glitch, recording(), 0, 20, "9:16", "auto").keys) == 1


def test_the_crop_jumps_at_a_cut_and_stands_on_both_sides() -> None:
    dialogue = video_features(lambda time: 0.25 if time < 7.04 else 0.75, cuts=(7.04,))
    framing = frame(dialogue, recording(), 0, 15, "9:16", "auto")

    assert [(key.time, key.jump) for key in framing.keys] == [(0, False), (7.04, True)]
    assert place(framing, 7.039) == framing.keys[0].x
    assert place(framing, 7.04) == framing.keys[1].x


def test_a_pan_ends_before_the_cut() -> None:
    walk = video_features(lambda time: 0.2 + 0.1 * (time % 6), cuts=(6.0,))
    framing = frame(walk, recording(), 0, 12, "9:16", "auto")
    cut = next(i for i, key in enumerate(framing.keys) if key.jump)

    assert framing.keys[cut].time == 6.0
    assert 5.9 < framing.keys[cut - 1].time < 6.0


def test_where_nothing_is_known_for_a_while_the_crop_stays() -> None:
    away = video_features(lambda time: NAN if 4 < time < 8 else 0.7)
    assert len(frame(away, recording(), 0, 12, "9:16", "auto").keys) == 1


def test_a_tall_source_pans_up_and_down() -> None:
    rise = video_features(lambda time: 0.2 + 0.06 * time, axis=1, size=0.1)
    framing = frame(rise, recording(1080, 1920), 0, 10, "16:9", "auto")

    assert (framing.width, framing.height) == (1.0, pytest.approx(81 / 256))
    assert {key.x for key in framing.keys} == {0.0}
    assert place(framing, 10, axis=1) > place(framing, 0, axis=1) + 0.3


@pytest.mark.parametrize("mode", ["auto", "follow", "fit"])
def test_a_source_of_the_same_shape_is_shown_whole(mode: str) -> None:
    framing = frame(video_features(sway), recording(1080, 1910), 3, 9, "9:16", mode)
    assert framing == Framing("9:16", False, 1.0, 1.0, (CropKeyframe(3, 0.0, 0.0),))


def test_fit_shows_the_whole_picture_over_its_copy() -> None:
    assert frame(video_features(sway), recording(), 0, 9, "1:1", "fit") == Framing("1:1", True)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(None, id="nothing was looked at"),
        pytest.param(video_features(lambda _: NAN), id="nothing stands out"),
        pytest.param(video_features(sway, confidence=0.1), id="nothing is sure"),
        pytest.param(video_features(lambda _: 0.5, size=0.6), id="wider than the crop"),
        pytest.param(
            video_features(lambda time: 0.1 if time % 2 < 1 else 0.9), id="too quick to follow"
        ),
    ],
)
def test_what_cannot_be_followed_is_fitted_or_cropped_on_demand(seen) -> None:
    assert frame(seen, recording(), 0, 20, "9:16", "auto") == Framing("9:16", True)

    followed = frame(seen, recording(), 0, 20, "9:16", "follow")
    assert not followed.fit
    assert followed.fits == ()
    assert all(0 <= key.x <= 1 - followed.width + 1e-9 for key in followed.keys)


def test_following_nothing_known_is_a_crop_in_the_middle() -> None:
    framing = frame(None, recording(), 4, 9, "9:16", "follow")
    assert framing.keys == (CropKeyframe(4, (1 - framing.width) / 2, 0.0),)


def test_only_the_shots_that_need_it_are_fitted() -> None:
    slides = video_features(lambda time: NAN if 10 <= time < 16 else 0.4, cuts=(10, 16))
    framing = frame(slides, recording(), 0, 30, "9:16", "auto")

    assert not framing.fit
    assert framing.fits == ((10, 16),)


def test_a_stretch_too_short_to_be_seen_takes_its_neighbours_kind() -> None:
    flash = video_features(lambda time: NAN if 10 <= time < 11 else 0.4, cuts=(10, 11))
    assert frame(flash, recording(), 0, 30, "9:16", "auto").fits == ()

    glimpse = video_features(
        lambda time: 0.4 if 10 <= time < 11 or time > 20 else NAN, cuts=(10, 11, 20)
    )
    assert frame(glimpse, recording(), 0, 40, "9:16", "auto").fits == ((0, 20),)


def test_a_clip_that_is_mostly_fitted_is_fitted_throughout() -> None:
    slides = video_features(lambda time: 0.4 if 10 <= time < 13 else NAN, cuts=(10, 13))
    assert frame(slides, recording(), 0, 30, "9:16", "auto") == Framing("9:16", True)


def test_a_strobe_of_cuts_is_framed_too() -> None:
    cuts = [i / 30 for i in range(1, 300)]
    framing = frame(video_features(sway, cuts=cuts), recording(), 0, 10, "9:16", "follow")
    assert len(framing.keys) == 300


@pytest.mark.parametrize("mode", ["auto", "follow", "fit"])
def test_what_is_drawn_for_a_recording_without_a_picture_is_shown_whole(mode: str) -> None:
    framing = frame(None, MediaInfo("wav", 5.0, 1, None), 0, 5, "9:16", mode)
    assert framing == Framing("9:16", True)


@pytest.mark.parametrize("size", [0.33, 0.4, 0.47])
def test_a_close_up_is_cut_at_both_sides_and_not_letterboxed(size: float) -> None:
    """A head of 405 pixels or more in a picture of 1280: wider than an upright crop of it."""
    seen = video_features(lambda time: 0.42 + 0.02 * math.sin(2 * time), size=size)
    framing = frame(seen, recording(), 0, 20, "9:16", "auto")

    assert not framing.fit
    assert framing.fits == ()
    assert place(framing, 10) + framing.width / 2 == pytest.approx(0.42, abs=0.05)


def test_a_close_up_that_moves_is_followed() -> None:
    framing = frame(video_features(sway, size=0.4), recording(), 0, 20, "9:16", "auto")

    assert not framing.fit
    for time in (3, 9, 15):
        assert place(framing, time) + framing.width / 2 == pytest.approx(sway(time), abs=0.08)


def test_two_who_take_turns_far_apart_are_shown_whole() -> None:
    turns = video_features(lambda time: 0.25 if time % 2 < 1 else 0.75, size=0.4)
    assert frame(turns, recording(), 0, 20, "9:16", "auto").fit


def test_a_clip_ends_after_it_starts() -> None:
    with pytest.raises(ValueError, match="ends after"):
        frame(None, recording(), 5, 5, "9:16", "auto")


def test_what_stands_out_elsewhere_while_the_subject_rests_does_not_move_the_crop() -> None:
    """Every other second the subject rests, and something on a wall draws the eye."""
    seen = video_features(
        lambda time: 0.85 if int(time) % 2 else 0.3,
        confidence=lambda time: 0.28 if int(time) % 2 else 0.6,
    )
    framing = frame(seen, recording(), 10, 30, "9:16", "follow")

    assert len(framing.keys) == 1
    assert inside(framing, lambda _: 0.3, 0.12, 10, 30) == 1


def test_a_wrong_sighting_right_before_a_cut_does_not_move_the_crop() -> None:
    seen = video_features(lambda time: 0.85 if 19.7 < time < 20 else 0.3, cuts=[20.0])
    framing = frame(seen, recording(), 10, 20, "9:16", "follow")

    assert len(framing.keys) == 1
    assert inside(framing, lambda _: 0.3, 0.12, 10, 20) == 1


def test_a_subject_wider_than_the_crop_does_not_make_it_fidget() -> None:
    seen = video_features(lambda time: 0.5 + 0.01 * math.sin(3 * time), size=0.5)
    framing = frame(seen, recording(), 10, 30, "9:16", "follow")

    assert len(framing.keys) == 1
    assert framing.keys[0].x + framing.width / 2 == pytest.approx(0.5, abs=0.01)
