"""Ended jobs that used nothing of what was set aside for them: each told to one asker, once.

Flows in: a transaction. Flows out: jobs that failed or were cancelled since an instant, of every
tenant.
"""

from typing import Any

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.storage.tables import jobs
from deployments.contracts.jobs import Job
from deployments.jobs.mapping import job_of

TOLD = "told"  # in the column of the worker, which an ended job has no use for
AT_ONCE = 50


async def has_refundable(connection: AsyncConnection, kind: str, since: float) -> bool:
    """Whether `take_refundable` would find any; only reads."""
    return (await connection.execute(_unspent(kind, since).limit(1))).first() is not None


async def take_refundable(connection: AsyncConnection, kind: str, since: float) -> list[Job]:
    """Those that nobody was told of before; `since` is Unix seconds."""
    query = _unspent(kind, since).limit(AT_ONCE).with_for_update(skip_locked=True)
    found = [job_of(row) for row in await connection.execute(query)]
    if found:
        ids = [job.id for job in found]
        await connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(worker=TOLD))
    return found


def _unspent(kind: str, since: float) -> Select[Any]:
    return select(jobs).where(
        jobs.c.kind == kind,
        jobs.c.state.in_(("failed", "canceled")),
        jobs.c.worker.is_(None),
        jobs.c.ended >= since,
    )
