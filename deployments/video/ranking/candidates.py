"""All stretches worth looking at, and how much each looks like one moment. In: signals, borders.

A moment is a stretch that appeals more than what lies around it. The measure is the matched filter
for a box of unknown place and length in noise: (mean inside - mean around) x sqrt(length), which
is largest when the stretch is neither cut short nor padded.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.video.ranking.calibration import Curve
from deployments.video.ranking.cut_points import CutPoints
from deployments.video.ranking.grid import STEP_S
from deployments.video.ranking.signals import Signals

AROUND_S = 12.0
LOCAL = 0.6  # what lies around counts this much against the whole recording's usual
BORDER = 0.05  # what a border of quality 1 adds
MOST_PAIRS = 600_000
SLACK_S = 1e-6
LENGTHS = 33  # tried for a beginning without an end in reach

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
    signals: Signals, borders: CutPoints, shortest: float, longest: float, last: float
) -> Candidates:
    """Every pair of borders `shortest` to `longest` seconds apart, ending at `last` at the latest.

    A beginning without an end in reach is given the end farthest from any word.
    """
    first, second, quality = _pairs(borders, shortest, longest)
    lone = np.setdiff1d(np.arange(borders.starts.times.size), first)
    begins = borders.starts.times[lone]
    begins = begins[begins + shortest <= last + SLACK_S]
    ends = _roomiest(begins, borders, shortest, longest, last)
    starts = np.concatenate([borders.starts.times[first], begins])
    stops = np.concatenate([borders.ends.times[second], ends])
    quality = np.concatenate([quality, np.zeros(begins.size)])
    fit = _fit(signals.appeal, starts, stops) * (1.0 + BORDER * quality)
    return Candidates(starts, stops, fit)


def mean_between(curve: Curve, starts: Array, ends: Array) -> Array:
    """The mean of a curve from each start to each end."""
    total = np.concatenate([[0.0], np.cumsum(curve)]) * STEP_S
    edges = np.arange(total.size) * STEP_S
    area = np.interp(ends, edges, total) - np.interp(starts, edges, total)
    return np.asarray(area / np.maximum(ends - starts, 1e-9))


def _pairs(
    borders: CutPoints, shortest: float, longest: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    starts, ends = borders.starts, borders.ends
    low = np.searchsorted(ends.times, starts.times + shortest - SLACK_S)
    high = np.searchsorted(ends.times, starts.times + longest + SLACK_S, side="right")
    sizes = high - low
    each = max(1, MOST_PAIRS // max(1, starts.times.size))
    taken = np.minimum(sizes, each)
    first = np.repeat(np.arange(starts.times.size), taken)
    nth = np.arange(first.size) - np.repeat(np.cumsum(taken) - taken, taken)
    second = low[first] + nth * sizes[first] // np.maximum(taken[first], 1)
    return first, second, starts.quality[first] + ends.quality[second]


def _roomiest(
    begins: Array, borders: CutPoints, shortest: float, longest: float, last: float
) -> Array:
    if begins.size == 0:
        return begins
    lengths = np.round(np.linspace(*_whole_ms(shortest, longest), LENGTHS), 3)
    options = np.minimum(begins[:, None] + lengths, last)
    room = borders.clearance(options.ravel()).reshape(options.shape)
    best: Array = options[np.arange(begins.size), room.argmax(1)]
    return best


def _whole_ms(shortest: float, longest: float) -> tuple[float, float]:
    """The band in whole milliseconds, as borders are; as it is if that leaves nothing of it."""
    low, high = math.ceil(shortest * 1000) / 1000, math.floor(longest * 1000) / 1000
    return (low, high) if low <= high else (shortest, longest)


def _fit(appeal: Curve, starts: Array, ends: Array) -> Array:
    inside = mean_between(appeal, starts, ends)
    end = appeal.size * STEP_S
    left = mean_between(appeal, np.maximum(starts - AROUND_S, 0.0), starts)
    right = mean_between(appeal, ends, np.minimum(ends + AROUND_S, end))
    usual = float(np.median(appeal)) if appeal.size else 0.0
    left = np.where(starts > STEP_S, left, usual)
    right = np.where(ends < end - STEP_S, right, usual)
    around = LOCAL * (left + right) / 2 + (1.0 - LOCAL) * usual
    return np.asarray((inside - around) * np.sqrt(ends - starts))
