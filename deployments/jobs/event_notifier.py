"""Notifies event streams of new events of jobs, by one query for all of them.

Flows in: jobs that are followed, each after an event's number. Flows out: a wake-up when a later
event exists. Shared by all streams of a process; no query runs while no stream waits.
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
MAX_STREAMS = 64  # streams that a tenant may have open in one process
POLL_S = 0.5

log = logging.getLogger("mobula.jobs")


@dataclass(eq=False, slots=True)
class _Subscriber:
    tenant: str
    job: str
    after: int
    notified: asyncio.Event


class EventNotifier:
    """Use it from one event loop."""

    def __init__(self, last_events: LastEvents, poll_s: float = POLL_S) -> None:
        """`last_events` gives the last event's number by tenant and job, for ids of jobs."""
        self._last_events = last_events
        self._poll_s = poll_s
        self._streams: Counter[str] = Counter()
        self._subscribers: set[_Subscriber] = set()
        self._poller: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def subscribe(self, tenant: str) -> Iterator[None]:
        """Count one stream, which holds no slot of the tenant's. Raises RateLimited."""
        if self._streams[tenant] >= MAX_STREAMS:
            raise RateLimited(
                f"{MAX_STREAMS} event streams of this tenant are open here, the limit.",
                5.0,
                "streams",
            )
        self._streams[tenant] += 1
        try:
            yield
        finally:
            self._streams[tenant] -= 1
            if not self._streams[tenant]:
                del self._streams[tenant]

    async def wait(self, tenant: str, job: str, after: int, timeout_s: float) -> bool:
        """Whether, within `timeout_s`, the job has an event after `after`, or was deleted."""
        subscriber = _Subscriber(tenant, job, after, asyncio.Event())
        self._subscribers.add(subscriber)
        if self._poller is None or self._poller.done():
            self._poller = create_detached_task(self._poll(), name="jobs-watch")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await subscriber.notified.wait()
        finally:
            self._subscribers.discard(subscriber)
        return subscriber.notified.is_set()

    async def _poll(self) -> None:
        while self._subscribers:
            subscribers = tuple(self._subscribers)
            try:
                last = await self._last_events({each.job for each in subscribers})
            except Problem:
                log.warning("event streams of jobs wait for the store")
            else:
                for each in subscribers:
                    if last.get((each.tenant, each.job), each.after + 1) > each.after:
                        each.notified.set()
            await asyncio.sleep(self._poll_s)
