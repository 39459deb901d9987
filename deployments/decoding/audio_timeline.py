"""Decoded sound on the source's timeline: a stream in, blocks of one rate and layout out.

Samples are placed by their time stamps: gaps become silence, overlaps are dropped. For sandboxed
children only.
"""

from collections.abc import Iterator
from typing import Any

import av  # noqa: TID253 - runs in a sandboxed child only
import numpy as np
from numpy.typing import NDArray

from deployments.decoding.frames import FrameDecoder, first_second

RATE = 16_000  # of speech recognition and of sound features
BLOCK_S = 2.0
MIN_RATE, MAX_RATE = 4_000, 192_000  # others are resampled
JITTER_S = 0.02  # time stamps may be off by this much
PAST_END_S = 60.0  # a header may be wrong by this much before times count as damaged

Block = NDArray[np.float32]  # channels, samples


class TimelineAudio:
    """Decoded sound on the source's timeline, without gaps, all of one rate and layout."""

    def __init__(self, container: Any, stream: Any, duration: float) -> None:
        self._decoder = FrameDecoder(container, stream)
        self._time_base, self._origin = float(stream.time_base), float(first_second(container))
        self._latest_s = duration + PAST_END_S
        self._resampler: Any = None
        self._count = 0
        self.start = 0.0
        self.rate = RATE
        self.channels: tuple[str, ...] = ()

    @property
    def errors(self) -> int:
        return self._decoder.errors

    def blocks(self) -> Iterator[Block]:
        """Of about BLOCK_S."""
        pending: list[Block] = []
        begin = 0
        for samples in self._frames_on_timeline():
            pending.append(samples)
            if self._count - begin >= BLOCK_S * self.rate:
                yield _finite(pending)
                pending, begin = [], self._count
        if pending:
            yield _finite(pending)

    def _frames_on_timeline(self) -> Iterator[Block]:
        for frame in self._decoder.frames():
            time = None if frame.pts is None else frame.pts * self._time_base - self._origin
            for resampled in self._resample(frame):
                yield from self._place(resampled.to_ndarray(), time)
                time = None

    def _resample(self, frame: Any) -> list[Any]:
        """The frame as planar floats, in the rate and layout of the first frame."""
        if self._resampler is None:
            self.rate = min(max(frame.sample_rate, MIN_RATE), MAX_RATE)
            self._layout = frame.layout
            self.channels = tuple(channel.name for channel in frame.layout.channels)
            self._resampler = self._new_resampler()
        frame.pts = None
        try:
            return list(self._resampler.resample(frame))
        except (av.FFmpegError, ValueError):  # another layout or rate from here on
            self._resampler = self._new_resampler()
        try:
            return list(self._resampler.resample(frame))
        except (av.FFmpegError, ValueError):
            self._decoder.errors += 1
            return []

    def _new_resampler(self) -> Any:
        return av.AudioResampler(format="fltp", layout=self._layout, rate=self.rate)

    def _place(self, samples: Block, time: float | None) -> Iterator[Block]:
        if time is not None and self._count == 0:
            self.start = time
        expected = self.start + self._count / self.rate
        delay = 0.0 if time is None or time > self._latest_s else time - expected
        if delay > JITTER_S:
            yield from self._silence(round(delay * self.rate), samples.shape[0])
        elif delay < -JITTER_S:
            samples = samples[:, min(samples.shape[1], round(-delay * self.rate)) :]
        self._count += samples.shape[1]
        yield samples

    def _silence(self, count: int, channels: int) -> Iterator[Block]:
        while count > 0:
            size = min(count, int(BLOCK_S * self.rate))
            self._count += size
            yield np.zeros((channels, size), np.float32)
            count -= size


def _finite(blocks: list[Block]) -> Block:
    """One block; NaN and infinity become silence."""
    return np.nan_to_num(np.concatenate(blocks, axis=1), posinf=0.0, neginf=0.0)
