"""How long records are kept: once a day, what is older goes.

Flows in: a number of days and what removes records. Flows out: one removal a day in each process,
the first when it starts. Of processes that do it at once one does the work, and the others find
nothing left (trail.py, prune.py). A removal that fails is tried again a minute later.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem

DAY_S = 86_400.0
LOOK_S = 60.0

log = logging.getLogger(__name__)


class Retention:
    """Make one a trail. `days` is None where records are kept for ever."""

    def __init__(
        self, prune: Callable[[float], Awaitable[int]], days: int | None, clock: Clock
    ) -> None:
        self._prune = prune
        self._days = days
        self._clock = clock
        self._due = clock.monotonic()

    async def keep(self) -> int:
        """Remove what is too old, if that was not done today; returns how many. Raises as prune."""
        if self._days is None or self._clock.monotonic() < self._due:
            return 0
        removed = await self._prune(self._clock.wall() - self._days * DAY_S)
        self._due = self._clock.monotonic() + DAY_S
        if removed:
            log.info("%d audit records older than %d days were removed", removed, self._days)
        return removed

    async def run(self) -> None:
        """Look every minute, until cancelled."""
        while self._days is not None:
            try:
                await self.keep()
            except Problem as problem:
                log.warning("old audit records could not be removed: %s", problem.detail)
            except Exception:
                log.exception("old audit records could not be removed; it will try again")
            await asyncio.sleep(LOOK_S)
