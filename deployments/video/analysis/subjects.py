"""The subject of a picture: one box, from the pictures around it.

In: gray pictures a fifth of a second and a second apart. Out: centre, size and confidence, as
shares of the picture. Camera movement is estimated by phase correlation (Kuglin and Hines, 1975)
and compensated; the remaining difference to the picture before and after is the subject's movement.
Slow movement shows in pictures a second apart. If nothing moves, what differs from its surroundings
is the subject, at a low confidence.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deployments.video.analysis.frame_signature import Picture, neighbourhood_extreme

BLOCK = 5  # pixels of the halved picture to a side of a cell
NOISE = 10  # differences up to this much are noise
LARGEST_SHIFT = 0.25  # of the picture; larger shifts are not camera movement
MAX_SHOT_CHANGE = 0.3  # of the picture; more is another shot
MIN_GAIN = 0.5  # mean per pixel of a cell that distinguishes a better fit from noise
MIN_MOVEMENT = 2.5  # mean difference per pixel of a cell
SLOW_CONFIDENCE = 0.6
STILL_CONFIDENCE = 0.3
MIN_CONCENTRATION = 0.7  # of the salience of a still picture, in one place
ROUNDS = 6

Plane = NDArray[np.int16]
Cells = NDArray[np.float64]
Box = NDArray[np.float32]
NOTHING: Box = np.full(5, np.nan, np.float32)


class MotionSample(NamedTuple):
    """A picture at half its size, and its spectrum."""

    plane: Plane
    spectrum: NDArray[np.complex64]


def sample(picture: Picture) -> MotionSample:
    rows, columns = (length // 2 // BLOCK * BLOCK for length in picture.shape)
    pixels = picture[: rows * 2, : columns * 2].astype(np.int16)
    plane = (pixels[::2, ::2] + pixels[1::2, ::2] + pixels[::2, 1::2] + pixels[1::2, 1::2]) // 4
    centred = (plane - plane.mean(dtype=np.float64)) * _window(rows, columns)
    return MotionSample(plane, np.fft.rfft2(centred.astype(np.float32)).astype(np.complex64))


def _window(rows: int, columns: int) -> NDArray[np.float64]:
    return np.outer(np.hanning(rows + 2)[1:-1], np.hanning(columns + 2)[1:-1])


def subject(
    before: MotionSample | None,
    now: MotionSample,
    after: MotionSample | None,
    distant: Sequence[MotionSample | None] = (),
) -> Box:
    """Centre x, y, width, height and confidence, shape (5,); NaN if nothing stands out.

    `before` and `after` are the samples beside `now`, `distant` those about a second away.
    """
    for others, confidence in (((before, after), 1.0), (distant, SLOW_CONFIDENCE)):
        movement = sum(
            (_movement(now, each) for each in others if each is not None), _empty_cells(now)
        )
        if movement.max(initial=0.0) >= MIN_MOVEMENT:
            return _box(movement, confidence)
    contrast = _contrast(now.plane)
    if contrast.max(initial=0.0) > 0:
        box = _box(contrast, STILL_CONFIDENCE)
        if box[4] >= STILL_CONFIDENCE * MIN_CONCENTRATION:
            return box
    return NOTHING.copy()


def shift(now: MotionSample, other: MotionSample) -> tuple[int, int]:
    """Rows and columns by which `now` is shifted down and right against `other`."""
    cross = now.spectrum * np.conj(other.spectrum)
    peak = np.fft.irfft2(cross / (np.abs(cross) + np.float32(1e-3)), s=now.plane.shape)
    peak_position = np.unravel_index(int(peak.argmax()), peak.shape)
    down, right = (
        int(position) - (length if position > length // 2 else 0)
        for position, length in zip(peak_position, now.plane.shape, strict=True)
    )
    rows, columns = now.plane.shape
    if abs(down) > LARGEST_SHIFT * rows or abs(right) > LARGEST_SHIFT * columns:
        return 0, 0
    return _confirm_shift(now.plane, other.plane, (down, right))


def _confirm_shift(now: Plane, other: Plane, candidate: tuple[int, int]) -> tuple[int, int]:
    """`candidate`, if it explains more of the picture better than standing still does: a shift that
    fits one place and spoils others is that of what moves there, not the camera's."""
    if candidate == (0, 0):
        return candidate
    still = _cells(np.abs(now - other))
    gain = still - _cells(np.abs(now - np.roll(other, candidate, (0, 1))))
    improved, worsened = (np.count_nonzero(side > MIN_GAIN) for side in (gain, -gain))
    return candidate if improved > worsened and gain.mean() > 0 else (0, 0)


