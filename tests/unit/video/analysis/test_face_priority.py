"""Faces go before movements, also between the moments at which they are looked for."""

import numpy as np
import pytest

from deployments.video.analysis.merging import merge_faces_and_motion

TIMES = np.arange(0, 3, 0.2)
MOVING = np.full((TIMES.size, 5), 0.1, np.float32)


def faces(*found: tuple[int, float]) -> np.ndarray:
    """Faces at those samples, with that centre."""
    boxes = np.full((TIMES.size, 5), np.nan, np.float32)
    for number, x in found:
        boxes[number] = (x, 0.5, 0.2, 0.3, 0.9)
    return boxes


def test_between_two_finds_a_face_moves_in_a_straight_line() -> None:
    chosen = merge_faces_and_motion(TIMES, MOVING, faces((5, 0.4), (10, 0.6)), np.zeros(0))

    assert chosen[5:11, 0] == pytest.approx(np.linspace(0.4, 0.6, 6))
    assert (chosen[[4, 11]] == np.float32(0.1)).all()


def test_a_face_does_not_move_across_a_cut() -> None:
    chosen = merge_faces_and_motion(TIMES, MOVING, faces((5, 0.4), (10, 0.6)), np.array([1.5]))
    assert (chosen[6:10] == np.float32(0.1)).all()


def test_two_finds_far_apart_are_not_joined() -> None:
    chosen = merge_faces_and_motion(TIMES, MOVING, faces((0, 0.4), (10, 0.6)), np.zeros(0))
    assert (chosen[1:10] == np.float32(0.1)).all()


def test_without_faces_movements_are_followed() -> None:
    np.testing.assert_array_equal(
        merge_faces_and_motion(TIMES, MOVING, faces(), np.zeros(0)), MOVING
    )
