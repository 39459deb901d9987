"""Following a job: its events from a given one on, as they happen, until it ends.

Flows in: a tenant's job and the number of the last event seen. Flows out: events, a Reset where
asked-for events are no longer kept, and None for a beat in which nothing happened. A store that is
away is waited for.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from cluster.storage.database import DatabaseUnavailable
from deployments.contracts.jobs import ENDED, JobEvent
from deployments.jobs.store import JobStore

BEAT_S = 15.0
AT_ONCE = 200
AWAY_S = 1.0


@dataclass(frozen=True, slots=True)
class GapEvent:
    """Events up to `after` are gone: ask for the job to know how it stands."""

    after: int


Following = AsyncGenerator[JobEvent | GapEvent | None, None]


async def has_ended(store: JobStore, tenant: str, job: str, after: int) -> bool:
    """Whether the job's end is already among the events up to `after`. Raises NotFound."""
    found = await store.get(tenant, job)
    last = (await store.last_events([job])).get((tenant, job), 0)
    return found.state in ENDED and after == last


async def follow(
    store: JobStore, tenant: str, job: str, after: int, beat_s: float = BEAT_S
) -> Following:
    """Ends with the event that ends the job, or when the job is deleted."""
    while True:
        try:
            last = (await store.last_events([job])).get((tenant, job))
            found = await store.events(tenant, job, after, AT_ONCE)
        except DatabaseUnavailable:
            await asyncio.sleep(AWAY_S)
            yield None
            continue
        if last is None:
            return
        if after > last:  # a number that was never given
            after, found = 0, ()
            yield GapEvent(after)
        for item in _with_gap(found, after):
            yield item
        if found and found[-1].kind in ENDED:
            return
        after = found[-1].seq if found else after
        if after == last and not await store.watch.wait(tenant, job, after, beat_s):
            yield None


def _with_gap(found: Sequence[JobEvent], after: int) -> list[JobEvent | GapEvent]:
    """Says so first where the events that follow `after` are missing."""
    missing = bool(found) and found[0].seq > after + 1
    return [GapEvent(found[0].seq - 1), *found] if missing else list(found)