def _movement(now: MotionSample, other: MotionSample) -> Cells:
    """How much of each cell moved between the two pictures, without the camera's movement."""
    down, right = shift(now, other)
    shifted = np.roll(other.plane, (down, right), (0, 1))
    low, high = (neighbourhood_extreme(shifted, each) for each in (np.minimum, np.maximum))
    outside = np.maximum(now.plane - high, low - now.plane)
    residual = np.maximum(outside - NOISE, 0)
    _clear_edges(residual, down, right)
    if np.count_nonzero(residual) > MAX_SHOT_CHANGE * residual.size:
        return _empty_cells(now)
    return _cells(residual)


def _clear_edges(plane: Plane, down: int, right: int) -> None:
    """Clears what came into view, which is new but did not move."""
    rows, columns = plane.shape
    plane[: max(down, 0) + 1] = 0
    plane[rows + min(down, 0) - 1 :] = 0
    plane[:, : max(right, 0) + 1] = 0
    plane[:, columns + min(right, 0) - 1 :] = 0


def _cells(plane: NDArray[np.generic]) -> Cells:
    rows, columns = plane.shape
    blocks = plane.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK)
    return blocks.mean(axis=(1, 3), dtype=np.float64)


def _empty_cells(now: MotionSample) -> Cells:
    rows, columns = now.plane.shape
    return np.zeros((rows // BLOCK, columns // BLOCK))


def _contrast(plane: Plane) -> Cells:
    """Cells far from the median brightness, if they are few."""
    cells = _cells(plane)
    distance = np.abs(cells - np.median(cells))
    salient = np.where(distance > max(NOISE, 3 * float(np.median(distance))), distance, 0.0)
    return salient if np.count_nonzero(salient) <= 0.25 * salient.size else np.zeros_like(cells)


def _box(weight: Cells, max_confidence: float) -> Box:
    """Mean shift from the strongest cell to the centre of its surroundings."""
    rows, columns = weight.shape
    y, x = np.mgrid[0.5:rows, 0.5:columns]
    smooth = _smooth(weight)
    centre_y, centre_x = (
        float(i) + 0.5 for i in np.unravel_index(int(smooth.argmax()), weight.shape)
    )
    reach = max(1.5, 0.25 * max(rows, columns))
    for _ in range(ROUNDS):
        near = weight * ((np.abs(y - centre_y) <= reach) & (np.abs(x - centre_x) <= reach))
        centre_y, centre_x = (
            float((near * y).sum() / near.sum()),
            float((near * x).sum() / near.sum()),
        )
    spread_y = np.sqrt(12 * float((near * (y - centre_y) ** 2).sum() / near.sum()) + 1)
    spread_x = np.sqrt(12 * float((near * (x - centre_x) ** 2).sum() / near.sum()) + 1)
    confidence = max_confidence * float(near.sum() / weight.sum())
    size = min(1.0, spread_x / columns), min(1.0, spread_y / rows)
    return np.array([centre_x / columns, centre_y / rows, *size, confidence], np.float32)


def _smooth(weight: Cells) -> Cells:
    padded = np.pad(weight, 1)
    rows, columns = weight.shape
    return np.asarray(
        sum(padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3))
    )
