"""When to ask a second replica: after most answers would have come, and not too often.

Flows in: how long answers took. Flows out: how long to wait for one before asking again. The idea
is that of J. Dean and L. Barroso, "The Tail at Scale" (CACM 56(2), 2013).
"""

import math

from cluster.resilience.spec import HedgeSpec
from cluster.resilience.window import SlidingCounts

_CALLS, _HEDGES = range(2)
_WINDOW_S = 60.0
_ENOUGH = 20  # answers before an estimate is worth acting on
_STEP = 0.05


class TrackedQuantile:
    """A quantile that follows its values in constant space: each moves the estimate up or down by a
    step, in such proportion that it rests where `quantile` of them lie below. Stochastic
    approximation (H. Robbins and S. Monro, 1951) on the logarithm, as latencies have long tails.
    """

    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._log = 0.0
        self.seen = 0

    @property
    def value(self) -> float:
        """In the unit of what was observed; meaningless before anything was."""
        return math.exp(self._log)

    def observe(self, value: float) -> None:
        found = math.log(max(value, 1e-6))
        self.seen += 1
        if self.seen == 1:
            self._log = found
            return
        step = max(_STEP, 1.0 / self.seen)
        above = found > self._log
        self._log += step * (self._quantile if above else self._quantile - 1.0)


class HedgePolicy:
    """Says when a call deserves a second attempt, and keeps count of those."""

    def __init__(self, spec: HedgeSpec) -> None:
        self._spec = spec
        self._latency = TrackedQuantile(spec.quantile)
        self._counts = SlidingCounts(2, _WINDOW_S)

    def delay_s(self) -> float | None:
        """How long to wait for the first attempt; None while too little is known."""
        if self._latency.seen < _ENOUGH:
            return None
        return max(self._spec.least_s, self._latency.value)

    def called(self, now: float) -> None:
        self._counts.add(now, _CALLS)

    def observe(self, seconds: float) -> None:
        """The attempt that answered a call took so many seconds. Of a hedged call, that is the
        winner's own time: with the wait before it, one slow replica would make all calls wait.
        """
        self._latency.observe(seconds)

    def take(self, now: float) -> bool:
        """One more attempt, if the share of the last minute's calls allows it."""
        self._counts.advance(now)
        calls, hedges = self._counts.totals
        if hedges + 1 > self._spec.share * calls:
            return False
        self._counts.add(now, _HEDGES)
        return True
