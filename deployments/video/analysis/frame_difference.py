"""How each frame differs from the few before it, measured as frames come.

In: tiles and small pictures, in order. Out: a row of distances for each frame, to the frame before
it and to those up to LAGS before that, which later tell a flash from a cut.
"""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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


class FrameDifferencer:
    """Knows the last LAGS frames. `row` k-1 is the distance to the frame k before; NaN: there is
    none."""

    def __init__(self, before: Sequence[Grid] = ()) -> None:
        self._ring: Tiles | None = None
        self._seen = 0
        for value in before:
            self._keep(with_neighbourhood(value))

    def push(self, value: Tiles) -> NDArray[np.float32]:
        """The row of a frame, shape (LAGS,)."""
        row = np.full(LAGS, np.nan, np.float32)
        known = min(self._seen, LAGS)
        if self._ring is not None and known:
            places = (self._seen - 1 - np.arange(known)) % LAGS
            row[:known] = tile_distance(value, self._ring)[places]
        self._keep(value)
        return row

    def _keep(self, value: Tiles) -> None:
        if self._ring is None:
            self._ring = Tiles(*(np.stack([part] * LAGS) for part in value))
        for held, part in zip(self._ring, value, strict=True):
            held[self._seen % LAGS] = part
        self._seen += 1


class FrameMeasures:
    """What is measured on every frame of one chunk; the first frames lack what lies before them,
    which merging fills in from `head` and the `tail` of the chunk before.
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
        seen = tiles(picture, colours)
        self.luma.append(brightness(seen.value))
        self.motion.append(0.0 if self.last is None else difference(picture, self.last))
        self._rows += self._changes.push(seen).tobytes()
        if len(self.head) < LAGS:
            self.head.append(seen.value)
        self.tail = [*self.tail[-(LAGS - 1) :], seen.value]
        self.first = picture if self.first is None else self.first
        self.last = picture

    def rows(self) -> NDArray[np.float32]:
        """Shape (n, LAGS)."""
        return np.frombuffer(bytes(self._rows), np.float32).reshape(-1, LAGS)
