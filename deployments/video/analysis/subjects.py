"""Where the eye would follow: one box for a small picture, from the pictures around it.

In: gray pictures a fifth of a second and a second apart. Out: centre, size and confidence, as
shares of the picture. The camera's own movement is found by phase correlation (Kuglin and Hines,
1975) and taken out; what then still differs from the picture before and after is what moves by
itself: what is too slow to be seen in a fifth of a second is in a whole one. Where nothing moves,
what differs from its surroundings stands out a little. Knows nothing of time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deployments.video.analysis.frame_signature import Picture

BLOCK = 5  # pixels of the halved picture to a side of a cell
NOISE = 10  # differences up to this much are noise
LARGEST_SHIFT = 0.25  # of the picture; a larger one is no camera movement
OTHER_SHOT = 0.3  # of the picture differs beyond noise: the other picture is of another shot
LEAST_GAIN = 0.5  # mean per pixel of a cell that tells a better fit from noise
LEAST_MOVING = 2.5  # summed difference in a cell, mean per pixel, that counts as movement
SLOW_CONFIDENCE = 0.6
STILL_CONFIDENCE = 0.3
TOGETHER = 0.7  # of what stands out in a still picture lies in one place
ROUNDS = 6

Plane = NDArray[np.int16]
Cells = NDArray[np.float64]
Box = NDArray[np.float32]
NOTHING: Box = np.full(5, np.nan, np.float32)


class MotionSample(NamedTuple):
    """A picture at half its size, as numbers and as a spectrum."""

    plane: Plane
    spectrum: NDArray[np.complex64]


def sample(picture: Picture) -> MotionSample:
    rows, columns = (length // 2 // BLOCK * BLOCK for length in picture.shape)
    whole = picture[: rows * 2, : columns * 2].astype(np.int16)
    plane = (whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]) // 4
    centred = (plane - plane.mean(dtype=np.float64)) * _window(rows, columns)
    return MotionSample(plane, np.fft.rfft2(centred.astype(np.float32)).astype(np.complex64))


def _window(rows: int, columns: int) -> NDArray[np.float64]:
    return np.outer(np.hanning(rows + 2)[1:-1], np.hanning(columns + 2)[1:-1])


def subject(
    before: MotionSample | None,
    now: MotionSample,
    after: MotionSample | None,
    far: Sequence[MotionSample | None] = (),
) -> Box:
    """Centre x, y, width, height and confidence, shape (5,); NaN where nothing stands out.

    `before` and `after` are the samples beside `now`, `far` those about a second away.
    """
    for others, trust in (((before, after), 1.0), (far, SLOW_CONFIDENCE)):
        moving = sum((_moved(now, each) for each in others if each is not None), _none(now))
        if moving.max(initial=0.0) >= LEAST_MOVING:
            return _box(moving, trust)
    contrast = _contrast(now.plane)
    if contrast.max(initial=0.0) > 0:
        box = _box(contrast, STILL_CONFIDENCE)
        if box[4] >= STILL_CONFIDENCE * TOGETHER:
            return box
    return NOTHING.copy()


def shift(now: MotionSample, other: MotionSample) -> tuple[int, int]:
    """Rows and columns by which `now` lies lower and further right than `other`."""
    cross = now.spectrum * np.conj(other.spectrum)
    peak = np.fft.irfft2(cross / (np.abs(cross) + np.float32(1e-3)), s=now.plane.shape)
    place = np.unravel_index(int(peak.argmax()), peak.shape)
    down, right = (
        int(at) - (length if at > length // 2 else 0)
        for at, length in zip(place, now.plane.shape, strict=True)
    )
    rows, columns = now.plane.shape
    if abs(down) > LARGEST_SHIFT * rows or abs(right) > LARGEST_SHIFT * columns:
        return 0, 0
    return _better(now.plane, other.plane, (down, right))


def _better(now: Plane, other: Plane, found: tuple[int, int]) -> tuple[int, int]:
    """`found`, if it explains more of the picture better than standing still does: a shift that
    fits one place and spoils others is that of what moves there, not the camera's."""
    if found == (0, 0):
        return found
    still = _cells(np.abs(now - other))
    gain = still - _cells(np.abs(now - np.roll(other, found, (0, 1))))
    better, worse = (np.count_nonzero(side > LEAST_GAIN) for side in (gain, -gain))
    return found if better > worse and gain.mean() > 0 else (0, 0)


