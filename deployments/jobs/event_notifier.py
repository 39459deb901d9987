"""Who waits for news of jobs: one query for all of them, as often as it takes.

Flows in: jobs that are watched, each after an event's number. Flows out: a wake-up when a later
event is there. Shared by every stream of a process; asks nothing while nobody waits.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from cluster.runtime.background import create_detached_task
from cluster.runtime.problems import Problem, RateLimited

LastEvents = Callable[[Collection[str]], Awaitable[Mapping[tuple[str, str], int]]]
SEATS = 64  # streams that a tenant may have open in one process
POLL_S = 0.5

log = logging.getLogger("mobula.jobs")


@dataclass(eq=False, slots=True)
class _Subscriber:
    tenant: str
    job: str
    after: int
    news: asyncio.Event


class EventNotifier:
    """Use it from one event loop."""

    def __init__(self, last_events: LastEvents, poll_s: float = POLL_S) -> None:
        """`last_events` gives the last event's number by tenant and job, for ids of jobs."""
        self._last_events = last_events
        self._poll_s = poll_s
        self._seats: Counter[str] = Counter()
        self._waiting: set[_Subscriber] = set()
        self._polling: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def subscribe(self, tenant: str) -> Iterator[None]:
        """A place for one stream, which holds no slot of the tenant's. Raises RateLimited."""
        if self._seats[tenant] >= SEATS:
            raise RateLimited(
                f"{SEATS} event streams of this tenant are open here, the limit.", 5.0, "streams"
            )
        self._seats[tenant] += 1
        try:
            yield
        finally:
            self._seats[tenant] -= 1
            if not self._seats[tenant]:
                del self._seats[tenant]

    async def wait(self, tenant: str, job: str, after: int, patience_s: float) -> bool:
        """Whether, within `patience_s`, the job has an event after `after`, or is gone."""
        mine = _Subscriber(tenant, job, after, asyncio.Event())
        self._waiting.add(mine)
        if self._polling is None or self._polling.done():
            self._polling = create_detached_task(self._poll(), name="jobs-watch")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await mine.news.wait()
        finally:
            self._waiting.discard(mine)
        return mine.news.is_set()

    async def _poll(self) -> None:
        while self._waiting:
            asked = tuple(self._waiting)
            try:
                last = await self._last_events({each.job for each in asked})
            except Problem:
                log.warning("who watches jobs waits for the store")
            else:
                for each in asked:
                    if last.get((each.tenant, each.job), each.after + 1) > each.after:
                        each.news.set()
            await asyncio.sleep(self._poll_s)
