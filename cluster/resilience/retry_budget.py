"""The retry budget of one model's calls, so that retries never double the load of an outage.

In: calls, as they start. Out: whether one more retry is allowed. After Finagle's RetryBudget and
"Site Reliability Engineering" (2016), chapter 21.
"""

from cluster.resilience.window import SlidingCounts

_CALLS, _RETRIES = range(2)
WINDOW_S = 60.0  # long: a replica that dies loses all its calls at once
FLOOR = 10  # in a window: without it, a model that is rarely called would never retry


class RetryBudget:
    """At most `share` of the calls of the last minute, and ten more."""

    def __init__(self, share: float, floor: int = FLOOR, window_s: float = WINDOW_S) -> None:
        self._share = share
        self._floor = floor if share > 0 else 0
        self._counts = SlidingCounts(2, window_s)

    def record_call(self, now: float) -> None:
        """A call starts; `now` is monotonic seconds."""
        self._counts.add(now, _CALLS)

    def take(self, now: float) -> bool:
        """Whether a retry is left, which then counts."""
        self._counts.advance(now)
        calls, retries = self._counts.totals
        if retries + 1 > self._share * calls + self._floor:
            return False
        self._counts.add(now, _RETRIES)
        return True
