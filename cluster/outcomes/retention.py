"""Deletes outcomes whose time is over, once an hour, in each ingress process."""

from cluster.outcomes.repository import prune_outcomes
from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.storage.database import Database

INTERVAL_S = 3_600.0


class OutcomeRetention:
    def __init__(self, database: Database, clock: Clock, kept_s: float) -> None:
        """`kept_s` counts from when an outcome was received."""
        self._database = database
        self._clock = clock
        self._kept_s = kept_s
        self._task = PeriodicTask(self.run_once, INTERVAL_S, "outcomes: retention", delayed=True)

    async def start(self) -> None:
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    async def run_once(self) -> int:
        """Returns how many were deleted."""
        return await prune_outcomes(self._database.begin, self._clock.wall() - self._kept_s)
