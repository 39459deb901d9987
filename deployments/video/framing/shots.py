"""Frames one shot: its subject in, the positions of the crop out.

If one position of the crop contains the subject throughout, the crop stands there. Otherwise it
follows: it may lag behind the subject's centre by a dead zone, moves at most at `TOP_SPEED`, and
starts early enough to contain it. A close-up, whose subject is a little wider than the crop, is cut
equally on both sides. A shot whose subject the crop cannot contain is better shown whole (`lost`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.contracts.media import Seconds
from deployments.video.framing.crop_path import crop_corridor, simplify, smooth_corners, taut_string
from deployments.video.framing.subjects import Track

TOP_SPEED = 0.4  # widths (or heights) of the source picture in a second
_STEP_S = 0.1
_ROUNDED_STEPS = 9
_TOLERANCE = 0.005
_DEAD_ZONE = 0.1  # of the crop, to either side
_MARGIN = 0.05  # of the crop, between the subject and its edges, if possible
_OUTLIER_SHARE = 0.01  # of the moments, at either end
_MIN_HELD = 0.75  # of the moments in which the crop contains the subject
_MIN_KNOWN = 0.5  # of the samples
_CLOSE_UP = (0.8, 1.5)  # widths of the crop
_OFF_CENTRE = 0.15  # of the crop, between the middles of a close-up and the crop
_LAST_S = 0.001  # between the last position of a shot and the cut
Line = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shot:
    """From `start` to `end`, the crop's near edge is at `places` (time, share of the picture),
    moving in straight lines. `lost`: the crop shows too little of the subject."""

    start: Seconds
    end: Seconds
    places: tuple[tuple[Seconds, float], ...]
    lost: bool


def frame_shot(subject: Track | None, start: Seconds, end: Seconds, share: float) -> Shot:
    """Frames one shot with a crop of `share` of the picture."""
    if subject is None:
        return Shot(start, end, ((start, (1 - share) / 2),), lost=True)
    times = _sample_times(start, end)
    near, far = subject.at(times)
    steady = _steady_position(near, far, share)
    if steady is not None:
        path = np.full(len(times), steady)
        return Shot(start, end, ((start, steady),), _is_lost(subject, near, far, path, share))
    path = _follow_path(near, far, share, times[1] - times[0])
    knots = simplify(path, _TOLERANCE)
    places = tuple((float(times[i]), float(path[i])) for i in knots)
    if np.ptp(path) <= _TOLERANCE:
        places = ((start, float(np.median(path))),)
    return Shot(start, end, places, _is_lost(subject, near, far, path, share))


def _sample_times(start: Seconds, end: Seconds) -> Line:
    last = max(end - _LAST_S, start + (end - start) / 2)
    return np.linspace(start, last, max(2, round((last - start) / _STEP_S) + 1))


def _steady_position(near: Line, far: Line, share: float) -> float | None:
    """The position that contains the subject throughout (the middle of one wider than the crop),
    closest to centring it; None: there is none."""
    near, far = near[np.isfinite(near)], far[np.isfinite(far)]
    if not len(near):
        return (1 - share) / 2
    margin, middle = (share - (far - near)) / 2, (near + far - share) / 2
    tolerance = np.where(
        margin < 0, _allowed_lag(margin, share), margin - np.clip(margin, 0.0, _MARGIN * share)
    )
    off_centre = np.where(_is_close_up(near, far, share), _OFF_CENTRE * share, 0.0)
    tolerance = np.maximum(tolerance, off_centre)
    low = float(np.quantile(middle - tolerance, 1 - _OUTLIER_SHARE))
    high = float(np.quantile(middle + tolerance, _OUTLIER_SHARE))
    low, high = max(low, 0.0), min(high, 1 - share)
    if low > high + 1e-9:
        return None
    return float(np.clip(np.median(near + far) / 2 - share / 2, min(low, high), high))


def _follow_path(near: Line, far: Line, share: float, step: Seconds) -> Line:
    """The crop's near edge at each moment, within the picture and no faster than `TOP_SPEED`."""
    margin = (share - (far - near)) / 2
    tolerance = np.clip(margin - _MARGIN * share, np.minimum(np.maximum(margin, 0), 0.01), share)
    tolerance = np.where(
        margin < 0, _allowed_lag(margin, share), np.minimum(tolerance, _DEAD_ZONE * share)
    )
    middle = (near + far - share) / 2
    known = np.isfinite(middle)
    low = np.where(known, np.clip(middle - tolerance, 0, 1 - share), 0.0)
    high = np.where(known, np.clip(middle + tolerance, 0, 1 - share), 1 - share)
    low, high = crop_corridor(low, high, TOP_SPEED * step)
    path = taut_string(low, high, float(np.median(middle[known])))
    return np.clip(smooth_corners(path, _ROUNDED_STEPS), 0.0, 1 - share)


def _allowed_lag(margin: Line, share: float) -> Line:
    """How far the crop may lag behind the middle of a subject that is wider than itself."""
    return np.minimum(-margin, _DEAD_ZONE * share)


def _is_lost(subject: Track, near: Line, far: Line, path: Line, share: float) -> bool:
    known = np.isfinite(near)
    if subject.known < _MIN_KNOWN or not known.any():
        return True
    inside = (near >= path - _TOLERANCE) & (far <= path + share + _TOLERANCE)
    centred = np.abs(path - np.clip((near + far - share) / 2, 0.0, 1 - share))
    inside |= _is_close_up(near, far, share) & (centred <= _OFF_CENTRE * share + _TOLERANCE)
    return float(inside[known].mean()) < _MIN_HELD


def _is_close_up(near: Line, far: Line, share: float) -> NDArray[np.bool_]:
    least, most = _CLOSE_UP
    return (far - near >= least * share) & (far - near <= most * share)
