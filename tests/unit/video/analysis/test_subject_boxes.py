"""Where the eye would follow: what moves by itself, whatever the camera and its noise do."""

import numpy as np
import pytest

from deployments.video.analysis.frame_signature import Picture
from deployments.video.analysis.subjects import sample, shift, subject

STEP = 14  # pixels a subject moves from one sample to the next
SIZE = 40
GROUND = np.kron(np.random.default_rng(5).integers(60, 180, (60, 90)), np.ones((6, 6))).astype(
    np.uint8
)


def picture(at: int | None, seed: int = 0, camera: tuple[int, int] = (0, 0)) -> Picture:
    """Something bright at `at`, over ground that the camera sees from `camera`."""
    down, right = camera
    shown = GROUND[40 + down : 220 + down, 80 + right : 400 + right].astype(float)
    if at is not None:
        shown[60 : 60 + SIZE, at : at + SIZE] = 240
    noise = np.random.default_rng(seed).normal(0, 3, shown.shape)
    return np.clip(shown + noise, 0, 255).astype(np.uint8)


def seen(at: int, cameras: list[tuple[int, int]]) -> tuple[float, float, float]:
    """The box's centre in pixels and its confidence, of something that moves to the right."""
    before, now, after = (
        sample(picture(at + (i - 1) * STEP, i, camera)) for i, camera in enumerate(cameras)
    )
    x, y, _, _, sure = (float(value) for value in subject(before, now, after))
    return x * 320, y * 180, sure


@pytest.mark.parametrize("at", [30, 120, 250])
def test_a_moving_thing_is_found_where_it_is(at: int) -> None:
    x, y, sure = seen(at, [(0, 0)] * 3)

    assert x == pytest.approx(at + SIZE / 2, abs=8)
    assert y == pytest.approx(80, abs=8)
    assert sure > 0.8


@pytest.mark.parametrize("at", [60, 200])
@pytest.mark.parametrize(
    "cameras",
    [
        pytest.param([(0, 0), (7, -9), (-5, 6)], id="shake"),
        pytest.param([(0, -20), (0, 0), (0, 20)], id="pan"),
    ],
)
def test_it_is_found_while_the_camera_moves(at: int, cameras: list[tuple[int, int]]) -> None:
    x, y, _ = seen(at, cameras)

    assert x == pytest.approx(at + SIZE / 2, abs=20)
    assert y == pytest.approx(80, abs=15)


def test_nothing_stands_out_where_nothing_moves() -> None:
    before, now, after = (sample(picture(None, seed)) for seed in range(3))
    assert np.isnan(subject(before, now, after)).all()


def test_a_moving_camera_alone_is_no_subject() -> None:
    cameras = [(0, -16), (0, 0), (0, 16)]
    before, now, after = (sample(picture(None, i, camera)) for i, camera in enumerate(cameras))
    assert np.isnan(subject(before, now, after)).all()


def test_the_camera_is_told_from_two_pictures() -> None:
    now, other = sample(picture(None)), sample(picture(None, camera=(8, -12)))
    assert shift(now, other) == (4, -6)  # of the picture at half its size


def test_a_lonely_bright_thing_stands_out_a_little_though_it_rests() -> None:
    resting = np.full((180, 320), 60, np.uint8)
    resting[50:90, 200:240] = 220
    x, y, width, _, sure = subject(None, sample(resting), None)

    assert (x * 320, y * 180) == pytest.approx((220, 70), abs=6)
    assert width * 320 == pytest.approx(40, abs=15)
    assert 0.2 < sure <= 0.3


def test_the_picture_of_another_shot_is_not_compared() -> None:
    other = sample(255 - picture(None)[::-1])
    now, after = sample(picture(100)), sample(picture(100 + STEP))
    x, _, _, _, _ = subject(other, now, after)
    assert x * 320 == pytest.approx(120 + STEP / 2, abs=12)


@pytest.mark.parametrize("shape", [(20, 20), (20, 320), (180, 180), (320, 180)])
def test_pictures_of_any_shape_are_looked_at(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    before, now, after = (sample(rng.integers(0, 255, shape).astype(np.uint8)) for _ in range(3))
    box = subject(before, now, after)
    assert np.isnan(box).all() or ((box >= 0) & (box <= 1)).all()


def face(at: int, seed: int) -> Picture:
    """Something with features of its own, over ground that has hardly any."""
    shown = np.tile(np.linspace(70, 110, 320), (180, 1))
    shown[60 : 60 + SIZE, at : at + SIZE] = 225
    shown[72:80, at + 8 : at + 16] = shown[72:80, at + 26 : at + 34] = 20
    noise = np.random.default_rng(seed).normal(0, 2, shown.shape)
    return np.clip(shown + noise, 0, 255).astype(np.uint8)


def test_the_only_thing_to_be_seen_is_not_taken_for_the_camera() -> None:
    before, now, after = (sample(face(at, at)) for at in (100, 108, 116))
    x, y, _, _, sure = subject(before, now, after)

    assert shift(now, before) == (0, 0)
    assert (x * 320, y * 180) == (pytest.approx(128, abs=8), pytest.approx(80, abs=8))
    assert sure > 0.8


def test_what_is_slow_is_seen_to_move_within_a_second() -> None:
    before, now, after = (sample(face(at, at)) for at in (199, 200, 201))
    far = [sample(face(at, at)) for at in (195, 205)]

    assert subject(before, now, after)[4] <= 0.3
    x, y, width, _, sure = subject(before, now, after, far)
    assert (x * 320, y * 180) == (pytest.approx(220, abs=6), pytest.approx(80, abs=6))
    assert width * 320 == pytest.approx(SIZE + 10, abs=20)  # with where it was
    assert 0.5 < sure <= 0.6
