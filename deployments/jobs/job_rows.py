"""Job rows: as the values of deployments/contracts/jobs.py, and the one way to change them.

Flows in: rows, a NewJob, or a transaction that holds a job's row. Flows out: Job, JobOutput and
JobEvent, the columns of a new row, or the changed job. Every change writes the row, its version and
the event that reports it together. Decides nothing.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import job_events, jobs
from cluster.tenants.caller import Priority
from deployments.contracts.jobs import Job, JobEvent, JobLease, JobOutput, LeaseLost, NewJob

MAX_EVENTS = 1_000  # of a job; older ones are deleted
PRIORITIES = (Priority.INTERACTIVE, Priority.STANDARD, Priority.BATCH)  # most urgent first
_RANK = {priority: rank for rank, priority in enumerate(PRIORITIES)}
_JOB_COLUMNS = (
    *("id", "tenant", "kind", "key", "subject", "state", "stage", "percent", "cost", "weight"),
    *("spec", "result", "problem", "attempts", "max_attempts", "version", "created", "started"),
    *("ended", "expires", "request_id", "trace"),
)


def to_job(row: Row[Any]) -> Job:
    columns = row._mapping
    return Job(
        **{name: columns[name] for name in _JOB_COLUMNS},
        priority=PRIORITIES[columns["priority"]],
        cancel_asked=bool(columns["cancel_asked"]),
    )


def to_output(row: Row[Any]) -> JobOutput:
    return JobOutput(row.job, row.number, row.state, row.data, row.updated)


def to_event(row: Row[Any]) -> JobEvent:
    return JobEvent(row.job, row.seq, row.at, row.kind, row.data)


def new_row(new: NewJob, now: float) -> Mapping[str, Any]:
    """A queued job's row. Raises ValueError for a job that could never be scheduled."""
    if new.cost < 1 or new.weight <= 0 or new.max_attempts < 1:
        raise ValueError("cost and max_attempts are at least 1, weight is more than 0")
    return {
        "id": f"job_{secrets.token_hex(14)}",
        "tenant": new.tenant,
        "kind": new.kind,
        "key": new.key,
        "subject": new.subject,
        "state": "queued",
        "stage": "",
        "percent": 0.0,
        "priority": _RANK[new.priority],
        "cost": new.cost,
        "weight": new.weight,
        "spec": dict(new.spec),
        "result": {},
        "problem": None,
        "attempts": 0,
        "max_attempts": new.max_attempts,
        "next": now,
        "fence": 0,
        "worker": None,
        "leased": None,
        "cancel_asked": False,
        "version": 0,
        "events": 0,
        "created": now,
        "started": None,
        "ended": None,
        "keep_s": new.keep_s,
        "expires": None,
        "request_id": new.request_id,
        "trace": new.trace,
    }


async def lock_leased_job(connection: AsyncConnection, lease: JobLease) -> Job:
    """The leased job, locked until the transaction ends.

    Raises LeaseLost. An expired lease is valid until another worker takes the job over.
    """
    result = await connection.execute(
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
    row = result.first()
    if row is None:
        raise LeaseLost(lease.job.id)
    return to_job(row)


async def transition(
    connection: AsyncConnection,
    job: Job,
    now: float,
    event: str,
    payload: Mapping[str, Any],
    **values: Any,
) -> Job:
    """Set `values`, raise the version, and append an event of kind `event` with `payload`."""
    updated = await connection.execute(
        update(jobs)
        .where(jobs.c.tenant == job.tenant, jobs.c.id == job.id)
        .values(version=jobs.c.version + 1, events=jobs.c.events + 1, **values)
        .returning(jobs)
    )
    row = updated.one()
    entry = {"job": job.id, "seq": row.events, "at": now, "kind": event, "data": dict(payload)}
    await connection.execute(insert(job_events), entry)
    if row.events > MAX_EVENTS:
        old = job_events.c.seq <= row.events - MAX_EVENTS
        await connection.execute(delete(job_events).where(job_events.c.job == job.id, old))
    return to_job(row)
