"""Frame differences and shot cuts: tiles and small pictures in order in, cuts out.

Each frame gets a row of distances to the LAGS frames before it. A cut is a frame that differs from
the one before much more than its neighbours do (so neither movement nor a fade), in a picture that
does not return within a few frames (so not a flash).
"""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import Values
from deployments.video.analysis.frame_signature import (
    Grid,
    Picture,
    Tiles,
    brightness,
    difference,
    tile_distance,
    tiles,
    with_neighbourhood,
)

LAGS = 8


MIN_CHANGE = 0.18  # of the picture
MIN_RATIO = 3.0
MIN_MARGIN = 0.1
NEIGHBOURS = 8
FLASH_RETURN = 0.4  # of the change at a flash that remains after it
MIN_KEYFRAME_CHANGE = 0.3
Rows = NDArray[np.float32]


class FrameDifferencer:
    """Holds the last LAGS frames. Entry k-1 of a row is the distance to the frame k before it; NaN:
    there is none."""

    def __init__(self, before: Sequence[Grid] = ()) -> None:
        self._ring: Tiles | None = None
        self._count = 0
        for value in before:
            self._append(with_neighbourhood(value))

    def push(self, value: Tiles) -> NDArray[np.float32]:
        """The row of a frame, shape (LAGS,)."""
        row = np.full(LAGS, np.nan, np.float32)
        available = min(self._count, LAGS)
        if self._ring is not None and available:
            slots = (self._count - 1 - np.arange(available)) % LAGS
            row[:available] = tile_distance(value, self._ring)[slots]
        self._append(value)
        return row

    def _append(self, value: Tiles) -> None:
        if self._ring is None:
            self._ring = Tiles(*(np.stack([part] * LAGS) for part in value))
        for stored, part in zip(self._ring, value, strict=True):
            stored[self._count % LAGS] = part
        self._count += 1


class FrameMeasures:
    """The measures of every frame of one chunk; the first frames lack their predecessors, which
    merging takes from the `tail` of the chunk before and compares with `head`.
    """

    def __init__(self) -> None:
        self.luma, self.motion = array("f"), array("f")
        self.head: list[Grid] = []
        self.tail: list[Grid] = []
        self.first: Picture | None = None
        self.last: Picture | None = None
        self._rows = bytearray()
        self._changes = FrameDifferencer()

    def push(self, picture: Picture, colours: Picture) -> None:
        signature = tiles(picture, colours)
        self.luma.append(brightness(signature.value))
        self.motion.append(0.0 if self.last is None else difference(picture, self.last))
        self._rows += self._changes.push(signature).tobytes()
        if len(self.head) < LAGS:
            self.head.append(signature.value)
        self.tail = [*self.tail[-(LAGS - 1) :], signature.value]
        self.first = picture if self.first is None else self.first
        self.last = picture

    def rows(self) -> NDArray[np.float32]:
        """Shape (n, LAGS)."""
        return np.frombuffer(bytes(self._rows), np.float32).reshape(-1, LAGS)


def detect_cuts(rows: Rows) -> NDArray[np.int64]:
    """Numbers of the frames that begin a new shot. `rows` is of shape (n, lags): the distance of
    each frame to the 1st, 2nd ... before it, NaN if there is none. The first frames are never cuts,
    because there a flash could not be recognised."""
    change = np.nan_to_num(rows[:, 0])
    candidates = np.flatnonzero(change >= MIN_CHANGE)
    cuts = [
        int(index)
        for index in candidates
        if index >= rows.shape[1]
        and _stands_out(change, int(index))
        and not _is_flash(rows, int(index))
    ]
    return np.array(cuts, np.int64)


def cuts_of_keyframes(rows: Rows) -> NDArray[np.int64]:
    """For decoded keyframes only: those that differ from the keyframe before."""
    return np.flatnonzero(np.nan_to_num(rows[:, 0]) >= MIN_KEYFRAME_CHANGE)


def _stands_out(change: Values, index: int) -> bool:
    """Tolerates three cuts or flashes among sixteen neighbours."""
    neighbourhood = change[max(0, index - NEIGHBOURS) : index + NEIGHBOURS + 1]
    others = np.delete(neighbourhood, min(index, NEIGHBOURS))
    typical = float(np.percentile(others, 80)) if others.size else 0.0
    return float(change[index]) >= MIN_RATIO * typical + MIN_MARGIN


def _is_flash(rows: Rows, index: int) -> bool:
    """Whether the frame before `index` returns soon (a flash begins), or `index` resembles a frame
    shortly before it (a flash ends)."""
    lags = rows.shape[1]
    later_distances = [
        rows[index + lag - 1, lag - 1] for lag in range(2, lags + 1) if index + lag - 1 < len(rows)
    ]
    distances = np.array([*later_distances, *rows[index, 1:]], np.float32)
    measured = distances[~np.isnan(distances)]
    return bool(measured.size) and float(measured.min()) < FLASH_RETURN * float(rows[index, 0])
