"""Removes audit records beyond the retention time, once a day.

In: the number of days and the function that removes records. Out: one removal a day in each
process, the first at its start. Concurrent removals are harmless (trail.py, prune.py). A failed
removal is retried after a minute.
"""

import logging
from collections.abc import Awaitable, Callable

from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock

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

    def periodic_task(self) -> PeriodicTask:
        """Polls every minute."""
        return PeriodicTask(self.keep, POLL_S, "removal of expired audit records")
