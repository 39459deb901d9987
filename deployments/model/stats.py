"""Rates from counters.

In: a counter's readings. Out: how fast it grew between the last two, at least a second apart.
"""

from cluster.runtime.clock import Clock

_SHORTEST_S = 1.0


class Throughput:
    """Tokens a second, from the engine's running total."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock.monotonic()
        self._total = 0
        self._rate = 0.0

    def rate(self, total: int) -> float:
        """The newest rate; readings that follow each other within a second repeat the last one."""
        elapsed = self._clock.monotonic() - self._at
        if elapsed >= _SHORTEST_S:
            self._rate = (total - self._total) / elapsed
            self._at += elapsed
            self._total = total
        return self._rate
