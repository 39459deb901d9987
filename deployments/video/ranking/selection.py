"""The best stretches that do not repeat each other. In: candidates. Out: their order of fit."""

from collections.abc import Iterator

import numpy as np

from deployments.contracts.clips import ClipOptions
from deployments.video.ranking.candidates import Array, Candidates
from deployments.video.ranking.cut_points import CutPoints

OVERLAP = 0.1  # of the shorter of two clips, at most: far less than 0.3 of their union


def non_overlapping(candidates: Candidates, most: int) -> Iterator[tuple[float, float]]:
    """Greedy non-maximum suppression: the fittest, then the fittest that is apart from it, ..."""
    left = candidates
    for _ in range(most):
        if left.fit.size == 0:
            return
        best = int(left.fit.argmax())  # the first of equals: the earliest, so order is fixed
        start, end = float(left.starts[best]), float(left.ends[best])
        yield start, end
        left = left.take(overlaps(left, start, end) <= OVERLAP)


def drop_mid_word(candidates: Candidates, borders: CutPoints) -> Candidates:
    """Those that neither begin nor end inside a word; all of them, if all do."""
    clean = (borders.clearance(candidates.starts) >= 0) & (borders.clearance(candidates.ends) >= 0)
    return candidates.take(clean) if clean.any() else candidates


def overlaps(candidates: Candidates, start: float, end: float) -> Array:
    """How much of the shorter one each candidate and the stretch from `start` to `end` share."""
    common = np.minimum(candidates.ends, end) - np.maximum(candidates.starts, start)
    shorter = np.minimum(candidates.ends - candidates.starts, end - start)
    return np.maximum(common, 0.0) / shorter


def evenly_spaced(
    candidates: Candidates, start: float, end: float, options: ClipOptions
) -> Iterator[tuple[float, float]]:
    """For each of equal parts of the range, the candidate nearest its middle and length."""
    parts = max(1, min(options.count, int((end - start) // options.min_s)))
    share = (end - start) / parts
    length = min(options.max_s, max(options.min_s, 0.8 * share))
    left = candidates
    for part in range(parts):
        if left.starts.size == 0:
            return
        middle = start + (part + 0.5) * share
        miss = np.abs((left.starts + left.ends) / 2 - middle)
        miss += np.abs(left.ends - left.starts - length)
        best = int(miss.argmin())
        chosen = float(left.starts[best]), float(left.ends[best])
        yield chosen
        left = left.take(overlaps(left, *chosen) <= OVERLAP)
