"""How unlike two pictures are: cuts far, shakes and movers near, whatever the recording's shape."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.video.analysis.frame_signature import (
    Picture,
    Tiles,
    apply_rotation,
    difference,
    picture_size,
    tile_distance,
    tiles,
)

GRAY = np.full((2, 18, 32), 128, np.uint8)


def scene(seed: int) -> Picture:
    blocks = np.random.default_rng(seed).integers(0, 255, (16, 24))
    return np.kron(blocks, np.ones((20, 20))).astype(np.uint8)


def view(picture: Picture, down: int = 0, right: int = 0) -> Tiles:
    return tiles(picture[40 + down : 220 + down, 40 + right : 360 + right], GRAY)


def apart(one: Tiles, other: Tiles) -> float:
    return float(tile_distance(one, Tiles(*(part[None] for part in other)))[0])


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((1920, 1080), (320, 180)),
        ((1080, 1920), (180, 320)),
        ((640, 480), (240, 180)),
        ((160, 90), (160, 90)),
        ((2, 2), (20, 20)),
        ((7680, 100), (320, 20)),
    ],
)
def test_small_pictures_keep_the_shape_and_are_never_larger(
    size: tuple[int, int], small: tuple[int, int]
) -> None:
    assert picture_size(*size) == small


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_small_pictures_are_made_of_whole_tiles(width: int, height: int) -> None:
    across, down = picture_size(width, height)
    assert across % 10 == down % 10 == 0
    assert 20 <= min(across, down) <= 180
    assert max(across, down) <= 320


def test_another_scene_is_far_and_a_shaken_camera_near() -> None:
    here = view(scene(1))

    far = apart(here, view(scene(2)))
    assert far > 0.3
    assert apart(here, view(scene(1), 8, -9)) < far / 3
    assert apart(here, here) == 0


def test_the_same_brightness_in_another_colour_is_far() -> None:
    gray = np.full((180, 320), 100, np.uint8)
    assert apart(tiles(gray, GRAY), tiles(gray, GRAY + np.uint8(20))) == 1


def test_distance_is_the_same_both_ways() -> None:
    one, other = view(scene(1)), view(scene(2))
    assert apart(one, other) == apart(other, one)


def test_difference_is_a_share_of_full_brightness() -> None:
    black, white = np.zeros((20, 20), np.uint8), np.full((20, 20), 255, np.uint8)
    assert difference(black, white) == 1
    assert difference(white, white) == 0


@pytest.mark.parametrize(
    ("rotation", "corner"), [(0, (0, 0)), (90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))]
)
def test_pictures_are_turned_clockwise(rotation: int, corner: tuple[int, int]) -> None:
    stored: NDArray[np.uint8] = np.zeros((20, 30), np.uint8)
    stored[0, 0] = 255
    assert apply_rotation(stored, rotation)[corner] == 255
