"""News of invalidations: one in every process that keeps answers.

Flows in: the store's rows, polled. Flows out: `generations`, brought up to date, and whether it can
be trusted. While the store is away nothing can be invalidated through it by anybody who has no
other way there, so answers are served on for `max_age_s`, and then no longer.
"""

import asyncio
import contextlib
import logging

from cluster.invalidation.generations import Generations
from cluster.invalidation.store import prune, since
from cluster.invalidation.target import Invalidation
from cluster.runtime.clock import Clock
from cluster.storage.database import Database

POLL_S = 0.3
PATIENCE_S = 5.0  # a store that does not answer for so long is down
MAX_AGE_S = 60.0
LONGEST_S = 30 * 86_400.0
TIDY_S = 86_400.0

logger = logging.getLogger("mobula.invalidation")


class InvalidationFeed:
    """Make it, then `start` it, on the loop that uses it. `failures` counts polls that failed."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        poll_s: float = POLL_S,
        max_age_s: float = MAX_AGE_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        """`max_age_s` is for how long what is known can be trusted without news; `longest_s` is the
        longest life of an answer: what was invalidated before that need not be told apart."""
        self.generations = Generations()
        self.failures = 0
        self._database = database
        self._clock = clock
        self._poll_s = poll_s
        self._max_age_s = max_age_s
        self._longest_s = longest_s
        self._refreshing = asyncio.Lock()
        self._known_at: float | None = None
        self._went_back = False
        self._polling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load everything and keep it up to date. Raises StoreDown."""
        await self.refresh()
        self._polling = asyncio.create_task(self._poll(), name="invalidation")

    async def close(self) -> None:
        """Stop polling. The database stays open."""
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None

    @property
    def age_s(self) -> float:
        """Seconds since this process last knew every invalidation; infinite before it did."""
        known_at = self._known_at
        return float("inf") if known_at is None else self._clock.monotonic() - known_at

    @property
    def is_current(self) -> bool:
        """Whether answers may be served, and kept, by what `generations` says."""
        return not self._went_back and self.age_s <= self._max_age_s

    async def refresh(self) -> None:
        """See every invalidation that is committed by now. Raises StoreDown."""
        async with self._refreshing:
            asked_at = self._clock.monotonic()
            self.generations.apply(await self._since(self.generations.latest))
            self._known_at = asked_at

    async def tidy(self) -> None:
        """Let the store, then this process, forget what is older than any answer."""
        before = self._clock.wall() - self._longest_s
        async with self._database.begin() as connection:
            await prune(connection, before)
        async with self._refreshing:
            asked_at = self._clock.monotonic()
            rows = await self._since(0)
            if not self._went_back:
                self.generations.replace(rows)
                self._known_at = asked_at

    async def _since(self, seq: int) -> list[Invalidation]:
        async with self._database.read() as connection:
            rows = await since(connection, seq)
        if (rows[-1].seq if rows else 0) < self.generations.latest and not self._went_back:
            self._went_back = True
            logger.error(
                "the store has forgotten invalidations (was it restored?); no answer is served "
                "from a cache until this process starts again"
            )
        return rows

    async def _poll(self) -> None:
        tidied = self._clock.monotonic() - TIDY_S
        while True:
            await asyncio.sleep(self._poll_s)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self.refresh()
                    if self._clock.monotonic() - tidied >= TIDY_S:
                        tidied = self._clock.monotonic()
                        await self.tidy()
            except Exception as error:  # noqa: BLE001 - whatever it is, requests go on
                self.failures += 1
                logger.warning("invalidations are %.1f s old: %s", self.age_s, error)
