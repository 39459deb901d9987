"""Selects spans that do not overlap: candidates in, spans by fit or evenly spread out."""

from collections.abc import Iterator

import numpy as np

from deployments.contracts.clips import ClipOptions
from deployments.video.ranking.candidates import Array, Candidates
from deployments.video.ranking.cut_points import CutPoints

MAX_OVERLAP = 0.1  # of the shorter of two clips, at most: far less than 0.3 of their union


def non_overlapping(candidates: Candidates, count: int) -> Iterator[tuple[float, float]]:
    """Greedy non-maximum suppression: the fittest, then the fittest without overlap, ..."""
    remaining = candidates
    for _ in range(count):
        if remaining.fit.size == 0:
            return
        best = int(remaining.fit.argmax())  # the first of equals: the earliest, so order is fixed
        start, end = float(remaining.starts[best]), float(remaining.ends[best])
        yield start, end
        remaining = remaining.take(overlaps(remaining, start, end) <= MAX_OVERLAP)


def drop_mid_word(candidates: Candidates, cut_points: CutPoints) -> Candidates:
    """Those that neither begin nor end inside a word; all of them if all do."""
    is_clean = (cut_points.clearance(candidates.starts) >= 0) & (
        cut_points.clearance(candidates.ends) >= 0
    )
    return candidates.take(is_clean) if is_clean.any() else candidates


def overlaps(candidates: Candidates, start: float, end: float) -> Array:
    """The share of the shorter one that each candidate and the span from `start` to `end` have in
    common."""
    common = np.minimum(candidates.ends, end) - np.maximum(candidates.starts, start)
    shorter = np.minimum(candidates.ends - candidates.starts, end - start)
    return np.maximum(common, 0.0) / shorter


def evenly_spaced(
    candidates: Candidates, start: float, end: float, options: ClipOptions
) -> Iterator[tuple[float, float]]:
    """For each of equal parts of the range, the candidate nearest its middle and length. For
    recordings in which nothing stands out."""
    parts = max(1, min(options.count, int((end - start) // options.min_s)))
    share = (end - start) / parts
    length = min(options.max_s, max(options.min_s, 0.8 * share))
    remaining = candidates
    for part in range(parts):
        if remaining.starts.size == 0:
            return
        middle = start + (part + 0.5) * share
        distance = np.abs((remaining.starts + remaining.ends) / 2 - middle)
        distance += np.abs(remaining.ends - remaining.starts - length)
        best = int(distance.argmin())
        chosen = float(remaining.starts[best]), float(remaining.ends[best])
        yield chosen
        remaining = remaining.take(overlaps(remaining, *chosen) <= MAX_OVERLAP)
