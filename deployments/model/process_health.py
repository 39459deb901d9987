"""A replica's process: its share of a core and of memory, its start-up time, its event loop's lag.
In: nothing. Out: figures, for autoscaling and health checks.
"""

import psutil

from cluster.runtime.clock import Clock
from cluster.runtime.loop_lag import LoopLag


class ProcessHealth:
    """Create it first in a replica's constructor, and call `mark_ready` last.

    The share of CPU is of the cores that the process may use, since the previous reading.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._cold_start_s = 0.0
        self._lag = LoopLag()
        self._process = psutil.Process()
        self._cores = len(self._process.cpu_affinity() or ()) or psutil.cpu_count() or 1
        self._memory = psutil.virtual_memory().total

    def mark_ready(self) -> None:
        """The replica is ready; call it on its event loop."""
        self._cold_start_s = self._clock.monotonic() - self._began
        self._process.cpu_percent()
        self._lag.start()

    def stop(self) -> None:
        self._lag.stop()

    def lag(self) -> float:
        """Seconds that the event loop was late at most, lately."""
        return self._lag.worst()

    def summary(self) -> dict[str, float]:
        return {
            "loop_lag_s": self._lag.worst(),
            "cold_start_s": self._cold_start_s,
            "cpu_share": self._process.cpu_percent() / 100 / self._cores,
            "memory_share": self._process.memory_info().rss / self._memory,
        }
