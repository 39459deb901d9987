"""An event loop whose time costs nothing: when every task waits, the clock jumps.

In: a coroutine. Out: its result, after simulated seconds, the same on every run. Real sockets do
not work on it.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_EPOCH = 1_795_000_000.0  # an hour in November 2026


class _Jumping(selectors.SelectSelector):
    """Waiting moves the loop's clock instead of the world's."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("every task waits for something that never comes")
        self.loop.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is simulated seconds since the loop was made."""

    def __init__(self) -> None:
        self.now = 1000.0
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class LoopClock:
    """A Clock of the running loop's time. `ahead_s` and `wall_ahead_s` make it jump."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.ahead_s = 0.0
        self.wall_ahead_s = 0.0

    def monotonic(self) -> float:
        return self._loop.time() + self.ahead_s

    def wall(self) -> float:
        return _EPOCH + self._loop.time() + self.wall_ahead_s


def run_in_virtual_time(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end in simulated time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
