"""How long it takes from asking for a replica to having it, measured from outside.

Flows in: how many replicas are asked for and answer, over time. Flows out: seconds. What a replica
says of itself leaves out that a node had to be found and a process started.
"""

import math

_FRESH = 0.3  # how much of the mean its newest sample makes up
_LONGEST_S = 900.0  # a replica that does not come at all is not a slow one


class ColdStartEstimator:
    """A moving mean over the times that a raised target was reached.

    A rise that is already under way for longer than the mean counts as it stands, so that
    replicas that have become slow to start are noticed before the first of them is up.
    """

    def __init__(self) -> None:
        self._mean_s = math.nan
        self._before: int | None = None
        self._rise: tuple[float, int] | None = None  # since when, to how many

    def observe(self, at: float, target: int, ready: int) -> float:
        """Seconds, as far as is known at `at`; NaN before the first rise was reached."""
        if self._rise and (ready >= self._rise[1] or target < self._rise[1]):
            if ready >= self._rise[1]:
                self._learn(at - self._rise[0])
            self._rise = None
        if self._rise is None and self._before is not None and target > max(self._before, ready):
            self._rise = (at, target)
        self._before = target
        waited_s = min(_LONGEST_S, at - self._rise[0]) if self._rise else 0.0
        return max(waited_s, self._mean_s) if waited_s > 0 else self._mean_s

    def _learn(self, seconds: float) -> None:
        sample = min(_LONGEST_S, seconds)
        old = sample if math.isnan(self._mean_s) else self._mean_s
        self._mean_s = old + _FRESH * (sample - old)
