"""Rows of the store held in this process's memory, and kept up to date by polling.

In: a `refresh` that reads every change, and a `tidy` that forgets what is no longer needed. Out:
data that answers without the store, and its age. While the store is down the data stays as it was.
A poll reads nothing where the database tells that nobody has committed since the last one (SQLite).
"""

import asyncio
import logging
from abc import ABC, abstractmethod

from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.storage.database import Database

POLL_S = 0.3
PATIENCE_S = 5.0  # a store that does not answer for so long is down

logger = logging.getLogger("mobula.storage")


class PolledCache(ABC):
    """Make it, then `start` it on the loop that uses it. `failures` counts polls that failed,
    `known_at` is when (monotonic seconds) this process last knew everything; -inf: never."""

    def __init__(
        self,
        name: str,
        database: Database,
        clock: Clock,
        *,
        tidy_s: float,
        poll_s: float = POLL_S,
    ) -> None:
        self.failures = 0
        self.known_at = float("-inf")
        self._name = name
        self._database = database
        self._version: int | None = None  # of the database before the last poll that read it
        self._clock = clock
        self._tidy_s = tidy_s
        self._tidied = clock.monotonic()
        self._polling = PeriodicTask(self._poll, poll_s, name, delayed=True)

    @abstractmethod
    async def refresh(self) -> None:
        """Read every change that is committed by now, and set `known_at`. Raises
        DatabaseUnavailable."""

    def confirm(self, asked_at: float) -> None:
        """Nothing was committed between the last refresh and `asked_at` (monotonic seconds)."""
        self.known_at = asked_at

    @abstractmethod
    async def tidy(self) -> None:
        """Forget what is no longer needed. Called every `tidy_s` seconds, after a refresh."""

    async def start(self) -> None:
        """Read everything, and keep it up to date from now on. Raises DatabaseUnavailable."""
        await self.refresh()
        self._polling.start()

    async def close(self) -> None:
        """Stop polling. The database stays open."""
        await self._polling.close()

    @property
    def age_s(self) -> float:
        """Seconds since this process last knew everything; infinite before it did."""
        return self._clock.monotonic() - self.known_at

    async def _poll(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                now = self._clock.monotonic()
                version = self._database.data_version()
                if version is not None and version == self._version:
                    self.confirm(now)
                else:
                    await self.refresh()
                    self._version = version
                if now - self._tidied >= self._tidy_s:
                    self._tidied = now
                    await self.tidy()
        except Exception as error:  # noqa: BLE001 - requests go on with the data as it is
            self.failures += 1
            logger.warning("%s: the data is %.1f s old: %s", self._name, self.age_s, error)
