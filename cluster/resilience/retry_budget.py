"""How many retries the calls of one model may cost together, so that they never double an outage.

Flows in: calls, as they start. Flows out: whether one more retry is paid for. The idea is that of
Finagle's RetryBudget, and of "Site Reliability Engineering" (2016), chapter 21.
"""

from cluster.resilience.window import SlidingCounts

_CALLS, _RETRIES = range(2)
WINDOW_S = 60.0  # long: with a replica, all calls are lost at once that it has taken on for a while
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
        """One retry, if there is one left."""
        self._counts.advance(now)
        calls, retries = self._counts.totals
        if retries + 1 > self._share * calls + self._floor:
            return False
        self._counts.add(now, _RETRIES)
        return True
