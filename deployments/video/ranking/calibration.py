"""Calibration: a measure becomes comparable by its deviation from the usual in its recording.

In: a measure's values on a grid. Out: the same shape in robust standard deviations, or smoothed, or
against its neighbourhood.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Curve = NDArray[np.float64]

MAX_DEVIATION = 8.0  # in deviations; more is not better
HALF_SCORE_DEVIATION = 2.0  # deviations that give a sub-score of one half
MAD_TO_SIGMA = 1.4826  # of a normal distribution


def deviations(values: Curve, floor: float, spread: float | None = None) -> Curve:
    """How many robust standard deviations each value is above the median, 0 to `MAX_DEVIATION`.

    `floor` is the smallest deviation that counts as one, in the measure's own unit: without it, the
    faintest sound would stand out from digital silence. `spread` replaces the measured deviation if
    most values are equal.
    """
    if values.size == 0:
        return values
    middle = np.median(values)
    scale = MAD_TO_SIGMA * np.median(np.abs(values - middle)) if spread is None else spread
    return np.clip((values - middle) / max(float(scale), floor), 0.0, MAX_DEVIATION)


def saturate(deviation: Curve) -> Curve:
    """Deviations as scores from 0 to 1, each step up worth less than the one before."""
    return deviation / (deviation + HALF_SCORE_DEVIATION)


def smooth(values: Curve, width: int) -> Curve:
    """The running mean over `width` values, fewer at the ends."""
    if values.size == 0 or width <= 1:
        return values
    total = np.concatenate([[0.0], np.cumsum(values)])
    indices = np.arange(values.size)
    first = np.maximum(indices - width // 2, 0)
    last = np.minimum(indices - width // 2 + width, values.size)
    return (total[last] - total[first]) / (last - first)


def trailing_quantile(values: Curve, width: int, share: float = 0.5) -> Curve:
    """The quantile `share` of each value and the `width` - 1 before it."""
    if values.size == 0:
        return values
    padded = np.concatenate([np.full(width - 1, np.nan), values])
    windows = np.sort(sliding_window_view(padded, width), axis=1)  # NaN comes last
    counts = np.minimum(np.arange(values.size) + 1, width)
    indices = np.floor(share * (counts - 1)).astype(np.int64)
    return np.asarray(windows[np.arange(values.size), indices])


def novelty(values: Curve, width: int, share: float = 0.5) -> Curve:
    """How far each value is above the usual before it and above the usual after it.

    The smaller of both counts, so a loud beginning or a change that persists is not novel.
    """
    after = trailing_quantile(values[::-1], width, share)[::-1]
    return np.maximum(values - np.maximum(trailing_quantile(values, width, share), after), 0.0)
