"""Decoded sound on the source's timeline: one stream in, blocks of even samples out.

Samples are placed by their time stamps: gaps become silence, and what overlaps is heard once. For
sandboxed children only.
"""

from collections.abc import Iterator
from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only
import numpy as np
from numpy.typing import NDArray

from deployments.video.analysis.audio_features import RATE
from deployments.video.analysis.decoding import FrameDecoder, first_second

BLOCK_S = 2.0
LEAST_RATE, MOST_RATE = 4_000, 192_000  # others are resampled
JITTER_S = 0.02  # time stamps may be off by this much
PAST_END_S = 60.0  # a header may be wrong by this much before times count as damaged

Block = NDArray[np.float32]  # channels, samples


class TimelineAudio:
    """Decoded sound on the source's timeline, without gaps, all of one rate and layout."""

    def __init__(self, container: Any, stream: Any, duration: float) -> None:
        self._decoding = FrameDecoder(container, stream)
        self._base, self._origin = float(stream.time_base), float(first_second(container))
        self._last = duration + PAST_END_S
        self._even: Any = None
        self._count = 0
        self.start = 0.0
        self.rate = RATE
        self.channels: tuple[str, ...] = ()

    @property
    def errors(self) -> int:
        return self._decoding.errors

    def blocks(self) -> Iterator[Block]:
        """Of about BLOCK_S."""
        waiting: list[Block] = []
        begun = 0
        for piece in self._pieces():
            waiting.append(piece)
            if self._count - begun >= BLOCK_S * self.rate:
                yield _finite(waiting)
                waiting, begun = [], self._count
        if waiting:
            yield _finite(waiting)

    def _pieces(self) -> Iterator[Block]:
        for frame in self._decoding.frames():
            time = None if frame.pts is None else frame.pts * self._base - self._origin
            for even in self._evened(frame):
                yield from self._in_place(even.to_ndarray(), time)
                time = None

    def _evened(self, frame: Any) -> list[Any]:
        """The frame as planar floats, in the rate and layout that the first one has."""
        if self._even is None:
            self.rate = min(max(frame.sample_rate, LEAST_RATE), MOST_RATE)
            self._layout = frame.layout
            self.channels = tuple(channel.name for channel in frame.layout.channels)
            self._even = self._resampler()
        frame.pts = None
        try:
            return list(self._even.resample(frame))
        except (av.FFmpegError, ValueError):  # another layout or rate from here on
            self._even = self._resampler()
        try:
            return list(self._even.resample(frame))
        except (av.FFmpegError, ValueError):
            self._decoding.errors += 1
            return []

    def _resampler(self) -> Any:
        return av.AudioResampler(format="fltp", layout=self._layout, rate=self.rate)

    def _in_place(self, samples: Block, time: float | None) -> Iterator[Block]:
        if time is not None and self._count == 0:
            self.start = time
        due = self.start + self._count / self.rate
        late = 0.0 if time is None or time > self._last else time - due
        if late > JITTER_S:
            yield from self._silence(round(late * self.rate), samples.shape[0])
        elif late < -JITTER_S:
            samples = samples[:, min(samples.shape[1], round(-late * self.rate)) :]
        self._count += samples.shape[1]
        yield samples

    def _silence(self, count: int, channels: int) -> Iterator[Block]:
        while count > 0:
            size = min(count, int(BLOCK_S * self.rate))
            self._count += size
            yield np.zeros((channels, size), np.float32)
            count -= size


def _finite(pieces: list[Block]) -> Block:
    """One block; what is no number is silent."""
    return np.nan_to_num(np.concatenate(pieces, axis=1), posinf=0.0, neginf=0.0)
