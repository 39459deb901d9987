"""Measures the lag of this process's event loop.

Out: the worst recent lag in seconds, for health checks and `bench hostile-input`.
"""

import asyncio
from collections import deque

RESTING = 5  # intervals between two wake-ups of a loop that has not been late for a while
LATE_S = 0.005  # beyond the resolution of timers, which is a millisecond


class LoopLag:
    """Wakes up every `interval_s` and records the delay; less often while the loop rests, because
    each wake-up costs CPU, in every process.

    The defaults cover 10 s and detect blocking of more than 20 ms; of a loop that rests, more than
    100 ms, and after a wake-up that was late, as always.
    """

    def __init__(self, interval_s: float = 0.02, remember: int = 500) -> None:
        self._interval_s = interval_s
        self._lags: deque[float] = deque(maxlen=remember)
        self._remember = remember
        self._watchful = 0  # intervals for which it goes on with the shortest
        self._intervals = 1  # until the next wake-up
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        """Starts on the running loop; idempotent."""
        if self._loop is not None:
            return
        self._loop = asyncio.get_running_loop()
        self._schedule(self._loop)

    def stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self._loop = None

    def worst(self) -> float:
        """The largest delay in seconds of the last `remember` intervals and of an overdue
        wake-up."""
        overdue = self._loop.time() - self._due if self._loop is not None else 0.0
        return max(overdue, max(self._lags, default=0.0), 0.0)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._intervals = 1 if self._watchful else RESTING
        self._due = loop.time() + self._intervals * self._interval_s
        self._next = loop.call_at(self._due, self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        lag = loop.time() - self._due
        self._lags.extend((lag,) * self._intervals)
        if lag > LATE_S:
            self._watchful = self._remember
        elif self._watchful:
            self._watchful -= 1
        if self._loop is not None:
            self._schedule(loop)
