"""Figures of what all replicas share in the store: due webhook deliveries, scaling decisions.

In: two queries in one transaction, in the background every READ_S. Out: readings, at the scrape.
Deliveries are a state, the same in every replica; decisions are counted since the replica started,
by each replica for itself.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from sqlalchemy.exc import SQLAlchemyError

from cluster.autoscaling import store
from cluster.autoscaling.decision import Decision
from cluster.events.queue import find_overdue
from cluster.metrics.catalogue import scaling, storage
from cluster.metrics.series import Reading
from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database

READ_S = 10.0
LATE_S = 60.0  # a decision may be written this long after it was made
MOST = 200  # decisions of one read
_Identity = tuple[str, float]  # deployment, and when


class StoreReadings:
    """`start` it on the loop that serves, `close` it there."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._backlog: tuple[int, float] | None = None
        self._decisions: Counter[tuple[str, str, str]] = Counter()
        self._began = clock.wall()
        self._seen: frozenset[_Identity] = frozenset()
        self._task = PeriodicTask(
            self.refresh, READ_S, "figures of the store", expected=(Problem, SQLAlchemyError)
        )

    def start(self) -> None:
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    async def refresh(self) -> None:
        """Raises DatabaseUnavailable; then the last figures stay, without the backlog."""
        self._backlog, now = None, self._clock.wall()
        async with self._database.read() as connection:
            count, oldest = await find_overdue(connection, now)
            page = await store.read(connection, None, MOST)
        self._backlog = count, 0.0 if oldest is None else max(0.0, now - oldest)
        self._count(page.items, now)

    def read(self) -> Iterator[Reading]:
        """Without a backlog where the store could not be asked lately."""
        if self._backlog is not None:
            yield storage.WEBHOOK_BACKLOG, [((), self._backlog[0])]
            yield storage.WEBHOOK_OLDEST, [((), self._backlog[1])]
        yield scaling.DECISIONS, list(self._decisions.items())

    def _count(self, decisions: Iterable[Decision], now: float) -> None:
        since = max(self._began, now - READ_S - LATE_S)
        recent = {(each.deployment, each.at): each for each in decisions if each.at >= since}
        for identity in recent.keys() - self._seen:
            made = recent[identity]
            self._decisions[made.deployment, _direction(made), made.bound] += 1
        self._seen = frozenset(recent)


def _direction(decision: Decision) -> str:
    if decision.target == decision.before:
        return "hold"
    return "up" if decision.target > decision.before else "down"
