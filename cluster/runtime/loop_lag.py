"""Measures the lag of this process's event loop.

Out: the worst recent lag in seconds, for health checks and `bench hostile-input`.
"""

import asyncio
from collections import deque


class LoopLag:
    """Wakes up every `interval_s` and records the delay.

    The defaults cover 10 s and detect blocking of more than 20 ms.
    """

    def __init__(self, interval_s: float = 0.02, remember: int = 500) -> None:
        self._interval_s = interval_s
        self._lags: deque[float] = deque(maxlen=remember)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.TimerHandle | None = None
        self._due = 0.0

    @classmethod
    def coarse(cls) -> "LoopLag":
        """For a loop that mostly rests: a fifth of the wake-ups, over the same time."""
        return cls(interval_s=0.1, remember=100)

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
        """The largest delay in seconds of the last `remember` wake-ups and of an overdue one."""
        overdue = self._loop.time() - self._due if self._loop is not None else 0.0
        return max(overdue, max(self._lags, default=0.0), 0.0)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + self._interval_s
        self._next = loop.call_at(self._due, self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._lags.append(loop.time() - self._due)
        if self._loop is not None:
            self._schedule(loop)
