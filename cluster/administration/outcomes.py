"""Outcomes: what callers report about posts and other subjects, and what is read from that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cluster.metrics.catalogue import library
from cluster.metrics.series import Counter
from cluster.outcomes.model import DailyOutcomes, Outcome, PublishedPostOutcome
from cluster.outcomes.repository import OutcomeRepository
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from cluster.usage.pseudonyms import Pseudonyms


@dataclass(frozen=True, slots=True)
class RecordedOutcomes:
    """How many of a call were stored, and how many were stored before."""

    accepted: int
    duplicates: int


class OutcomeService:
    """Methods raise DatabaseUnavailable. Outcomes are data of tenants, so none is audited."""

    def __init__(self, database: Database, clock: Clock, pseudonyms: Pseudonyms) -> None:
        self._database = database
        self._outcomes = OutcomeRepository(clock, pseudonyms.of)
        self.counts = Counter(library.OUTCOMES)
        for result in ("accepted", "duplicate"):
            self.counts.add((result,), 0)

    async def record(self, tenant: str, given: Sequence[Outcome]) -> RecordedOutcomes:
        """Stores them together, each id once."""
        by_id = {each.id: each for each in reversed(given)}  # the first of equal ids counts
        async with self._database.begin() as connection:
            new = await self._outcomes.add(connection, tenant, list(by_id.values()))
        self.counts.add(("accepted",), len(new))
        self.counts.add(("duplicate",), len(given) - len(new))
        return RecordedOutcomes(len(new), len(given) - len(new))

    async def daily(
        self, tenant: str, kind: str, subject: str, first: date, last: date
    ) -> tuple[DailyOutcomes, ...]:
        """Days (UTC) with any outcome of the subject, oldest first."""
        async with self._database.read() as connection:
            return await self._outcomes.daily(
                connection, tenant, kind, subject, first.isoformat(), last.isoformat()
            )

    async def of_published_posts(self, tenant: str, limit: int) -> tuple[PublishedPostOutcome, ...]:
        """Of the latest `limit` published posts of the library with any outcome, oldest first."""
        async with self._database.read() as connection:
            return await self._outcomes.of_published_posts(connection, tenant, limit)
