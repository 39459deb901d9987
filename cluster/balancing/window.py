"""Sliding window of one replica's outcomes, as running sums.

In: response times and failures. Out: counts, and mean and spread of the log times: the geometric
mean distinguishes a slow replica from one with a long response. Time is an argument.
"""

import math
from collections import deque
from dataclasses import dataclass, field

_MAX_ENTRIES = 1024
_MIN_S = 1e-6


@dataclass(slots=True)
class OutcomeWindow:
    """`times` responses, whose log times have the sum `total` and the sum of squares `squares`."""

    failed: int = 0
    times: int = 0
    total: float = 0.0
    squares: float = 0.0
    _entries: deque[tuple[float, float | None]] = field(default_factory=deque)

    @property
    def count(self) -> int:
        return self.failed + self.times

    @property
    def mean(self) -> float:
        """Mean of the log times; 0 without one."""
        return self.total / self.times if self.times else 0.0

    @property
    def deviations(self) -> float:
        """Sum of squared deviations from the mean."""
        return max(0.0, self.squares - self.times * self.mean**2)

    def add(self, seconds: float | None, now: float) -> None:
        """Adds an outcome; `seconds` None: a failure."""
        log_s = None if seconds is None else math.log(max(_MIN_S, seconds))
        self._entries.append((now, log_s))
        self._count(log_s, 1)
        if len(self._entries) > _MAX_ENTRIES:
            self._count(self._entries.popleft()[1], -1)

    def prune(self, since: float) -> None:
        while self._entries and self._entries[0][0] < since:
            self._count(self._entries.popleft()[1], -1)

    def clear(self) -> None:
        self._entries.clear()
        self.failed = self.times = 0
        self.total = self.squares = 0.0

    def _count(self, log_s: float | None, sign: int) -> None:
        if log_s is None:
            self.failed += sign
            return
        self.times += sign
        self.total += sign * log_s
        self.squares += sign * log_s * log_s
