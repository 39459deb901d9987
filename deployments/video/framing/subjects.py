"""Subject tracks: video features in, the subject's extent along the axis of the pan out.

In: `VideoFeatures.subjects` (centre, size, confidence; NaN if nothing stands out) of one shot. Out:
a `Track` of its known moments, without outliers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import Seconds, VideoFeatures

MIN_CONFIDENCE = 0.2  # below which a subject is unknown
MOVING_CONFIDENCE = 0.35  # above which it moves; below, something merely stands out
_MIN_MOVING_SHARE = 0.25  # of the known samples
_WINDOW = 5  # samples, about a second
_GAP_S = 1.0
Line = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """The subject's `near` and `far` edge (shares of the picture) at rising `times`; `known` is the
    share of the shot's samples with a known subject."""

    times: Line
    near: Line
    far: Line
    known: float

    def at(self, moments: Line) -> tuple[Line, Line]:
        """Both edges at `moments`; NaN more than a second from a known moment."""
        after = np.searchsorted(self.times, moments).clip(1, max(len(self.times) - 1, 1))
        edges = [np.interp(moments, self.times, edge) for edge in (self.near, self.far)]
        last = len(self.times) - 1
        left, right = self.times[after - 1], self.times[np.minimum(after, last)]
        inside = (moments >= left) & (moments <= right) & (right - left <= _GAP_S)
        is_near = np.minimum(np.abs(moments - left), np.abs(moments - right)) <= _GAP_S / 2
        is_unknown = ~(inside | is_near)
        return np.where(is_unknown, np.nan, edges[0]), np.where(is_unknown, np.nan, edges[1])


def track(
    video_features: VideoFeatures | None, start: Seconds, end: Seconds, axis: int
) -> Track | None:
    """The subject between `start` and `end` along `axis` (0: across, 1: down); None if it is
    unknown. A subject that moves often enough is also the subject while it rests."""
    if video_features is None:
        return None
    in_span = (video_features.subject_times >= start) & (video_features.subject_times < end)
    rows = video_features.subjects[in_span].astype(np.float64)
    is_known = np.isfinite(rows).all(axis=1) & (rows[:, 4] >= MIN_CONFIDENCE)
    if not is_known.any():
        return None
    is_moving = is_known & (rows[:, 4] > MOVING_CONFIDENCE)
    used = is_moving if is_moving.sum() >= _MIN_MOVING_SHARE * is_known.sum() else is_known
    centre, size = rows[used, axis], np.maximum(rows[used, 2 + axis], 0.0)
    return Track(
        video_features.subject_times[in_span][used],
        _running_median(np.clip(centre - size / 2, 0.0, 1.0)),
        _running_median(np.clip(centre + size / 2, 0.0, 1.0)),
        float(is_known.mean()),
    )


def _running_median(values: Line) -> Line:
    """A running median whose window shrinks towards both ends, so that a steady slope stays; the
    end values follow Tukey's end-point rule (1977)."""
    count = len(values)
    half_window = np.minimum(_WINDOW // 2, np.minimum(np.arange(count), np.arange(count)[::-1]))
    spans = zip(np.arange(count) - half_window, np.arange(count) + half_window + 1, strict=True)
    smooth = np.array([np.median(values[first:last]) for first, last in spans])
    if count >= _WINDOW:
        for end, near, after in ((0, 1, 2), (-1, -2, -3)):
            smooth[end] = np.median(
                [values[end], smooth[near], 3 * smooth[near] - 2 * smooth[after]]
            )
    return smooth
