"""Downscales a frame: a PyAV frame in, a small gray picture and one colour sample per tile out.

Planar 8-bit frames, which nearly all recordings have, are sampled at the middle of each small
pixel, at a fifth of the cost of swscale, which scales the others. For sandboxed children.
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

Indices = NDArray[np.intp]


class FrameDownscaler:
    """Call it with frames; they may change their size and kind midway."""

    def __init__(self, width: int, height: int) -> None:
        self._size, self._grid = (width, height), (width // TILE, height // TILE)
        self._gray, self._colours = VideoReformatter(), VideoReformatter()
        self._index_cache: dict[tuple[int, int], Indices] = {}

    def __call__(self, frame: Any) -> tuple[Picture, Picture]:
        """Brightness, 0 black to 255 white, shape (height, width), and the two colour differences,
        shape (2, height / 10, width / 10)."""
        if frame.format.name not in PLANAR:
            return self._by_swscale(frame)
        gray = self._sample(frame.planes[0], self._size)
        if frame.color_range != FULL_RANGE and not frame.format.name.startswith("yuvj"):
            gray = _expand_range(gray)
        colours = [self._sample(frame.planes[number], self._grid) for number in (1, 2)]
        return gray, np.stack(colours)

    def _sample(self, plane: Any, size: tuple[int, int]) -> Picture:
        width, height = size
        lines = _lines(plane)
        return np.asarray(
            lines[self._indices(plane.height, height)][:, self._indices(plane.width, width)]
        )

    def _indices(self, length: int, parts: int) -> Indices:
        """The middle of each of `parts` equal parts of `length`."""
        indices = self._index_cache.get((length, parts))
        if indices is None:
            indices = ((2 * np.arange(parts) + 1) * length // (2 * parts)).astype(np.intp)
            self._index_cache[length, parts] = indices
        return indices

    def _by_swscale(self, frame: Any) -> tuple[Picture, Picture]:
        interpolation = Interpolation.FAST_BILINEAR
        gray = self._gray.reformat(frame, *self._size, "gray", interpolation=interpolation)
        small = self._colours.reformat(frame, *self._grid, "yuv444p", interpolation=interpolation)
        return _visible(gray.planes[0]), np.stack([_visible(plane) for plane in small.planes[1:]])


def _expand_range(gray: Picture) -> Picture:
    """Studio range (16 to 235) to 0 to 255."""
    expanded = np.clip(gray, BLACK, WHITE).astype(np.uint16)
    expanded -= BLACK
    expanded *= 149
    expanded >>= 7
    return expanded.astype(np.uint8)


def _lines(plane: Any) -> Picture:
    return np.frombuffer(plane, np.uint8)[: plane.height * plane.line_size].reshape(
        plane.height, plane.line_size
    )


def _visible(plane: Any) -> Picture:
    return np.ascontiguousarray(_lines(plane)[:, : plane.width])
