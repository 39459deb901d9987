"""Removes audit records beyond the retention time, once a day.

In: the number of days and the function that removes records. Out: one removal a day in each
process, the first at its start. Concurrent removals are harmless (trail.py, prune.py). A failed
removal is retried after a minute.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem

DAY_S = 86_400.0
POLL_S = 60.0

log = logging.getLogger(__name__)


class Retention:
    """The retention of one trail. `days` None: records are kept for ever."""

    def __init__(
        self, prune: Callable[[float], Awaitable[int]], days: int | None, clock: Clock
    ) -> None:
        self._prune = prune
        self._days = days
        self._clock = clock
        self._due = clock.monotonic()

    async def keep(self) -> int:
        """Removes expired records, once a day; returns the number. Raises like `prune`."""
        if self._days is None or self._clock.monotonic() < self._due:
            return 0
        removed = await self._prune(self._clock.wall() - self._days * DAY_S)
        self._due = self._clock.monotonic() + DAY_S
        if removed:
            log.info("%d audit records older than %d days were removed", removed, self._days)
        return removed

    async def run(self) -> None:
        """Polls every minute until cancelled."""
        while self._days is not None:
            try:
                await self.keep()
            except Problem as problem:
                log.warning("old audit records could not be removed: %s", problem.detail)
            except Exception:
                log.exception("old audit records could not be removed; retrying")
            await asyncio.sleep(POLL_S)
