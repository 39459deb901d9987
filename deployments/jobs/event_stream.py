"""Follows a job: its events from a given one on, as they happen, until it ends.

Flows in: a tenant's job and the number of the last event seen. Flows out: events, a GapEvent where
events are no longer retained, and None for an interval without events. Waits while the store is
unavailable.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from cluster.storage.database import DatabaseUnavailable
from deployments.contracts.jobs import ENDED, JobEvent
from deployments.jobs.store import JobStore

BEAT_S = 15.0
BATCH = 200
RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class GapEvent:
    """Events up to `after` are no longer retained: read the job for its state."""

    after: int


Following = AsyncGenerator[JobEvent | GapEvent | None, None]


async def has_ended(store: JobStore, tenant: str, job: str, after: int) -> bool:
    """Whether the job's end is already among the events up to `after`. Raises NotFound."""
    state = (await store.get(tenant, job)).state
    last = (await store.last_events([job])).get((tenant, job), 0)
    return state in ENDED and after == last


async def follow(
    store: JobStore, tenant: str, job: str, after: int, beat_s: float = BEAT_S
) -> Following:
    """Ends with the event that ends the job, or when the job is deleted."""
    while True:
        try:
            last = (await store.last_events([job])).get((tenant, job))
            events = await store.events(tenant, job, after, BATCH)
        except DatabaseUnavailable:
            await asyncio.sleep(RETRY_S)
            yield None
            continue
        if last is None:
            return
        if after > last:  # a number that no event has had
            after, events = 0, ()
            yield GapEvent(after)
        for item in _with_gap(events, after):
            yield item
        if events and events[-1].kind in ENDED:
            return
        after = events[-1].seq if events else after
        if after == last and not await store.watch.wait(tenant, job, after, beat_s):
            yield None


def _with_gap(events: Sequence[JobEvent], after: int) -> list[JobEvent | GapEvent]:
    """The events, after a GapEvent where those that follow `after` are missing."""
    missing = bool(events) and events[0].seq > after + 1
    return [GapEvent(events[0].seq - 1), *events] if missing else list(events)
