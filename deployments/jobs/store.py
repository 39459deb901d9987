"""The store of jobs: the operations of requests, workers and sweepers, a transaction each.

Flows in: tenants' requests, and workers' claims. Flows out: jobs, events, leases (writes under a
lease: lease_store.py); NotFound for another tenant's job as for an unknown id. Raises
DatabaseUnavailable. Runs no job: worker.py does.
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
from deployments.jobs.job_rows import new_row, to_job, transition
from deployments.jobs.lease_store import LeaseStore
from deployments.jobs.queue_depth import QueueDepth
from deployments.jobs.retries import RetryPolicy

OnDelete = Callable[[str, Job], Awaitable[None]]
SWEEP_BATCH = 100

log = logging.getLogger("mobula.jobs")


async def _no_files(tenant: str, job: Job) -> None:
    """For jobs without files."""


class JobStore(LeaseStore):
    """`at_end` runs in the transaction in which a job ends, whatever its state;
    `on_delete(tenant, job)` before a job is deleted, on request or by its expiry, and may run
    again: it removes the job's files.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        random: Random,
        *,
        retries: RetryPolicy | None = None,
        at_end: AtEnd = no_op,
        on_delete: OnDelete = _no_files,
    ) -> None:
        super().__init__(
            database, clock, random, retries or RetryPolicy(), JobCompletion(clock, at_end)
        )
        self._on_delete = on_delete
        self.watch = EventNotifier(self.last_events)

    async def create(self, connection: AsyncConnection, new: NewJob) -> Job:
        """Accept a job in the caller's transaction. Raises ValueError for one that cannot run."""
        now = self._clock.wall()
        rows = await connection.execute(insert(jobs).values(new_row(new, now)).returning(jobs))
        return await transition(connection, to_job(rows.one()), now, "queued", {})

    async def get(self, tenant: str, id: str) -> Job:
        async with self._database.read() as connection:
            return (await queries.get(connection, tenant, id))[0]

    async def page(
        self,
        tenant: str,
        *,
        state: JobState | None = None,
        kind: str | tuple[str, ...] | None = None,
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
        """Empty for an unknown job."""
        async with self._database.read() as connection:
            return await queries.parts(connection, tenant, id)

    async def events(
        self, tenant: str, id: str, after: int = 0, limit: int = 200
    ) -> tuple[JobEvent, ...]:
        """The retained ones after `after`, in order; empty for an unknown job."""
        async with self._database.read() as connection:
            return await queries.events(connection, tenant, id, after, limit)

    async def last_events(self, ids: Collection[str]) -> Mapping[tuple[str, str], int]:
        """The last event's `seq` by tenant and job, for callers that have checked their access."""
        async with self._database.read() as connection:
            return await queries.last_events(connection, ids)

    async def depth(self, kinds: Collection[str]) -> QueueDepth:
        async with self._database.read() as connection:
            return await queries.queue_depth(connection, kinds, self._clock.wall())

    async def cancel(self, tenant: str, id: str) -> Job:
        """At once where no worker runs it, else by its worker; an ended job stays ended."""
        async with self._database.begin() as connection:
            now = self._clock.wall()
            job, leased = await queries.get(connection, tenant, id, lock=True)
            if job.state in ENDED:
                return job
            if leased is None or leased <= now:
                return await self._completion.cancel(connection, job)
            if job.cancel_asked:
                return job
            payload = {"stage": job.stage, "percent": job.percent, "cancel_asked": True}
            return await transition(connection, job, now, "progress", payload, cancel_asked=True)

    async def delete(self, tenant: str, id: str) -> Job:
        """Delete an ended job and its files. Raises Conflict while it has not ended."""
        job = await self.get(tenant, id)
        if job.state not in ENDED:
            raise Conflict(f"Job '{id}' is {job.state}; cancel it first.", param="job")
        await self._delete(job)
        return job

    async def sweep(self) -> int:
        """Delete expired jobs, of every tenant, and idle shares; returns the number of jobs."""
        query = select(jobs).where(jobs.c.expires <= self._clock.wall()).limit(SWEEP_BATCH)
        async with self._database.read() as connection:
            expired = [to_job(row) for row in await connection.execute(query)]
        deleted = [job for job in expired if await self._try_delete(job)]
        async with self._database.begin() as connection:
            await fair_queueing.forget_idle(connection)
        return len(deleted)

    async def _try_delete(self, job: Job) -> bool:
        try:
            await self._delete(job)
        except (Problem, OSError):
            log.warning("job %s stays until its files can be removed", job.id, exc_info=True)
            return False
        return True

    async def _delete(self, job: Job) -> None:
        await self._on_delete(job.tenant, job)
        async with self._database.begin() as connection:
            is_job = and_(jobs.c.tenant == job.tenant, jobs.c.id == job.id)
            await connection.execute(delete(jobs).where(is_job, jobs.c.state.in_(ENDED)))

    async def claim(self, worker: str, kinds: Collection[str], lease_s: float) -> JobLease | None:
        """The next job of these kinds; a poll that finds nothing writes nothing."""
        now = self._clock.wall()
        async with self._database.read() as connection:
            expired = await dequeue.has_expired(connection, now)
            due = expired or await dequeue.has_due(connection, now, kinds)
        if expired:
            async with self._database.begin() as connection:
                await dequeue.reclaim_expired(connection, now, self._completion)
        if not due:
            return None
        async with self._database.begin() as connection:
            return await dequeue.claim(connection, now, worker, kinds, lease_s)
