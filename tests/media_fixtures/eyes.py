"""Sees flashes, hears beeps and reads frame numbers in the recordings made here and clips of them.

Times are the container's own (edit lists applied), in seconds.
"""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.media_fixtures.recordings import BARS

_APART_S = 0.5


def pictures(path: Path) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """When each frame is shown, and its brightness as an array (frames, height, width)."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    luma = np.stack([frame.to_ndarray(format="gray") for frame in frames])
    return np.array([frame.time for frame in frames]), luma


def sound(path: Path) -> tuple[float, int, NDArray[np.float32]]:
    """When it starts, its rate, and samples of all channels, (channels, n)."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp")
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
    samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    return frames[0].time, frames[0].sample_rate, samples


def flashes(path: Path) -> list[float]:
    """When the middle of the picture turns white."""
    times, luma = pictures(path)
    _, height, width = luma.shape
    rows = slice(height * 9 // 20, height * 11 // 20 + 1)
    columns = slice(width * 9 // 20, width * 11 // 20 + 1)
    white = luma[:, rows, columns].mean(axis=(1, 2)) > 128
    began = white & ~np.concatenate([[False], white[:-1]])
    return [float(time) for time in times[began]]


def beeps(path: Path) -> list[float]:
    """When the sound sets in after a pause."""
    start, rate, samples = sound(path)
    level = np.abs(samples).max(axis=0)
    loud = np.flatnonzero(level > 0.25 * level.max()) if level.max() > 0.01 else np.array([], int)
    begins = [
        after
        for before, after in pairwise([-rate, *loud.tolist()])
        if after - before > _APART_S * rate
    ]
    return [start + begin / rate for begin in begins]


def offsets_ms(path: Path) -> list[float]:
    """How much later than its flash each beep begins. Flashes and beeps without a fellow within
    half a second do not count."""
    heard = beeps(path)
    return [
        1000 * (min(heard, key=lambda beep: abs(beep - flash)) - flash)
        for flash in flashes(path)
        if any(abs(beep - flash) < _APART_S for beep in heard)
    ]


def numbers(path: Path) -> list[int]:
    """The number written in each frame of a clip that shows the whole width."""
    _, luma = pictures(path)
    _, height, width = luma.shape
    row = height * 9 // 10
    bits = [luma[:, row, int((bit + 0.5) * width / BARS)] > 128 for bit in range(BARS)]
    return [
        sum(int(on) << bit for bit, on in enumerate(frame)) for frame in zip(*bits, strict=True)
    ]
