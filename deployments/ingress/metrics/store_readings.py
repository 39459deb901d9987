"""Figures of what all replicas share in the store: due webhook deliveries, the post library,
scaling decisions.

In: a few queries in one transaction, in the background every READ_S. Out: readings, at the scrape.
Deliveries and posts are a state, the same in every replica; decisions are counted since the replica
started, by each replica for itself.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from sqlalchemy.exc import SQLAlchemyError

from cluster.autoscaling import store
from cluster.autoscaling.decision import Decision
from cluster.events.queue import find_overdue
from cluster.library import due
from cluster.library.repository import measure_libraries
from cluster.metrics.catalogue import library, scaling, storage
from cluster.metrics.metric import Metric
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
        self._state: dict[Metric, float] = {}
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
        """Raises DatabaseUnavailable; then the decisions stay, and nothing is told of the rest."""
        self._state, now = {}, self._clock.wall()
        async with self._database.read() as connection:
            deliveries, oldest_delivery = await find_overdue(connection, now)
            overdue, oldest_post = await due.find_overdue(connection, now)
            posts, size = await measure_libraries(connection)
            page = await store.read(connection, None, MOST)
        self._state = {
            storage.WEBHOOK_BACKLOG: deliveries,
            storage.WEBHOOK_OLDEST: _age_s(oldest_delivery, now),
            library.OVERDUE: overdue,
            library.OLDEST_OVERDUE: _age_s(oldest_post, now),
            library.POSTS: posts,
            library.BYTES: size,
        }
        self._count(page.items, now)

    def read(self) -> Iterator[Reading]:
        """Decisions only where the store could not be asked lately."""
        for metric, value in self._state.items():
            yield metric, [((), value)]
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


def _age_s(since: float | None, now: float) -> float:
    return 0.0 if since is None else max(0.0, now - since)
