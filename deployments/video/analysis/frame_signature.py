"""Small pictures of frames, and how unlike two of them are whatever moved or shook a little.

In: a decoded frame's small gray picture and its colours. Out: tiles, and distances between them.
Whole numbers throughout, so that the same two frames give the same bits wherever they are compared.
Knows nothing of decoders.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LONG, SHORT, TILE = 320, 180, 10
FULL = 24  # a tile this far off (of 255) has changed altogether
COLOUR = 2  # colour planes have about half the range of brightness

Picture = NDArray[np.uint8]
Grid = NDArray[np.int16]


class Tiles(NamedTuple):
    """Means of 10x10 pixels, and the least and most among each tile and its eight neighbours.

    All of shape (3, rows, columns): brightness and the two colour differences, 0 to 255.
    """

    value: Grid
    low: Grid
    high: Grid


def picture_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the small picture: multiples of 10 within 320x180 (or 180x320)."""
    scale = min(1.0, LONG / max(width, height), SHORT / min(width, height))
    return _tiled(width * scale), _tiled(height * scale)


def _tiled(length: float) -> int:
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
    return Tiles(value, _spread(value, np.minimum), _spread(value, np.maximum))


def _spread(value: Grid, extreme: np.ufunc) -> Grid:
    """The extreme of each tile's 3x3 neighbourhood, rows first, then columns."""
    wide = value.copy()
    extreme(wide[:, :, 1:], value[:, :, :-1], out=wide[:, :, 1:])
    extreme(wide[:, :, :-1], value[:, :, 1:], out=wide[:, :, :-1])
    tall = wide.copy()
    extreme(tall[:, 1:], wide[:, :-1], out=tall[:, 1:])
    extreme(tall[:, :-1], wide[:, 1:], out=tall[:, :-1])
    return tall


def tile_distance(one: Tiles, others: Tiles) -> NDArray[np.float32]:
    """How much of the picture changed between `one` and each of `others`, 0 to 1.

    A tile has changed as far as it lies outside what its neighbourhood in the other picture spans,
    so a camera that shakes and things that move by less than a tile count for little. `others`
    holds arrays of shape (n, 3, rows, columns); the result is of shape (n,).
    """
    there = _changed(one.value, others.low, others.high)
    back = _changed(others.value, one.low, one.high)
    full = FULL * one.value[0].size
    return (np.maximum(there, back) / np.float32(full)).astype(np.float32)


def _changed(value: Grid, low: Grid, high: Grid) -> NDArray[np.int64]:
    outside = np.maximum(value - high, low - value)
    np.maximum(outside, 0, out=outside)
    total = outside[:, 0] + COLOUR * (outside[:, 1] + outside[:, 2])
    np.minimum(total, FULL, out=total)
    return total.sum(axis=(1, 2), dtype=np.int64)


def brightness(value: Grid) -> float:
    """Mean brightness of tiles, 0 to 1."""
    return int(value[0].sum(dtype=np.int64)) / (255 * value[0].size)


def difference(one: Picture, other: Picture) -> float:
    """Mean absolute difference of two pictures, 0 to 1."""
    apart = np.maximum(one, other) - np.minimum(one, other)
    return int(apart.sum(dtype=np.uint32)) / (255 * apart.size)
