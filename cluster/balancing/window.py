"""How one replica's calls of the last seconds ended, in running sums.

Flows in: times and failures, as they come. Flows out: counts, and the mean and spread of the
logarithm of the times: the geometric mean is what tells a slow replica from one that had a long
answer to write. Time is an argument.
"""

import math
from collections import deque
from dataclasses import dataclass, field

_MOST = 1024
_LEAST_S = 1e-6


@dataclass(slots=True)
class OutcomeWindow:
    """`times` answers with a time, whose logarithms sum up to `total`, squared to `squares`."""

    failed: int = 0
    times: int = 0
    total: float = 0.0
    squares: float = 0.0
    _kept: deque[tuple[float, float | None]] = field(default_factory=deque)

    @property
    def count(self) -> int:
        return self.failed + self.times

    @property
    def mean(self) -> float:
        """Of the logarithms; 0 without a time."""
        return self.total / self.times if self.times else 0.0

    @property
    def deviations(self) -> float:
        """The sum of their squared deviations from the mean."""
        return max(0.0, self.squares - self.times * self.mean**2)

    def add(self, seconds: float | None, now: float) -> None:
        """`seconds` None: a failure."""
        log_s = None if seconds is None else math.log(max(_LEAST_S, seconds))
        self._kept.append((now, log_s))
        self._count(log_s, 1)
        if len(self._kept) > _MOST:
            self._count(self._kept.popleft()[1], -1)

    def prune(self, since: float) -> None:
        while self._kept and self._kept[0][0] < since:
            self._count(self._kept.popleft()[1], -1)

    def clear(self) -> None:
        self._kept.clear()
        self.failed = self.times = 0
        self.total = self.squares = 0.0

    def _count(self, log_s: float | None, sign: int) -> None:
        if log_s is None:
            self.failed += sign
            return
        self.times += sign
        self.total += sign * log_s
        self.squares += sign * log_s * log_s
