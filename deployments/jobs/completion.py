"""How a job ends: once, with its state, its event, its charge and its webhook event in one
transaction; and ended jobs whose reservation is to be refunded.

Flows in: a transaction that holds a job's row, and its outcome. Flows out: the ended job. The
decision to end it is made elsewhere.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.events.kinds import EventKind
from cluster.events.outbox import publish
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.tables import job_checkpoints, jobs
from cluster.usage.entries import record
from deployments.contracts.jobs import Job, JobResult, JobState
from deployments.jobs.job_rows import to_job, transition
from deployments.jobs.job_trace import job_span
from deployments.jobs.retries import stored_problem

AtEnd = Callable[[AsyncConnection, Job], Awaitable[None]]

# The event of a ready output, by kind of job: of the others an output alone is of no use.
OUTPUT_EVENTS: Mapping[str, EventKind] = {"video.clips": EventKind.CLIP_READY}
# Stored in the column of the worker, which an ended job does not need. The value stays: rows of
# earlier releases have it.
_REFUNDED = "told"
_REFUND_BATCH = 50


async def no_op(connection: AsyncConnection, job: Job) -> None:
    """Nothing happens at the end of a job."""


class JobCompletion:
    """`at_end` runs in the transaction of every end, to refund a reservation for example."""

    def __init__(self, clock: Clock, at_end: AtEnd = no_op) -> None:
        self._clock = clock
        self._at_end = at_end

    async def succeed(self, connection: AsyncConnection, job: Job, result: JobResult) -> Job:
        """Succeeded, or partly so; its use is charged here and nowhere else."""
        if result.charge is not None:
            await record(connection, result.charge)
        values = {"result": dict(result.data), "problem": None, "percent": 100.0}
        return await self._end(connection, job, result.state, {"percent": 100.0}, values)

    async def fail(self, connection: AsyncConnection, job: Job, problem: Problem) -> Job:
        """No attempt follows."""
        stored = {"problem": stored_problem(problem, retryable=False)}
        return await self._end(connection, job, "failed", stored, stored)

    async def cancel(self, connection: AsyncConnection, job: Job) -> Job:
        return await self._end(connection, job, "canceled", {}, {"cancel_asked": True})

    async def _end(
        self,
        connection: AsyncConnection,
        job: Job,
        state: JobState,
        payload: Mapping[str, Any],
        values: Mapping[str, Any],
    ) -> Job:
        now = self._clock.wall()
        ended = await transition(
            connection, job, now, state, payload,
            state=state, ended=now, expires=now + jobs.c.keep_s, worker=None, leased=None, **values,
        )  # fmt: skip
        await connection.execute(delete(job_checkpoints).where(job_checkpoints.c.job == job.id))
        await publish_job_ended(connection, self._clock, ended)
        await self._at_end(connection, ended)
        return ended


async def publish_job_ended(connection: AsyncConnection, clock: Clock, job: Job) -> None:
    payload = {"id": job.id, "work": job.kind, "subject": job.subject, "attempts": job.attempts}
    if job.state == "failed" and job.problem is not None:
        payload |= {"problem": job.problem["slug"], "status": job.problem["status"]}
    kind, trace = f"job.{job.state}", job_span(job.id).traceparent
    await publish(connection, clock, job.tenant, kind, payload, once=job.id, trace=trace)


async def publish_output_ready(
    connection: AsyncConnection, clock: Clock, job: Job, number: int
) -> None:
    kind = OUTPUT_EVENTS.get(job.kind)
    if kind is not None:
        payload = {"job": job.id, "number": number, "video": job.subject}
        once, trace = f"{job.id}:{number}", job_span(job.id).traceparent
        await publish(connection, clock, job.tenant, kind, payload, once=once, trace=trace)


async def has_refundable(connection: AsyncConnection, kind: str, since: float) -> bool:
    """Whether `take_refundable` would find any; reads only."""
    return (await connection.execute(_refundable(kind, since).limit(1))).first() is not None


async def take_refundable(connection: AsyncConnection, kind: str, since: float) -> list[Job]:
    """Jobs of all tenants that failed or were cancelled since `since`; each is returned once."""
    query = _refundable(kind, since).limit(_REFUND_BATCH).with_for_update(skip_locked=True)
    refundable = [to_job(row) for row in await connection.execute(query)]
    if refundable:
        ids = [job.id for job in refundable]
        await connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(worker=_REFUNDED))
    return refundable


def _refundable(kind: str, since: float) -> Select[Any]:
    return select(jobs).where(
        jobs.c.kind == kind,
        jobs.c.state.in_(("failed", "canceled")),
        jobs.c.worker.is_(None),
        jobs.c.ended >= since,
    )
