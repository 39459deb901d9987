"""The store of jobs: what requests, workers and sweepers do to them, a transaction each.

Flows in: tenants' wishes, and workers who ask for work. Flows out: jobs, events, leases (what they
allow is in leased.py); NotFound for another tenant's job as for none. Raises StoreDown where the
store is away. Runs nothing: worker.py does.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from random import Random

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Conflict, Problem
from cluster.storage.database import Database
from cluster.storage.pagination import DEFAULT_LIMIT, Page
from cluster.storage.tables import jobs
from deployments.contracts.jobs import ENDED, Job, JobEvent, JobLease, JobOutput, JobState, NewJob
from deployments.jobs import dequeue, fair_queueing, queries
from deployments.jobs.completion import AtEnd, JobCompletion, no_op
from deployments.jobs.event_notifier import EventNotifier
from deployments.jobs.lease_store import LeaseStore
from deployments.jobs.mapping import columns_of, job_of
from deployments.jobs.queries import QueueDepth
from deployments.jobs.retries import RetryPolicy
from deployments.jobs.transition import transition

OnDelete = Callable[[str, Job], Awaitable[None]]
SWEPT_AT_ONCE = 100

log = logging.getLogger("mobula.jobs")


async def _keep(tenant: str, job: Job) -> None:
    """Where a job leaves nothing behind."""


class JobStore(LeaseStore):
    """`at_end` runs in the transaction in which a job ends, whichever way; `on_delete(tenant, job)`
    before a job is forgotten, asked for or expired, and may run again: it removes its files.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        random: Random,
        *,
        retries: RetryPolicy | None = None,
        at_end: AtEnd = no_op,
        on_delete: OnDelete = _keep,
    ) -> None:
        super().__init__(
            database, clock, random, retries or RetryPolicy(), JobCompletion(clock, at_end)
        )
        self._on_delete = on_delete
        self.watch = EventNotifier(self.last_events)

    async def create(self, connection: AsyncConnection, new: NewJob) -> Job:
        """Accept a job in the caller's transaction. Raises ValueError for one that cannot run."""
        now = self._clock.wall()
        made = await connection.execute(insert(jobs).values(columns_of(new, now)).returning(jobs))
        return await transition(connection, job_of(made.one()), now, "queued", {})

    async def get(self, tenant: str, id: str) -> Job:
        async with self._database.read() as connection:
            return (await queries.get(connection, tenant, id))[0]

    async def page(
        self,
        tenant: str,
        *,
        state: JobState | None = None,
        kind: str | None = None,
        subject: str | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> Page[Job]:
        """Newest first, continued after `cursor`."""
        async with self._database.read() as connection:
            return await queries.page(
                connection, tenant,
                state=state, kind=kind, subject=subject, limit=limit, cursor=cursor,
            )  # fmt: skip

    async def parts(self, tenant: str, id: str) -> tuple[JobOutput, ...]:
        """None of a job that is not there."""
        async with self._database.read() as connection:
            return await queries.parts(connection, tenant, id)

    async def events(
        self, tenant: str, id: str, after: int = 0, limit: int = 200
    ) -> tuple[JobEvent, ...]:
        """Those after `after` that are kept, in order; none of a job that is not there."""
        async with self._database.read() as connection:
            return await queries.events(connection, tenant, id, after, limit)

    async def last_events(self, ids: Collection[str]) -> Mapping[tuple[str, str], int]:
        """The last event's `seq` by tenant and job, for who has seen that they may be asked of."""
        async with self._database.read() as connection:
            return await queries.last_events(connection, ids)

    async def depth(self, kinds: Collection[str]) -> QueueDepth:
        async with self._database.read() as connection:
            return await queries.queue_depth(connection, kinds, self._clock.wall())

    async def cancel(self, tenant: str, id: str) -> Job:
        """At once where nobody runs it, else its worker is asked to; an ended job stays ended."""
        async with self._database.begin() as connection:
            now = self._clock.wall()
            job, leased = await queries.get(connection, tenant, id, lock=True)
            if job.state in ENDED:
                return job
            if leased is None or leased <= now:
                return await self._ends.canceled(connection, job)
            if job.cancel_asked:
                return job
            said = {"stage": job.stage, "percent": job.percent, "cancel_asked": True}
            return await transition(connection, job, now, "progress", said, cancel_asked=True)

    async def delete(self, tenant: str, id: str) -> Job:
        """Forget an ended job and its files. Raises Conflict while it has not ended."""
        job = await self.get(tenant, id)
        if job.state not in ENDED:
            raise Conflict(f"Job '{id}' is {job.state}; cancel it first.", param="job")
        await self._forget(job)
        return job

    async def sweep(self) -> int:
        """Forget what has expired, of every tenant, and idle shares; returns how many jobs."""
        old = select(jobs).where(jobs.c.expires <= self._clock.wall()).limit(SWEPT_AT_ONCE)
        async with self._database.read() as connection:
            expired = [job_of(row) for row in await connection.execute(old)]
        gone = [job for job in expired if await self._forgets(job)]
        async with self._database.begin() as connection:
            await fair_queueing.forget_idle(connection)
        return len(gone)

    async def _forgets(self, job: Job) -> bool:
        try:
            await self._forget(job)
        except (Problem, OSError):
            log.warning("job %s is kept until its files can be removed", job.id, exc_info=True)
            return False
        return True

    async def _forget(self, job: Job) -> None:
        await self._on_delete(job.tenant, job)
        async with self._database.begin() as connection:
            mine = and_(jobs.c.tenant == job.tenant, jobs.c.id == job.id)
            await connection.execute(delete(jobs).where(mine, jobs.c.state.in_(ENDED)))

    async def claim(self, worker: str, kinds: Collection[str], lease_s: float) -> JobLease | None:
        """The next job of these kinds; a poll that finds nothing writes nothing."""
        now = self._clock.wall()
        async with self._database.read() as connection:
            expired = await dequeue.has_expired(connection, now)
            due = expired or await dequeue.has_due(connection, now, kinds)
        if expired:
            async with self._database.begin() as connection:
                await dequeue.reclaim_expired(connection, now, self._ends)
        if not due:
            return None
        async with self._database.begin() as connection:
            return await dequeue.claim(connection, now, worker, kinds, lease_s)
