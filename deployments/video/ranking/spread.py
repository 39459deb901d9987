"""Clips where nothing stands out: evenly over the range. In: candidates. Out: stretches by time."""

from collections.abc import Iterator

import numpy as np

from deployments.contracts.clips import ClipOptions
from deployments.video.ranking.candidates import Candidates
from deployments.video.ranking.selection import OVERLAP, overlaps


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
