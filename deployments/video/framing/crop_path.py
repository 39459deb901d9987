"""Crop paths: a corridor that contains the crop in, the calmest path through it out.

One axis, one shot, evenly spaced moments. The taut string is the shortest path through a corridor
and of all paths has the lowest top speed (Davies and Kovac, Annals of Statistics 29, 2001): it
stands still wherever possible, and starts a pan early because it knows what follows. A Hann kernel
then rounds its corners, which bounds the acceleration.
"""

import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.float64]
_LOOKAHEAD = 4  # steps
_MIN_STILL_STEPS = 8


def crop_corridor(low: Line, high: Line, rise: float) -> tuple[Line, Line]:
    """The part of the corridor that can be reached at no more than `rise` per step; where there is
    none, the path of a pursuer. Both edges keep to `rise` themselves."""
    floor, ceiling = _lipschitz_envelope(low, rise), -_lipschitz_envelope(-high, rise)
    chased = np.median([_chase(low, high, rise), floor, ceiling], axis=0)
    return np.minimum(floor, chased), np.maximum(ceiling, chased)


def taut_string(low: Line, high: Line, preferred: float) -> Line:
    """The shortest path with low <= path <= high; it stands at `preferred` if it need not move."""
    top, bottom = np.minimum.accumulate(high), np.maximum.accumulate(low)
    closed = np.flatnonzero(bottom > top)
    if not len(closed):
        return np.full(len(low), float(np.clip(preferred, bottom[-1], top[-1])))
    first = int(closed[0])
    value = float(top[first - 1] if low[first] > top[first - 1] else bottom[first - 1])
    knots, index = [(0, value)], 0
    while index < len(low) - 1:
        index, value = _bend(low, high, index, value)
        knots.append((index, value))
    return np.interp(np.arange(len(low)), *np.array(knots).T)


def smooth_corners(path: Line, steps: int) -> Line:
    """`path` without sharp turns, averaged over `steps` moments; no steeper than it was."""
    size = min(steps // 2, len(path) - 1)
    if size < 1:
        return path
    before = 2 * path[0] - path[size:0:-1]
    after = 2 * path[-1] - path[-2 : -size - 2 : -1]
    kernel = np.hanning(2 * size + 3)[1:-1]
    return np.convolve(np.concatenate([before, path, after]), kernel / kernel.sum(), "valid")


def simplify(path: Line, tolerance: float) -> list[int]:
    """The moments between which straight lines stay within `tolerance` of `path` (Douglas and
    Peucker, 1973), rising, first and last included. Where the path stands, the lines stand."""
    knots = sorted({0, len(path) - 1, *_still_ends(path)})
    open_spans = list(zip(knots, knots[1:], strict=False))
    while open_spans:
        first, last = open_spans.pop()
        if last - first < 2:
            continue
        chord = np.linspace(path[first], path[last], last - first + 1)
        distance = np.abs(path[first : last + 1] - chord)
        worst = int(distance.argmax())
        if distance[worst] > tolerance:
            knots.append(first + worst)
            open_spans += [(first, first + worst), (first + worst, last)]
    return sorted(knots)


def _still_ends(path: Line) -> list[int]:
    """Both ends of each span of at least `_MIN_STILL_STEPS` steps without movement."""
    moves = np.abs(np.diff(path)) > 1e-9
    edges = np.flatnonzero(np.diff(np.concatenate([[True], moves, [True]]).astype(np.int8)))
    ends = edges.reshape(-1, 2)
    return [int(end) for end in ends[np.ptp(ends, axis=1) >= _MIN_STILL_STEPS].ravel()]


def _lipschitz_envelope(low: Line, rise: float) -> Line:
    """The lowest line above `low` that changes by at most `rise` a step."""
    ramp = rise * np.arange(len(low))
    forward = np.maximum.accumulate(low + ramp) - ramp
    backward = np.maximum.accumulate((low + ramp[::-1])[::-1])[::-1] - ramp[::-1]
    return np.maximum(forward, backward)


def _chase(low: Line, high: Line, rise: float) -> Line:
    """The path of a pursuer who moves towards the corridor `_LOOKAHEAD` steps later."""
    lookahead = np.minimum(np.arange(len(low)) + _LOOKAHEAD, len(low) - 1)
    position, path = float(low[lookahead[0]] + high[lookahead[0]]) / 2, []
    for near, far in zip(low[lookahead].tolist(), high[lookahead].tolist(), strict=True):
        position += min(max(min(max(position, near), far) - position, -rise), rise)
        path.append(position)
    return np.array(path)


def _bend(low: Line, high: Line, index: int, value: float) -> tuple[int, float]:
    """Where a string held at (index, value) first has to bend, or where it ends."""
    ahead = np.arange(1, len(low) - index)
    above, below = (high[index + 1 :] - value) / ahead, (low[index + 1 :] - value) / ahead
    upper_slope, lower_slope = np.minimum.accumulate(above), np.maximum.accumulate(below)
    closed = np.flatnonzero(lower_slope > upper_slope)
    if len(closed):
        stop = int(closed[0])
        upward = below[stop] > (upper_slope[stop - 1] if stop else np.inf)
    else:
        stop = len(ahead)
        if lower_slope[-1] <= 0 <= upper_slope[-1]:
            return len(low) - 1, value
        upward = upper_slope[-1] < 0
    slopes, edge = (above, high) if upward else (below, low)
    extreme = slopes[:stop].min() if upward else slopes[:stop].max()
    knot = index + 1 + int(np.flatnonzero(slopes[:stop] == extreme)[-1])
    return knot, float(edge[knot])