def _moved(now: MotionSample, other: MotionSample) -> Cells:
    """How much of each cell moved by itself between the two pictures."""
    down, right = shift(now, other)
    there = np.roll(other.plane, (down, right), (0, 1))
    low, high = _extreme(there, np.minimum), _extreme(there, np.maximum)
    outside = np.maximum(now.plane - high, low - now.plane)
    left = np.maximum(outside - NOISE, 0)
    _clear_edges(left, down, right)
    if np.count_nonzero(left) > OTHER_SHOT * left.size:
        return _none(now)
    return _cells(left)


def _clear_edges(plane: Plane, down: int, right: int) -> None:
    """What came into view is new, but did not move."""
    rows, columns = plane.shape
    plane[: max(down, 0) + 1] = 0
    plane[rows + min(down, 0) - 1 :] = 0
    plane[:, : max(right, 0) + 1] = 0
    plane[:, columns + min(right, 0) - 1 :] = 0


def _extreme(plane: Plane, extreme: np.ufunc) -> Plane:
    wide = plane.copy()
    extreme(wide[:, 1:], plane[:, :-1], out=wide[:, 1:])
    extreme(wide[:, :-1], plane[:, 1:], out=wide[:, :-1])
    tall = wide.copy()
    extreme(tall[1:], wide[:-1], out=tall[1:])
    extreme(tall[:-1], wide[1:], out=tall[:-1])
    return tall


def _cells(plane: NDArray[np.generic]) -> Cells:
    rows, columns = plane.shape
    blocks = plane.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    return blocks.mean(axis=(1, 3), dtype=np.float64)


def _none(now: MotionSample) -> Cells:
    rows, columns = now.plane.shape
    return np.zeros((rows // BLOCK, columns // BLOCK))


def _contrast(plane: Plane) -> Cells:
    """Cells far from the usual brightness, if they are few."""
    cells = _cells(plane)
    apart = np.abs(cells - np.median(cells))
    standing = np.where(apart > max(NOISE, 3 * float(np.median(apart))), apart, 0.0)
    return standing if np.count_nonzero(standing) <= 0.25 * standing.size else np.zeros_like(cells)


def _box(weight: Cells, trust: float) -> Box:
    """The mean shift from the strongest place to the middle of what is around it."""
    rows, columns = weight.shape
    y, x = np.mgrid[0.5:rows, 0.5:columns]
    smooth = _smoothed(weight)
    at_y, at_x = (float(i) + 0.5 for i in np.unravel_index(int(smooth.argmax()), weight.shape))
    reach = max(1.5, 0.25 * max(rows, columns))
    for _ in range(ROUNDS):
        near = weight * ((np.abs(y - at_y) <= reach) & (np.abs(x - at_x) <= reach))
        at_y, at_x = float((near * y).sum() / near.sum()), float((near * x).sum() / near.sum())
    spread_y = np.sqrt(12 * float((near * (y - at_y) ** 2).sum() / near.sum()) + 1)
    spread_x = np.sqrt(12 * float((near * (x - at_x) ** 2).sum() / near.sum()) + 1)
    sure = trust * float(near.sum() / weight.sum())
    size = min(1.0, spread_x / columns), min(1.0, spread_y / rows)
    return np.array([at_x / columns, at_y / rows, *size, sure], np.float32)


def _smoothed(weight: Cells) -> Cells:
    padded = np.pad(weight, 1)
    rows, columns = weight.shape
    return np.asarray(
        sum(padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3))
    )
