"""One way to change a job: its row, its version and the event that tells of it, together.

Flows in: a transaction that holds the job's row. Flows out: the job as it is now. Decides nothing.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import job_events, jobs
from deployments.contracts.jobs import Job, JobLease, LeaseLost
from deployments.jobs.mapping import job_of

KEPT_EVENTS = 1_000  # of a job; older ones are forgotten


async def lock_leased_job(connection: AsyncConnection, lease: JobLease) -> Job:
    """The leased job, and nobody else changes it before the transaction ends.

    Raises LeaseLost. A lease that ran out is good until another takes the job over.
    """
    found = await connection.execute(
        select(jobs)
        .where(
            jobs.c.tenant == lease.job.tenant,
            jobs.c.id == lease.job.id,
            jobs.c.fence == lease.fence,
            jobs.c.worker == lease.worker,
            jobs.c.state == "running",
        )
        .with_for_update()
    )
    row = found.first()
    if row is None:
        raise LeaseLost(lease.job.id)
    return job_of(row)


async def transition(
    connection: AsyncConnection,
    job: Job,
    now: float,
    event: str,
    said: Mapping[str, Any],
    **values: Any,
) -> Job:
    """Set `values`, raise the version, and append an event of kind `event` that says `said`."""
    changed = await connection.execute(
        update(jobs)
        .where(jobs.c.tenant == job.tenant, jobs.c.id == job.id)
        .values(version=jobs.c.version + 1, events=jobs.c.events + 1, **values)
        .returning(jobs)
    )
    row = changed.one()
    entry = {"job": job.id, "seq": row.events, "at": now, "kind": event, "data": dict(said)}
    await connection.execute(insert(job_events), entry)
    if row.events > KEPT_EVENTS:
        old = job_events.c.seq <= row.events - KEPT_EVENTS
        await connection.execute(delete(job_events).where(job_events.c.job == job.id, old))
    return job_of(row)
