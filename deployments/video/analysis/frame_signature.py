"""Signatures of frames, and their distance, which tolerates small movements and camera shake.

In: a frame's small gray picture and its colours. Out: tiles, and distances between them. Integer
arithmetic throughout, so that two frames give the same bits in every process.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LONG, SHORT, TILE = 320, 180, 10
FULL_CHANGE = 24  # of 255: a tile with this difference has changed completely
COLOUR_WEIGHT = 2  # colour planes have about half the range of luma

Picture = NDArray[np.uint8]
Grid = NDArray[np.int16]


class Tiles(NamedTuple):
    """Means of 10x10 pixels, and the minimum and maximum of each tile and its eight neighbours.

    All of shape (3, rows, columns): brightness and the two colour differences, 0 to 255.
    """

    value: Grid
    low: Grid
    high: Grid


def picture_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the small picture: multiples of 10 within 320x180 (or 180x320)."""
    scale = min(1.0, LONG / max(width, height), SHORT / min(width, height))
    return _multiple_of_tile(width * scale), _multiple_of_tile(height * scale)


def _multiple_of_tile(length: float) -> int:
    return max(2 * TILE, round(length / TILE) * TILE)


def apply_rotation(picture: Picture, rotation: int) -> Picture:
    """`picture` turned clockwise by `rotation` degrees (0, 90, 180, 270)."""
    return np.rot90(picture, k=-(rotation // 90))


def tiles(picture: Picture, colours: Picture) -> Tiles:
    """`colours` is of shape (2, rows, columns): one sample for each tile of `picture`."""
    rows, columns = picture.shape[0] // TILE, picture.shape[1] // TILE
    lines = picture.reshape(rows, TILE, -1).sum(axis=1, dtype=np.uint16)
    sums = lines.reshape(rows, columns, TILE).sum(axis=2, dtype=np.uint16)
    value = np.empty((3, rows, columns), np.int16)
    value[0] = sums // (TILE * TILE)
    value[1:] = colours
    return with_neighbourhood(value)


def with_neighbourhood(value: Grid) -> Tiles:
    low, high = (neighbourhood_extreme(value, each) for each in (np.minimum, np.maximum))
    return Tiles(value, low, high)


def neighbourhood_extreme(values: Grid, extreme: np.ufunc) -> Grid:
    """The extreme of each value's 3x3 neighbourhood, of shape (..., rows, columns)."""
    horizontal = values.copy()
    extreme(horizontal[..., 1:], values[..., :-1], out=horizontal[..., 1:])
    extreme(horizontal[..., :-1], values[..., 1:], out=horizontal[..., :-1])
    both = horizontal.copy()
    extreme(both[..., 1:, :], horizontal[..., :-1, :], out=both[..., 1:, :])
    extreme(both[..., :-1, :], horizontal[..., 1:, :], out=both[..., :-1, :])
    return both


def tile_distance(one: Tiles, others: Tiles) -> NDArray[np.float32]:
    """The share of the picture that changed between `one` and each of `others`, 0 to 1.

    A tile has changed by as much as it lies outside the range of its neighbourhood in the other
    picture, so camera shake and movements of less than a tile count little. `others` holds arrays
    of shape (n, 3, rows, columns); the result is of shape (n,).
    """
    forward = _changed_tiles(one.value, others.low, others.high)
    backward = _changed_tiles(others.value, one.low, one.high)
    full_change = FULL_CHANGE * one.value[0].size
    return (np.maximum(forward, backward) / np.float32(full_change)).astype(np.float32)


def _changed_tiles(value: Grid, low: Grid, high: Grid) -> NDArray[np.int64]:
    outside = np.maximum(value - high, low - value)
    np.maximum(outside, 0, out=outside)
    total = outside[:, 0] + COLOUR_WEIGHT * (outside[:, 1] + outside[:, 2])
    np.minimum(total, FULL_CHANGE, out=total)
    return total.sum(axis=(1, 2), dtype=np.int64)


def brightness(value: Grid) -> float:
    """Mean brightness of tiles, 0 to 1."""
    return int(value[0].sum(dtype=np.int64)) / (255 * value[0].size)


def difference(one: Picture, other: Picture) -> float:
    """Mean absolute difference of two pictures, 0 to 1."""
    apart = np.maximum(one, other) - np.minimum(one, other)
    return int(apart.sum(dtype=np.uint32)) / (255 * apart.size)
