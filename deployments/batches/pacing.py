"""When the calls of batches may run: many at a time where nobody waits, few where somebody does.

In: how many calls for which somebody waits this process has had. Out: turns. A call of a batch
takes the event loop, the model and the cores from them, so while they come one call runs at a time,
and rests between two of them bound its share. What runs already is not stopped.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cluster.runtime.clock import Clock

PARALLEL = 8  # calls of one batch, where nobody waits
MAX_PARALLEL = 32  # of all batches of a process
BUSY_S = 5.0  # since the last call of somebody
REST = 50.0  # times as long as the call before it: so few of others meet one that their p95 stays
LONGEST_REST_S = 1.0  # a call that takes seconds waits for a model, mostly
LOOK_S = 0.05
PIECE_REST_S = 0.02


class BatchPacer:
    """One for all batches of a process. `begun` counts the calls for which somebody waits."""

    def __init__(self, clock: Clock, begun: Callable[[], int] = lambda: 0) -> None:
        self._clock = clock
        self._begun = begun
        self._seen = begun()
        self._busy_until = 0.0
        self._slots = asyncio.Semaphore(MAX_PARALLEL)
        self._alone = asyncio.Lock()

    @asynccontextmanager
    async def turn(self, slots: asyncio.Semaphore) -> AsyncIterator[None]:
        """Around one call of a batch with so many `slots`."""
        async with slots, self._slots:
            if not self.is_busy():
                yield
                return
            async with self._alone:
                since = self._clock.monotonic()
                yield
                took_s = self._clock.monotonic() - since
                await self._rest(min(REST * took_s, LONGEST_REST_S))

    async def pause(self) -> None:
        """Between two pieces of work that take the event loop, each of a millisecond at most."""
        await asyncio.sleep(PIECE_REST_S if self.is_busy() else 0)

    def is_busy(self) -> bool:
        """Whether requests of others come."""
        begun, now = self._begun(), self._clock.monotonic()
        if begun != self._seen:
            self._seen, self._busy_until = begun, now + BUSY_S
        return now < self._busy_until

    async def _rest(self, seconds: float) -> None:
        """Ends early where nobody comes any more."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0 and self.is_busy():  # noqa: ASYNC110
            await asyncio.sleep(min(left, LOOK_S))
