"""Reads of jobs: one, a page, their outputs and events, and the depth of the queue.

Flows in: a transaction and a tenant. Flows out: values. A query over all tenants says so.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Select, case, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.problems import InvalidRequest, NotFound
from cluster.storage.pagination import MAX_LIMIT, Page, decode_cursor, encode_cursor, is_id
from cluster.storage.tables import job_checkpoints, job_events, job_parts, jobs
from deployments.contracts.jobs import Job, JobEvent, JobOutput, JobState
from deployments.jobs.job_rows import to_event, to_job, to_output
from deployments.jobs.queue_depth import QueueDepth


def job_not_found(id: str) -> NotFound:
    """The same text for another tenant's job and for an unknown id."""
    return NotFound(f"There is no job '{id[:64]}'.", param="job")


async def get(
    connection: AsyncConnection, tenant: str, id: str, *, lock: bool = False
) -> tuple[Job, float | None]:
    """The job, and the end of its lease. Raises NotFound."""
    if not is_id(id):
        raise job_not_found(id)
    query = select(jobs).where(jobs.c.tenant == tenant, jobs.c.id == id)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        raise job_not_found(id)
    return to_job(row), row.leased


async def page(
    connection: AsyncConnection,
    tenant: str,
    *,
    state: JobState | None,
    kind: str | tuple[str, ...] | None,
    subject: str | None,
    limit: int,
    cursor: str | None,
) -> Page[Job]:
    """Newest first. Raises InvalidRequest on a bad bound."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"'limit' is 1 to {MAX_LIMIT}.", param="limit")
    query = _filtered(tenant, {"state": state, "kind": kind, "subject": subject})
    order = (jobs.c.created, jobs.c.id)
    if cursor is not None:
        query = query.where(tuple_(*order) < tuple_(*decode_cursor(cursor)))
    newest = query.order_by(*(column.desc() for column in order)).limit(limit + 1)
    rows = (await connection.execute(newest)).all()
    items = tuple(to_job(row) for row in rows[:limit])
    more = len(rows) > limit
    return Page(items, encode_cursor(items[-1].created, items[-1].id) if more else None)


def _filtered(tenant: str, values: Mapping[str, str | tuple[str, ...] | None]) -> Select[Any]:
    query = select(jobs).where(jobs.c.tenant == tenant)
    for name, value in values.items():
        if isinstance(value, tuple):
            query = query.where(jobs.c[name].in_(value))
        elif value is not None:
            query = query.where(jobs.c[name] == value)
    return query


async def parts(connection: AsyncConnection, tenant: str, job: str) -> tuple[JobOutput, ...]:
    """In order of their numbers."""
    mine = (job_parts.c.tenant == tenant, job_parts.c.job == job)
    rows = await connection.execute(select(job_parts).where(*mine).order_by(job_parts.c.number))
    return tuple(to_output(row) for row in rows)


async def checkpoints(connection: AsyncConnection, job: Job) -> dict[str, Any]:
    """By name."""
    rows = await connection.execute(
        select(job_checkpoints.c.name, job_checkpoints.c.data).where(
            job_checkpoints.c.job == job.id
        )
    )
    return {row.name: row.data for row in rows}


async def events(
    connection: AsyncConnection, tenant: str, job: str, after: int, limit: int
) -> tuple[JobEvent, ...]:
    """The retained ones with a `seq` over `after`, in order."""
    rows = await connection.execute(
        select(job_events)
        .join(jobs, jobs.c.id == job_events.c.job)
        .where(jobs.c.tenant == tenant, job_events.c.job == job, job_events.c.seq > after)
        .order_by(job_events.c.seq)
        .limit(limit)
    )
    return tuple(to_event(row) for row in rows)


async def last_events(
    connection: AsyncConnection, ids: Collection[str]
) -> dict[tuple[str, str], int]:
    """The last event's `seq`, by tenant and job; over all tenants."""
    rows = await connection.execute(
        select(jobs.c.tenant, jobs.c.id, jobs.c.events).where(jobs.c.id.in_(list(ids)))
    )
    return {(row.tenant, row.id): row.events for row in rows}


async def queue_depth(
    connection: AsyncConnection, kinds: Collection[str], now: float
) -> QueueDepth:
    """Over all tenants, because workers serve them all."""
    due = (jobs.c.state == "queued") & (jobs.c.next <= now)
    rows = await connection.execute(
        select(
            func.coalesce(func.sum(case((due, 1), else_=0)), 0),
            func.coalesce(func.sum(case((jobs.c.state == "running", 1), else_=0)), 0),
            func.min(case((due, jobs.c.created), else_=None)),
        ).where(jobs.c.state.in_(("queued", "running")), jobs.c.kind.in_(list(kinds)))
    )
    queued, running, oldest = rows.one()
    return QueueDepth(queued, running, 0.0 if oldest is None else max(0.0, now - oldest))
