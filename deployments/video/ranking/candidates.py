"""Candidates: signals and cut points in, all possible spans with their fit out.

A highlight is a span with more appeal than its surroundings. The fit is the matched filter for a
box of unknown position and length in noise: (mean inside - mean around) x sqrt(length), which is
largest if the span is neither cut short nor padded.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.video.ranking.calibration import Curve
from deployments.video.ranking.cut_points import CutPoints
from deployments.video.ranking.grid import STEP_S
from deployments.video.ranking.signals import Signals

CONTEXT_S = 12.0
LOCAL_WEIGHT = 0.6  # of the surroundings, against the median of the recording
CUT_POINT_BONUS = 0.05  # for a cut point of quality 1
MAX_PAIRS = 600_000
SLACK_S = 1e-6
LENGTHS = 33  # tried for a start without an end in reach

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Arrays of one length: where each begins and ends (s), and its fit; higher is better."""

    starts: Array
    ends: Array
    fit: Array

    def take(self, chosen: "NDArray[np.bool_] | NDArray[np.int64]") -> "Candidates":
        return Candidates(self.starts[chosen], self.ends[chosen], self.fit[chosen])


def candidates_of(
    signals: Signals,
    cut_points: CutPoints,
    shortest: float,
    longest: float,
    begin: float,
    last: float,
) -> Candidates:
    """Every pair of cut points `shortest` to `longest` seconds apart, from `begin` to `last`.

    A start without an end in reach gets the end farthest from any word. If no cut point is early
    enough for a start, the first and the last possible start are.
    """
    first, second, quality = _pairs(cut_points, shortest, longest)
    without_end = np.setdiff1d(np.arange(cut_points.starts.times.size), first)
    lone_starts = cut_points.starts.times[without_end]
    lone_starts = lone_starts[lone_starts + shortest <= last + SLACK_S]
    if first.size == lone_starts.size == 0:
        lone_starts = np.unique([begin, max(begin, last - shortest)])
    ends = _farthest_from_words(lone_starts, cut_points, shortest, longest, last)
    starts = np.concatenate([cut_points.starts.times[first], lone_starts])
    stops = np.concatenate([cut_points.ends.times[second], ends])
    quality = np.concatenate([quality, np.zeros(lone_starts.size)])
    fit = _fit(signals.appeal, starts, stops) * (1.0 + CUT_POINT_BONUS * quality)
    return Candidates(starts, stops, fit)


def mean_between(curve: Curve, starts: Array, ends: Array) -> Array:
    """The mean of a curve from each start to each end."""
    total = np.concatenate([[0.0], np.cumsum(curve)]) * STEP_S
    edges = np.arange(total.size) * STEP_S
    area = np.interp(ends, edges, total) - np.interp(starts, edges, total)
    return np.asarray(area / np.maximum(ends - starts, 1e-9))


def _pairs(
    cut_points: CutPoints, shortest: float, longest: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    starts, ends = cut_points.starts, cut_points.ends
    low = np.searchsorted(ends.times, starts.times + shortest - SLACK_S)
    high = np.searchsorted(ends.times, starts.times + longest + SLACK_S, side="right")
    sizes = high - low
    max_per_start = max(1, MAX_PAIRS // max(1, starts.times.size))
    counts = np.minimum(sizes, max_per_start)
    first = np.repeat(np.arange(starts.times.size), counts)
    nth = np.arange(first.size) - np.repeat(np.cumsum(counts) - counts, counts)
    second = low[first] + nth * sizes[first] // np.maximum(counts[first], 1)
    return first, second, starts.quality[first] + ends.quality[second]


def _farthest_from_words(
    starts: Array, cut_points: CutPoints, shortest: float, longest: float, last: float
) -> Array:
    if starts.size == 0:
        return starts
    lengths = np.round(np.linspace(*_whole_ms(shortest, longest), LENGTHS), 3)
    options = np.minimum(starts[:, None] + lengths, last)
    clearances = cut_points.clearance(options.ravel()).reshape(options.shape)
    best: Array = options[np.arange(starts.size), clearances.argmax(1)]
    return best


def _whole_ms(shortest: float, longest: float) -> tuple[float, float]:
    """The range in whole milliseconds, as cut points are; unchanged if that empties it."""
    low, high = math.ceil(shortest * 1000) / 1000, math.floor(longest * 1000) / 1000
    return (low, high) if low <= high else (shortest, longest)


def _fit(appeal: Curve, starts: Array, ends: Array) -> Array:
    inside = mean_between(appeal, starts, ends)
    end = appeal.size * STEP_S
    left = mean_between(appeal, np.maximum(starts - CONTEXT_S, 0.0), starts)
    right = mean_between(appeal, ends, np.minimum(ends + CONTEXT_S, end))
    typical = float(np.median(appeal)) if appeal.size else 0.0
    left = np.where(starts > STEP_S, left, typical)
    right = np.where(ends < end - STEP_S, right, typical)
    context = LOCAL_WEIGHT * (left + right) / 2 + (1.0 - LOCAL_WEIGHT) * typical
    return np.asarray((inside - context) * np.sqrt(ends - starts))
