"""A decoded frame's small gray picture and one colour sample per tile: a PyAV frame in, arrays out.

Planar 8-bit frames, which nearly all recordings have, are sampled at the middle of each small
pixel; that costs a fifth of what swscale takes, which makes the others. For sandboxed children.
"""

from typing import Any

import numpy as np
from av.video.reformatter import (  # noqa: TID253 - runs in a sandboxed child only
    Interpolation,
    VideoReformatter,
)
from numpy.typing import NDArray

from deployments.video.analysis.frame_signature import TILE, Picture

PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p")
FULL_RANGE = 2
BLACK, WHITE = 16, 235

Places = NDArray[np.intp]


class FrameDownscaler:
    """Call it with frames; they may change their size and kind midway."""

    def __init__(self, width: int, height: int) -> None:
        self._size, self._grid = (width, height), (width // TILE, height // TILE)
        self._gray, self._colours = VideoReformatter(), VideoReformatter()
        self._places: dict[tuple[int, int], Places] = {}

    def __call__(self, frame: Any) -> tuple[Picture, Picture]:
        """Brightness, 0 black to 255 white, shape (height, width), and the two colour differences,
        shape (2, height / 10, width / 10)."""
        if frame.format.name not in PLANAR:
            return self._by_swscale(frame)
        gray = self._sampled(frame.planes[0], self._size)
        if frame.color_range != FULL_RANGE and not frame.format.name.startswith("yuvj"):
            gray = _stretched(gray)
        colours = [self._sampled(frame.planes[number], self._grid) for number in (1, 2)]
        return gray, np.stack(colours)

    def _sampled(self, plane: Any, size: tuple[int, int]) -> Picture:
        width, height = size
        lines = _lines(plane)
        return np.asarray(lines[self._at(plane.height, height)][:, self._at(plane.width, width)])

    def _at(self, length: int, parts: int) -> Places:
        """The middle of each of `parts` equal parts of `length`."""
        places = self._places.get((length, parts))
        if places is None:
            places = ((2 * np.arange(parts) + 1) * length // (2 * parts)).astype(np.intp)
            self._places[length, parts] = places
        return places

    def _by_swscale(self, frame: Any) -> tuple[Picture, Picture]:
        how = Interpolation.FAST_BILINEAR
        gray = self._gray.reformat(frame, *self._size, "gray", interpolation=how)
        small = self._colours.reformat(frame, *self._grid, "yuv444p", interpolation=how)
        return _whole(gray.planes[0]), np.stack([_whole(plane) for plane in small.planes[1:]])


def _stretched(gray: Picture) -> Picture:
    """Studio range (16 to 235) to 0 to 255."""
    wide = np.clip(gray, BLACK, WHITE).astype(np.uint16)
    wide -= BLACK
    wide *= 149
    wide >>= 7
    return wide.astype(np.uint8)


def _lines(plane: Any) -> Picture:
    return np.frombuffer(plane, np.uint8)[: plane.height * plane.line_size].reshape(
        plane.height, plane.line_size
    )


def _whole(plane: Any) -> Picture:
    return np.ascontiguousarray(_lines(plane)[:, : plane.width])
