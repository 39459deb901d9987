"""Claims of jobs, over all tenants; these queries therefore name none.

Flows in: a transaction, a time, the kinds that a worker runs. Flows out: a job leased under a new
fence, or none. An expired lease frees its job first. The clocks of workers may disagree by less
than a lease: a fence, not a clock, excludes a late worker.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import job_shares, jobs
from deployments.contracts.jobs import Job, JobLease
from deployments.jobs import fair_queueing
from deployments.jobs.completion import JobCompletion
from deployments.jobs.fair_queueing import TenantBacklog
from deployments.jobs.job_rows import to_job, transition
from deployments.jobs.retries import LeaseExpired

RECLAIM_BATCH = 20


async def has_expired(connection: AsyncConnection, now: float) -> bool:
    row = await connection.execute(select(jobs.c.id).where(_expired(now)).limit(1))
    return row.first() is not None


async def has_due(connection: AsyncConnection, now: float, kinds: Collection[str]) -> bool:
    row = await connection.execute(select(jobs.c.id).where(_due(now, kinds)).limit(1))
    return row.first() is not None


async def reclaim_expired(
    connection: AsyncConnection, now: float, completion: JobCompletion
) -> None:
    """Jobs whose lease has expired wait again, or end: cancelled, or out of attempts."""
    expired = select(jobs).where(_expired(now)).limit(RECLAIM_BATCH)
    for row in await connection.execute(expired.with_for_update(skip_locked=True)):
        job = to_job(row)
        if job.cancel_asked:
            await completion.cancel(connection, job)
        elif job.attempts >= job.max_attempts:
            await completion.fail(connection, job, LeaseExpired(job.attempts))
        else:
            await requeue(connection, job, now, reason="lease-expired")


async def requeue(
    connection: AsyncConnection,
    job: Job,
    now: float,
    *,
    reason: str,
    pause_s: float = 0.0,
    **values: Any,
) -> Job:
    """It waits for another attempt, not before `pause_s` seconds from now."""
    payload = {"attempt": job.attempts, "in_s": round(pause_s, 3), "reason": reason}
    return await transition(
        connection, job, now, "retrying", payload,
        state="queued", next=now + pause_s, worker=None, leased=None, **values,
    )  # fmt: skip


async def claim(
    connection: AsyncConnection, now: float, worker: str, kinds: Collection[str], lease_s: float
) -> JobLease | None:
    """The next job: the fairest tenant's most urgent, then oldest. None where nothing is due."""
    virtual = await fair_queueing.lock_virtual_time(connection)
    backlogs = await _backlogs(connection, now, kinds)
    for backlog in fair_queueing.schedule_order(backlogs, virtual):
        row = (await connection.execute(_head(backlog.tenant, now, kinds))).first()
        if row is not None:  # else another transaction has locked it
            job = to_job(row)
            await fair_queueing.charge_virtual_time(
                connection, backlog, virtual, job.cost / job.weight
            )
            return await _lease(connection, row, now, worker, lease_s)
    return None


async def _lease(
    connection: AsyncConnection, row: Row[Any], now: float, worker: str, lease_s: float
) -> JobLease:
    job, fence, until = to_job(row), row.fence + 1, now + lease_s
    started = now if job.started is None else job.started
    leased = await transition(
        connection, job, now, "started", {"attempt": job.attempts + 1},
        state="running", attempts=job.attempts + 1, fence=fence, worker=worker, leased=until,
        started=started,
    )  # fmt: skip
    return JobLease(leased, fence, worker, until)


async def _backlogs(
    connection: AsyncConnection, now: float, kinds: Collection[str]
) -> list[TenantBacklog]:
    finish = func.coalesce(job_shares.c.finish, 0.0)
    rows = await connection.execute(
        select(jobs.c.tenant, finish.label("finish"), func.min(jobs.c.created).label("since"))
        .join(job_shares, job_shares.c.tenant == jobs.c.tenant, isouter=True)
        .where(_due(now, kinds))
        .group_by(jobs.c.tenant, job_shares.c.finish)
    )
    return [TenantBacklog(row.tenant, row.finish, row.since) for row in rows]


def _head(tenant: str, now: float, kinds: Collection[str]) -> Select[Any]:
    return (
        select(jobs)
        .where(jobs.c.tenant == tenant, _due(now, kinds))
        .order_by(jobs.c.priority, jobs.c.created, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _due(now: float, kinds: Collection[str]) -> ColumnElement[bool]:
    return and_(jobs.c.state == "queued", jobs.c.next <= now, jobs.c.kind.in_(list(kinds)))


def _expired(now: float) -> ColumnElement[bool]:
    return and_(jobs.c.state == "running", jobs.c.leased <= now)
