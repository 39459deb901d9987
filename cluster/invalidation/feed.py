"""The invalidation feed: one in every process that caches responses.

In: the store's rows, polled. Out: `generations`, kept up to date, and until when they may be relied
on. While the store is down nothing can be invalidated through it, so cached responses are served
for another `max_age_s`, and then no longer.
"""

import asyncio
import logging

from cluster.invalidation.generations import Generations
from cluster.invalidation.store import prune, since
from cluster.invalidation.target import Invalidation
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from cluster.storage.polled_cache import POLL_S, PolledCache

MAX_AGE_S = 60.0
LONGEST_S = 30 * 86_400.0
TIDY_S = 86_400.0

logger = logging.getLogger("mobula.invalidation")


class InvalidationFeed(PolledCache):
    """`current_until` is the monotonic time until which cached responses may be served, and stored,
    by what `generations` says."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        poll_s: float = POLL_S,
        max_age_s: float = MAX_AGE_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        """`max_age_s` is for how long the data may be relied on without a successful poll;
        `longest_s` is the longest lifetime of an entry: older invalidations are merged."""
        super().__init__("invalidation", database, clock, tidy_s=TIDY_S, poll_s=poll_s)
        self.generations = Generations()
        self.current_until = float("-inf")
        self._tidied -= TIDY_S  # after the first poll
        self._max_age_s = max_age_s
        self._longest_s = longest_s
        self._refreshing = asyncio.Lock()
        self._went_back = False

    async def refresh(self) -> None:
        """Read every invalidation that is committed by now. Raises DatabaseUnavailable."""
        async with self._refreshing:
            asked_at = self._clock.monotonic()
            self.generations.apply(await self._since(self.generations.latest))
            self._set_known(asked_at)

    def confirm(self, asked_at: float) -> None:
        """Nothing was invalidated between the last refresh and `asked_at`."""
        self._set_known(asked_at)

    async def tidy(self) -> None:
        """Let the store, then this process, merge invalidations that are older than any entry."""
        before = self._clock.wall() - self._longest_s
        async with self._database.begin() as connection:
            await prune(connection, before)
        async with self._refreshing:
            asked_at = self._clock.monotonic()
            rows = await self._since(0)
            if not self._went_back:
                self.generations.replace(rows)
                self._set_known(asked_at)

    def _set_known(self, asked_at: float) -> None:
        self.known_at = asked_at
        self.current_until = float("-inf") if self._went_back else asked_at + self._max_age_s

    async def _since(self, seq: int) -> list[Invalidation]:
        async with self._database.read() as connection:
            rows = await since(connection, seq)
        if (rows[-1].seq if rows else 0) < self.generations.latest and not self._went_back:
            self._went_back = True
            logger.error(
                "the store has lost invalidations (was it restored from a backup?); no cached "
                "response is served until this process is restarted"
            )
        return rows
