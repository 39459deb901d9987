"""The least of a figure over a sliding time. In: readings in order. Out: what has lasted."""

import math
from collections import deque


class SlidingMin:
    """Keeps the readings that can still become the least (a monotonic queue): each costs O(1)."""

    def __init__(self) -> None:
        self._rising: deque[tuple[float, float]] = deque()

    def least(self, at: float, value: float, over_s: float) -> float:
        """Of the readings of the last `over_s` seconds, this one too; NaN if this one is, which
        is not kept."""
        if math.isnan(value):
            return math.nan
        rising = self._rising
        while rising and rising[-1][1] >= value:
            rising.pop()
        rising.append((at, value))
        while rising[0][0] < at - over_s:
            rising.popleft()
        return rising[0][1]
