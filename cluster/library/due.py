"""Publishes `post.due` when the time of a scheduled post has come.

One runs in each ingress process. A row is locked by one of them, and the event is written in the
transaction that marks the row: exactly one event for each time that was set, whichever process
dies, and its webhooks deliver it at least once.
"""

import math
from collections.abc import Callable

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events.kinds import EventKind
from cluster.events.outbox import publish
from cluster.library.status import PostStatus
from cluster.metrics.catalogue import library
from cluster.metrics.series import Counter
from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.storage.database import Database
from cluster.storage.tables import library_posts

POLL_S = 1.0
BATCH = 100  # events of one transaction
_P = library_posts.c


class DuePostPublisher:
    """`on_event` is called after a commit: the webhooks need not wait for a poll."""

    def __init__(self, database: Database, clock: Clock, on_event: Callable[[], None]) -> None:
        self._database = database
        self._clock = clock
        self._on_event = on_event
        self._version: int | None = None  # of the database when `_next_due` was read
        self._next_due = math.inf  # Unix seconds
        self.events = Counter(library.DUE_EVENTS)
        self.events.add((), 0)
        self._polls = PeriodicTask(self.run_once, POLL_S, "publishing of posts that are due")

    async def start(self) -> None:
        self._polls.start()

    async def close(self) -> None:
        await self._polls.close(None)

    async def run_once(self) -> int:
        """Publishes everything that is due now; returns how many events."""
        total = 0
        while await self._is_any_due():
            async with self._database.begin() as connection:
                published = await publish_due(connection, self._clock)
            if not published:  # another process has them
                break
            total += published
            self.events.add((), published)
            self._on_event()
        return total

    async def _is_any_due(self) -> bool:
        """Reads nothing while the database tells that nobody has committed (SQLite)."""
        version = self._database.data_version()
        if version is None or version != self._version:
            async with self._database.read() as connection:
                soonest = select(func.min(_P.due)).where(_P.due.is_not(None))
                first = (await connection.execute(soonest)).scalar()
            self._next_due = math.inf if first is None else first
            self._version = version
        return self._next_due <= self._clock.wall()


async def find_overdue(connection: AsyncConnection, now: float) -> tuple[int, float | None]:
    """How many scheduled posts are due and have no event yet, and since when the oldest of them is
    due (Unix seconds)."""
    query = select(func.count(), func.min(_P.due)).where(_P.due <= now)
    row = (await connection.execute(query)).one()
    return row[0], row[1]


async def publish_due(connection: AsyncConnection, clock: Clock) -> int:
    """Of up to BATCH posts of any tenant that nobody else has locked; returns how many."""
    due = select(library_posts).where(_P.due <= clock.wall()).order_by(_P.due, _P.number)
    rows = (await connection.execute(due.limit(BATCH).with_for_update(skip_locked=True))).all()
    for row in rows:
        mine = update(library_posts).where(_P.tenant == row.tenant, _P.number == row.number)
        await connection.execute(mine.values(due=None))
        if row.status != PostStatus.SCHEDULED:
            continue
        payload = {
            "id": row.id,
            "revision": row.revision,
            "platform": row.platform,
            "scheduled": row.scheduled,
            "zone": row.zone,
            "schedule": row.schedule,
        }
        once = f"{row.number}|{row.schedule}"
        await publish(
            connection, clock, row.tenant, EventKind.POST_DUE, payload, once=once, trace=""
        )
    return len(rows)
