"""Cuts are found to the frame; flashes, fades, dissolves, shakes, pans and movers are none."""

from collections.abc import Callable

import numpy as np
import pytest

from deployments.video.analysis.frame_difference import FrameDifferencer, detect_cuts
from deployments.video.analysis.frame_signature import Picture, tiles

GRAY = np.full((2, 18, 32), 128, np.uint8)
Film = list[Picture]


def scene(seed: int) -> Picture:
    blocks = np.random.default_rng(seed).integers(20, 235, (20, 30))
    return np.kron(blocks, np.ones((20, 20))).astype(np.uint8)


def still(seed: int, count: int = 30) -> Film:
    return [scene(seed)[100:280, 100:420]] * count


def found(film: Film) -> list[int]:
    noise = np.random.default_rng(0).normal(0, 4, (5, 180, 320))
    changes = FrameDifferencer()
    rows = [
        changes.push(tiles(np.clip(picture + noise[i % 5], 0, 255).astype(np.uint8), GRAY))
        for i, picture in enumerate(film)
    ]
    return detect_cuts(np.array(rows, np.float32)).tolist()


def mixed(one: Picture, other: Picture, share: float) -> Picture:
    return (one * (1 - share) + other * share).astype(np.uint8)


def flash(frames: int) -> Film:
    film = still(1, 60)
    for at in range(30, 30 + frames):
        film[at] = mixed(film[at], np.full_like(film[at], 255), 0.9)
    return film


def dissolve(frames: int) -> Film:
    one, other = still(1)[0], still(2)[0]
    return still(1) + [mixed(one, other, (i + 1) / frames) for i in range(frames)] + still(2)


def fade() -> Film:
    one, black = still(1)[0], np.zeros((180, 320), np.uint8)
    down = [mixed(one, black, (i + 1) / 12) for i in range(12)]
    up = [mixed(black, still(2)[0], (i + 1) / 12) for i in range(12)]
    return still(1) + down + [black] * 5 + up + still(2)


def shake() -> Film:
    moves = np.random.default_rng(3).integers(-9, 10, (60, 2))
    return [scene(1)[100 + y : 280 + y, 100 + x : 420 + x] for y, x in moves]


def pan(begins: int = 0) -> Film:
    return [
        scene(1)[100:280, 20 + 8 * max(0, i - begins) : 340 + 8 * max(0, i - begins)]
        for i in range(begins + 30)
    ]


def mover() -> Film:
    film = []
    for i in range(60):
        picture = still(1)[0].copy()
        picture[60:120, 4 * i : 4 * i + 60] = 255
        film.append(picture)
    return film


def test_every_cut_is_found_at_its_first_frame() -> None:
    film = still(1) + still(2) + shake() + still(4, 15) + still(5)
    assert found(film) == [30, 60, 120, 135]


def test_a_cut_within_dark_pictures_is_found() -> None:
    assert found([(p * 0.3).astype(np.uint8) for p in still(1) + still(2)]) == [30]


def test_a_cut_during_a_pan_is_found() -> None:
    assert found(pan() + still(7)) == [30]


@pytest.mark.parametrize(
    "film",
    [
        pytest.param(lambda: still(1, 60), id="noise"),
        pytest.param(lambda: flash(1), id="flash of one frame"),
        pytest.param(lambda: flash(5), id="flash of five frames"),
        pytest.param(lambda: flash(1)[30:], id="flash at the very beginning"),
        pytest.param(lambda: dissolve(15), id="dissolve"),
        pytest.param(fade, id="fade through black"),
        pytest.param(shake, id="camera shake"),
        pytest.param(pan, id="pan"),
        pytest.param(lambda: pan(20), id="a pan sets in"),
        pytest.param(mover, id="something moves"),
        pytest.param(lambda: still(1, 1), id="one frame"),
    ],
)
def test_what_only_looks_like_a_cut_is_none(film: Callable[[], Film]) -> None:
    assert found(film()) == []


def test_no_frame_has_no_cut() -> None:
    assert detect_cuts(np.zeros((0, 8), np.float32)).tolist() == []
