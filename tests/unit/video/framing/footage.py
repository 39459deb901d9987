"""Made-up sightings and recordings to frame, and where a framing has its crop at a moment."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from deployments.contracts.clips import Framing
from deployments.contracts.media import MediaInfo, VideoFeatures, VideoTrack

NONE = np.zeros(0)


def recording(width: int = 1920, height: int = 1080) -> MediaInfo:
    shape, stored = (width, height), (width, height)
    turned, pixels, rate = 0, Fraction(1), Fraction(30)
    track = VideoTrack(
        0, "h264", *shape, *stored, turned, pixels, rate, False, None, "yuv420p", 8, "sdr", False
    )
    return MediaInfo("mov", 60.0, 1, track)


def video_features(
    where: Callable[[float], float],
    *,
    size: float = 0.12,
    confidence: float | Callable[[float], float] = 0.9,
    cuts: Sequence[float] = (),
    duration: float = 60.0,
    axis: int = 0,
) -> VideoFeatures:
    """A subject of `size` whose centre along `axis` is `where(time)`; NaN: nothing stands out."""
    times = np.arange(0, duration, 0.2)
    rows = np.full((len(times), 5), 0.5)
    rows[:, axis] = [where(time) for time in times]
    rows[:, 2 + axis] = size
    sure = confidence if callable(confidence) else lambda _: confidence
    rows[:, 4] = [sure(time) for time in times]
    rows[np.isnan(rows[:, axis])] = np.nan
    values = NONE.astype(np.float32)
    return VideoFeatures(
        NONE, values, values, values, np.array(cuts), times, rows.astype(np.float32)
    )


def place(framing: Framing, time: float, axis: int = 0) -> float:
    """The crop's near edge at `time`."""
    at = [(key.x, key.y)[axis] for key in framing.keys]
    i = max(i for i, key in enumerate(framing.keys) if key.time <= time + 1e-12)
    if i + 1 == len(at) or framing.keys[i + 1].jump:
        return at[i]
    before, after = framing.keys[i], framing.keys[i + 1]
    return at[i] + (at[i + 1] - at[i]) * (time - before.time) / (after.time - before.time)


def inside(
    framing: Framing, where: Callable[[float], float], size: float, start: float, end: float
) -> float:
    """The share of frames, 30 a second, that hold the whole subject."""
    moments = np.arange(start, end, 1 / 30)
    near = np.array([where(moment) - size / 2 for moment in moments])
    crop = np.array([place(framing, moment) for moment in moments])
    held = (near >= crop - 1e-9) & (near + size <= crop + framing.width + 1e-9)
    return float(held.mean())
